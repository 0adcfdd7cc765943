from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.http1.lines cimport drop
from rsp.proxy.downstream cimport Downstream
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.hooked_request cimport HookedRequest
from rsp.proxy.hooks cimport Hooks, Phases
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Destination


cdef class HookedExchange(HookedRequest):
    cdef bint _broken, _changed, _filtering, _in_error, _whole
    cdef Py_ssize_t _asking
    cdef list _asked, _done, _to_ask
    cdef object _length, _response_done
    cdef Py_ssize_t _filter
    cdef tuple _failure
    cdef _leave_hooks(self, int status)
