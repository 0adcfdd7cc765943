from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.http1.lines cimport drop, each, get
from rsp.proxy.downstream cimport Downstream
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.group cimport Group
from rsp.proxy.hooks cimport Hooks, Phases
from rsp.proxy.peer cimport Peer
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Destination


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
