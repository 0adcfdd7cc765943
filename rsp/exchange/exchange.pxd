from rsp.logs.combined cimport combined
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.h1.server cimport Downstream
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.context cimport Plane
from rsp.exchange.forward.forward cimport Search
from rsp.exchange.running_config cimport Destination, Site
from rsp.http.h1.client cimport Upstream
from rsp.http.routing cimport match


cdef class Exchange(Search):
    cdef Destination _destination
    cdef double _started
    cdef bytes _extra, _target
    cdef public Downstream downstream
    cdef int _open_ends
    cdef Py_ssize_t _received
    cdef list _trailers
    cdef public bytes request_id
    cdef public Py_ssize_t sent
    cdef public Site site
    cdef public int status
    cpdef start(self)
    cdef _identify(self)
    cdef _route(self)
    cdef _take(self, Destination destination, Downstream downstream)
    cdef _proceed(self, Destination destination)
    cdef _forward(self, Group group)
    cdef list _sound_trailers(self)
    cdef list _for_client(self, list trailers)
    cdef _respond(self, ResponseHead head, bytes fields, list pieces, list trailers)
    cpdef connected(self, Upstream upstream)
    cpdef bytes head_for_peer(self)
    cpdef bytes ruled(self, bytes fields)
    cdef bytes _written(self, bytes extra, bytes request_id)
    cpdef bytes placeholder(self, str name)
    cpdef upstream_full(self)
    cpdef upstream_ready(self)
    cpdef request_body(self, list pieces, list trailers)
    cpdef bint is_moot(self)
    cpdef client_gone(self)
    cpdef client_left(self)
    cpdef client_full(self)
    cpdef client_ready(self)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cpdef tunnel_up(self, bytes data)
    cpdef tunnel_down(self, bytes data)
    cdef _complete(self)
    cdef Downstream _end(self, int status)
