from rsp.http.lines cimport get, which


cpdef int status(bytes fields, bytes etag, modified) except -1
cpdef int decide(int there, bytes fields, bytes etag, modified) except -1
cpdef bint range_holds(bytes fields, bytes etag, modified, double now) except -1
cpdef bint matches(bytes value, bytes etag, bint weakly) except -1
cdef bytes _value(bytes fields, bytes name)
