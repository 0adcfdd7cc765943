cdef int _JOIN_BELOW

cpdef write_message(object transport, bytes start, list pieces, bint chunked, list trailers)
