cdef int _FEW


cdef class Decoder:
    cdef public bint done, more
    cdef public bytes rest
    cdef public list trailers
    cpdef list feed(self, bytes data)


cdef class LengthDecoder(Decoder):
    cdef public Py_ssize_t remaining


cdef class CloseDecoder(Decoder):
    pass


cdef class ChunkedDecoder(Decoder):
    cdef bytes _held
    cdef int _share
    cdef list _lines
    cdef Py_ssize_t _remaining, _searched, _trailers_size
    cdef bint _in_trailers
    cdef Py_ssize_t _payload(self, bytes data, Py_ssize_t position, list pieces) except -1
