from rsp.http.pieces cimport joined
from rsp.net.transport cimport Transport

cdef int _JOIN_BELOW

cpdef write_message(Transport transport, bytes start, list pieces, bint chunked, list trailers)
