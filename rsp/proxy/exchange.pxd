cimport cython

from rsp.combined cimport combined
from rsp.http1.codec cimport request_head
from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.proxy.downstream cimport Downstream
from rsp.proxy.plane cimport Plane
from rsp.proxy.pool cimport Pool
from rsp.proxy.site cimport Destination, Group, Site
from rsp.proxy.terms cimport Terms
from rsp.proxy.upstream cimport Upstream
from rsp.route cimport match


@cython.final
@cython.freelist(64)
cdef class Exchange:
    cdef bint _body_sent
    cdef Destination _destination
    cdef double _ended, _started, _upstream_started, _upstream_time
    cdef bytes _extra, _names, _target
    cdef Group _group
    cdef int _open_ends, _stale_retries
    cdef Py_ssize_t _peer, _pending_size, _received
    cdef list _pending, _trailers
    cdef Plane _plane
    cdef tuple _tried
    cdef public bytes client, request_id
    cdef public Downstream downstream
    cdef public RequestHead head
    cdef public bint request_done, response_started
    cdef public Py_ssize_t sent
    cdef public Site site
    cdef public int status
    cdef public Terms terms
    cdef public Upstream upstream
    cpdef start(self)
    cdef _try_next(self, int status)
    cdef _try_peer(self, Pool pool)
    cpdef connected(self, Upstream upstream)
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
