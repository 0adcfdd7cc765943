# What other compiled modules call without going through Python.
cimport cython

from rsp.http.h1.codec cimport parse_request, parse_response
from rsp.http.h2.hpack cimport Fields
from rsp.http.h2.wire cimport request_block
from rsp.http.message cimport RequestHead, ResponseHead

cdef Py_ssize_t CHUNKED, UNTIL_CLOSE


@cython.locals(method=bytes, path=bytes, extra=bytes, head=RequestHead)
cpdef RequestHead request_of(Fields fields, bint whole, Py_ssize_t line_limit, Py_ssize_t count_limit)
@cython.locals(authority=bytes, host=bytes)
cdef bytes _authority(Fields fields)
cdef bytes _extended(Fields fields, bint whole)
@cython.locals(status=bytes, phrase=bytes, head=ResponseHead)
cpdef ResponseHead response_of(Fields fields, bint whole, bytes method, Py_ssize_t count_limit)
cpdef list trailers_of(Fields fields)
