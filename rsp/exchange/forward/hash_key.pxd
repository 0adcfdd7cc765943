from rsp.config.placeholders cimport Template
from rsp.http.peer_stream cimport PeerRequest


cdef class HashKey:
    cdef str _kind
    cdef bytes _name
    cdef Template _template
    cpdef bytes of(self, PeerRequest request)
