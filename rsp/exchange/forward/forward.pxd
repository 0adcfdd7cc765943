from rsp.http.message cimport RequestHead
from rsp.exchange.forward.request cimport Asker
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.context cimport Plane
from rsp.http.h1.client cimport Upstream


cdef class Search(Asker):
    cdef double _ended, _upstream_started, _upstream_time
    cdef bint _holds, _spent, _tried_stale
    cdef bytes _first_names, _names
    cdef Py_ssize_t _more_names
    cdef Peer _peer
    cdef Upstream _own
    cdef Py_ssize_t _kept_size, _pending_size
    cdef list _kept, _pending
    cdef Plane _plane
    cdef object _rival
    cdef public bint over, response_started
    cdef public double queue_deadline, queue_limit
    cdef public Group group
    cdef public Upstream upstream
    cpdef bytes head_for_peer(self)
    cpdef refuse(self, int status, str reason)
    cpdef cut_off(self)
    cdef _next_peer(self, int status)
    cdef _try_peer(self, Peer peer)
    cdef _let_go(self)
    cdef _keep(self, list pieces)
    cdef bint _tries_another(self, Group group, int status) except -1
    cdef _call_off(self)
    cpdef upstream_done(self)
    cdef _abandon(self)
