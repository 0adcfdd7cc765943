# Tasks are compiled from their source as it is: nothing calls them without going through Python.

cdef class Runner:
    cdef public Py_ssize_t body_limit
    cdef public dict operations
    cdef public double timeout
    cdef public object config, context, running, services, table, too_long
