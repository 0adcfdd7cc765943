# Compiled from its source as it is; nothing here is called without going through Python.

cdef int IN_FLIGHT, ROWS
