cimport cython

from rsp.exchange.forward.journal cimport Journal, Try
from rsp.exchange.forward.peer cimport Peer
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext


cdef class Holder(PeerRequest):
    cdef public WorkerContext context
    cdef public bint connecting, holds
    cdef public Journal journal
    cdef public Try noted
    cdef public Peer peer
    cdef public PeerStream stream
    cpdef bint hold(self, Peer peer) except -1
    cpdef connect(self)
    cpdef note_connected(self)
    cpdef note_answered(self, int status, double now)
    cpdef note_failed(self, str reason)
    cpdef let_go(self)
    cpdef peer_done(self)
    @cython.locals(stream=PeerStream)
    cpdef abandon(self, str reason)
