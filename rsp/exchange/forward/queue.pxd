from rsp.net.context cimport WorkerContext

cdef int QUEUED, WAITING


cdef class Queue:
    cdef object _config, _owner, _requests
    cdef WorkerContext _context
    cdef bint _armed
    cpdef bint others_wait(self) except -1
