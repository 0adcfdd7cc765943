cimport cython

from rsp.http.h2.hpack cimport Fields
from rsp.http.h2.link cimport PeerLink
from rsp.http.h2.stream cimport Stream
from rsp.http.lines cimport drop, get
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.peer_stream cimport PeerRequest, PeerStream

cdef int CANCEL, HTTP_1_1_REQUIRED, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, _INTERIM
cdef double _LATE, _LEAST_PATIENCE, _NEVER
cdef bytes WEBSOCKET
cdef list _NOTHING
cdef object _WITH_LENGTH


cdef class PeerLane(Stream):
    cdef public H2PeerStream user
    cpdef head_arrived(self, Fields fields, bint last)


cdef class H2PeerStream(PeerStream):
    cdef PeerLink _link
    cdef PeerRequest _request
    cdef ResponseHead _head
    cdef bytes _key
    cdef int _interim
    cdef Py_ssize_t _interim_size
    cdef bint _bodiless, _perhaps_stale, _tunnel, _untouched, _websocket
    cdef double _sent_at
    cdef public double deadline
    cdef public PeerLane lane
    cpdef set_up(self, PeerLink link, PeerRequest request)
    cpdef bint is_full(self) except -1
    cpdef bint is_bound(self) except -1
    cpdef bint is_doubtful(self) except -1
    cpdef bint is_stale(self) except -1
    @cython.locals(link=PeerLink, request=RequestHead, lane=PeerLane, whole=cython.bint, block=bytes)
    cpdef send_request(self, OutgoingHead head, list pieces, list trailers)
    cdef bytes _connect(self, OutgoingHead head)
    cpdef send_body(self, list pieces, list trailers)
    @cython.locals(request=PeerRequest, asks_on=cython.bint)
    cdef _expect(self)
    cpdef pause(self)
    cpdef resume(self)
    @cython.locals(request=PeerRequest)
    cdef _expect_more(self)
    cpdef send_raw(self, bytes data)
    @cython.locals(request=PeerRequest)
    cdef PeerRequest _let_go(self)
    cpdef fail(self, failure)
    cpdef bint is_due(self, double now)
    cpdef peer_full(self)
    cpdef peer_ready(self)
    cpdef was_reset(self, long long code, bint untouched)
    @cython.locals(request=PeerRequest, head=ResponseHead)
    cpdef head_arrived(self, Fields fields, bint last)
    cdef _take_interim(self, PeerRequest request, ResponseHead head, Py_ssize_t size, bint last)
    @cython.locals(lane=PeerLane)
    cdef _take_final(self, PeerRequest request, ResponseHead head, bint last)
    @cython.locals(switched=ResponseHead)
    cdef _switch(self, PeerRequest request, ResponseHead head)
    @cython.locals(request=PeerRequest, lane=PeerLane, head=ResponseHead)
    cpdef body_arrived(self, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cdef _tunnel_arrived(self, PeerRequest request, list pieces, list trailers)
    @cython.locals(lane=PeerLane)
    cdef _finish(self, PeerRequest request, ResponseHead head, list pieces, list trailers)


@cython.locals(request=RequestHead, extra=bytes)
cdef bytes _extra(OutgoingHead head)
