from rsp.exchange.exchange cimport Exchange
from rsp.exchange.forward.forward cimport Forward
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler
from rsp.exchange.handlers.proxy cimport prepare
from rsp.http.message cimport OutgoingHead, ResponseHead
from rsp.http.peer_stream cimport ResponseReceiver

cimport cython


cdef class Failover:
    cdef public object choice, on
    cdef public Upstream other
    @cython.locals(guard=Guard)
    cpdef watch(self, Exchange exchange, Forward forward)


cdef class ProxyOrOther(Handler):
    cdef Failover _failover
    cdef Upstream _upstream
    @cython.locals(forward=Forward, upstream=Upstream)
    cpdef start(self, exchange)


cdef class Guard(ResponseReceiver):
    cdef Exchange _exchange
    cdef Failover _failover
    cdef Forward _forward
    cdef bint _was_sent
    cpdef set_up(self, Failover failover, Exchange exchange, Forward forward)
    @cython.locals(forward=Forward)
    cdef bint _may_go_on(self, int status) except -1
    @cython.locals(exchange=Exchange, first=Forward, other=Upstream, second=Forward)
    cdef _go_on(self)
    @cython.locals(exchange=Exchange)
    cdef Exchange _step_aside(self)
    cpdef OutgoingHead outgoing_head(self)
    cpdef list outgoing_trailers(self, list trailers)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef source_full(self)
    cpdef source_ready(self)
