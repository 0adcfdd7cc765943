cimport cython

from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.forward.relay cimport Relay
from rsp.exchange.forward.retry cimport is_safe
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.forward.body cimport RequestBody
from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.peer_stream cimport PeerStream, ResponseReceiver
from rsp.net.context cimport WorkerContext

cdef int ERRORS, HEDGES, MOST_NAMES, PEER_RETRIES, RETRIES


cdef class Forward(Relay):
    cdef public object chooser, own
    cdef public Peer pinned
    cdef public bint answered, hedges
    cdef public double queue_deadline, queue_limit
    cdef object _hedge
    cdef Peer _stale_at
    cpdef set_up(
        self, WorkerContext context, ResponseReceiver user, Upstream upstream, RequestHead head, Limits limits,
        bytes client, RequestBody body, bint request_done,
    )
    cpdef begin(self)
    @cython.locals(pinned=Peer)
    cpdef next_peer(self, int status)
    @cython.locals(peer=Peer, upstream=Upstream)
    cpdef go_on(self, int status)
    cdef bint _wait(self, bint first) except -1
    @cython.locals(before=Peer, stream=PeerStream, once=bint)
    cpdef try_peer(self, Peer peer)
    cdef bint _tried_all(self) except -1
    cdef _name(self, Peer peer)
    cdef bint _tries_another(self, int status, str reason) except -1
    cdef _call_off(self)
    cpdef connected(self, PeerStream stream)
    @cython.locals(now=double, peer=Peer, upstream=Upstream)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cdef _refuse(self, int status, str reason)
    cpdef abort(self, reason)
