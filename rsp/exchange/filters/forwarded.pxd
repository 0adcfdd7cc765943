from rsp.http.pieces cimport all_joined


cdef class Forwarded:
    cdef public str style
    cdef object _keep
    cdef list _trusted
    cdef bint _trusts_some, _trusts_unix
    cdef dict _known
    cpdef bytes direct(self, bytes client, bytes host, bytes scheme)
    cpdef bint trusts(self, bytes client) except -1
