cdef class Announced:
    cdef object _destination, _source
    cdef bytes _tlvs
    cdef dict _headers
    cdef public list idle
    cdef public bint closed


cdef class Local(Announced):
    pass
