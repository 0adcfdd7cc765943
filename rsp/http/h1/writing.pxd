from rsp.net.transport cimport Transport

cpdef write_message(Transport transport, bytes start, list pieces, bint chunked, list trailers)
