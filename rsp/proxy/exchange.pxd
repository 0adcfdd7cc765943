cimport cython

from rsp.combined cimport combined
from rsp.http1.codec cimport request_head
from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.proxy.downstream cimport Downstream
from rsp.proxy.group cimport Group
from rsp.proxy.peer cimport Peer
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Destination, Site
from rsp.proxy.terms cimport Terms
from rsp.proxy.upstream cimport Upstream
from rsp.route cimport match


@cython.freelist(64)
cdef class Exchange:
    cdef Destination _destination
    cdef double _ended, _started, _upstream_started, _upstream_time
    cdef bytes _extra, _names, _target
    cdef bint _holds, _spent
    cdef int _open_ends, _stale_retries
    cdef Peer _peer
    cdef Py_ssize_t _kept_size, _pending_size, _received
    cdef list _kept, _pending, _trailers
    cdef Plane _plane
    cdef object _rival
    cdef public bint bound
    cdef public bytes client, request_id
    cdef public Downstream downstream
    cdef public double queue_deadline
    cdef public Group group
    cdef public RequestHead head
    cdef public bint request_done, response_started
    cdef public Py_ssize_t sent
    cdef public Site site
    cdef public int status
    cdef public Terms terms
    cdef public tuple tried
    cdef public Upstream upstream
    cpdef start(self)
    cdef _next_peer(self, int status)
    cdef _try_peer(self, Peer peer)
    cdef _let_go(self)
    cpdef connected(self, Upstream upstream)
    cdef _keep(self, list pieces)
    cdef bytes _head_for_peer(self)
    cpdef upstream_full(self)
    cpdef upstream_ready(self)
    cpdef request_body(self, list pieces, list trailers)
    cpdef client_gone(self)
    cpdef client_full(self)
    cpdef client_ready(self)
    cpdef upstream_done(self)
    cdef _abandon(self)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cpdef tunnel_up(self, bytes data)
    cpdef tunnel_down(self, bytes data)
    cdef _complete(self)
    cdef Downstream _end(self, int status)
