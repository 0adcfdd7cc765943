cpdef bint is_call(bytes fields) except -1
cpdef double timeout(bytes fields) except? -2.0
cpdef int status_in(bytes fields) except? -2
cpdef int status_of(list trailers) except? -2
cdef int _number(bytes value) except? -2
