# What other compiled modules call without going through Python.
from rsp.http.message cimport RequestHead, ResponseHead

cpdef Py_ssize_t end_of_head(bytes data, Py_ssize_t start)
cpdef RequestHead parse_request(bytes block, Py_ssize_t limit=*)
cpdef ResponseHead parse_response(bytes block, bytes method, Py_ssize_t limit=*)
cpdef RequestHead request_in(bytes data, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t limit)
cpdef ResponseHead response_in(bytes data, Py_ssize_t start, Py_ssize_t stop, bytes method, Py_ssize_t limit)
cpdef bytes request_head(RequestHead head, bytes target, bytes host, bytes fields, bytes extra, bytes request_id)
cpdef bytes response_head(ResponseHead head, bytes fields, Py_ssize_t framing, bytes connection)
