from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.lines cimport drop
from rsp.http.h1.server cimport Downstream
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.hooks.hooked_request cimport HookedRequest
from rsp.exchange.hooks.hooks cimport Hooks, Phases
from rsp.exchange.context cimport Plane
from rsp.exchange.running_config cimport Destination


cdef class HookedExchange(HookedRequest):
    cdef bint _broken, _changed, _filtering, _in_error, _whole
    cdef Py_ssize_t _asking
    cdef list _asked, _done, _to_ask
    cdef object _length, _response_done
    cdef Py_ssize_t _filter
    cdef tuple _failure
    cdef _leave_hooks(self, int status)
