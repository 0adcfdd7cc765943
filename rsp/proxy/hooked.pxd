from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.http1.lines cimport drop, each, get
from rsp.proxy.downstream cimport Downstream
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.group cimport Group
from rsp.proxy.hooks cimport Hooks, Phases
from rsp.proxy.peer cimport Peer
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Destination


cdef class HookedExchange(Exchange):
    cdef bint _dropped, _global_next, _in_error, _path_set, _whole
    cdef bytes _answer_fields
    cdef object _body_done, _response_done
    cdef Hooks _hooks
    cdef int _filter, _number
    cdef list _overridden
    cdef Group _proxied
    cdef Peer _pinned
    cdef tuple _choice, _failure, _held_response
    cdef public list held
    cdef public object task
    cdef _ask(self, int number, then)
    cdef bint _apply(self, outcome, Phases phases) except -1
    cpdef get_field(self, int which, name)
    cpdef set_field(self, int which, bytes name, bytes lines, bint more)
    cdef _leave_hooks(self, int status)
    cdef _go(self, Destination destination)
