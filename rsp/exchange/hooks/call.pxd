from rsp.http.h1.codec cimport parse_request, request_head
from rsp.http.message cimport ResponseHead
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.forward.forward cimport Search
from rsp.exchange.running_config cimport Site
from rsp.http.h1.client cimport Upstream


cdef class Call(Search):
    cdef object _done, _finding, _plan, _timer
    cdef Site _site
    cdef bytes _fields
    cdef int _status
    cdef Py_ssize_t _size
    cdef list _body
