from rsp.files.calls cimport Mark
from rsp.files.entry cimport OpenFile


cdef int LOCAL, REMOTE


cdef class Root:
    cdef readonly bytes path
    cdef public OpenFile directory
    cdef public int error, kind
    cdef public unsigned long long device
    cdef Mark _mark
    cdef bint _asked
    cpdef OpenFile current(self, bint wait)
    cpdef resolve(self)
    cdef _take(self, OpenFile directory)
    cpdef bint renew(self) except -1
    cpdef tick(self)
    cdef bint _is_same(self) except -1
