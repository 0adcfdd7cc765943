from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.lines cimport drop, each, get
from rsp.http.h1.server cimport Downstream
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.hooks.hooks cimport Hooks, Phases
from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.context cimport Plane
from rsp.exchange.running_config cimport Destination


cdef class HookedRequest(Exchange):
    cdef bint _dropped, _ours, _path_set
    cdef bytes _answer_fields
    cdef object _body_done
    cdef Hooks _hooks
    cdef Py_ssize_t _number
    cdef object _overridden
    cdef Group _proxied
    cdef Peer _pinned
    cdef tuple _choice, _held_response
    cdef public list held
    cdef public object task
    cdef _ask(self, int number, then)
    cdef bint _apply(self, outcome, Phases phases) except -1
    cpdef get_field(self, int which, name)
    cpdef set_field(self, int which, bytes name, bytes lines, bint more)
    cdef _go(self, Destination destination)
