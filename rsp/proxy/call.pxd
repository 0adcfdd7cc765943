from rsp.http1.codec cimport parse_request, request_head
from rsp.http1.head cimport ResponseHead
from rsp.proxy.group cimport Group
from rsp.proxy.search cimport Search
from rsp.proxy.site cimport Site
from rsp.proxy.upstream cimport Upstream


cdef class Call(Search):
    cdef object _done, _finding, _plan, _timer
    cdef Site _site
    cdef bytes _fields
    cdef int _status
    cdef Py_ssize_t _size
    cdef list _body
