from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientStream


cdef class _NoStream(ClientStream):
    pass


cdef class _NoResponder(Responder):
    pass
