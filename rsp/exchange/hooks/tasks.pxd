# Tasks are compiled from their source as it is: nothing calls them without going through Python.

from rsp.net.context cimport WorkerContext


cdef class Runner:
    cdef public Py_ssize_t body_limit
    cdef public dict operations
    cdef public double timeout
    cdef public WorkerContext context
    cdef public object config, running, services, table, too_long
