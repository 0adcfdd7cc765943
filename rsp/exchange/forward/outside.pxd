# Compiled from its source as it is; nothing here is called without going through Python.

cdef int CONNECTING, IN_FLIGHT, ROWS
