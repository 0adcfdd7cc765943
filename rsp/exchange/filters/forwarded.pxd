cdef class Forwarded:
    cdef public str style
    cdef object _keep
    cdef list _trusted
    cdef bint _trusts_some, _trusts_unix
    cdef dict _known
    cpdef bint trusts(self, bytes client) except -1
