cimport cython

from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.passage cimport Passage
from rsp.exchange.record cimport record
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.routing cimport match
from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream
from rsp.net.context cimport WorkerContext

cdef int IN_FLIGHT
cdef Responder NO_RESPONDER
cdef ClientStream NO_STREAM


cdef class Exchange(ClientEvents):
    cdef int _open_ends
    cdef Py_ssize_t _received
    cdef public RequestBody body
    cdef public bytes client, extra, request_id, target
    cdef public RunningConfig config
    cdef public WorkerContext context
    cdef public bint dropped, over, own, request_done
    cdef public RequestHead head
    cdef public Limits limits
    cdef public Passage passage
    cdef public Responder responder
    cdef public RouteTarget route
    cdef public Py_ssize_t sent
    cdef public ClientSession session
    cdef public double started
    cdef public int status
    cdef public ClientStream stream
    cdef public Upstream upstream
    cdef Passage _get_passage(self)
    @cython.locals(session=ClientSession)
    cpdef set_up(self, WorkerContext context, RunningConfig config, ClientStream stream, RequestHead head)
    @cython.locals(route=RouteTarget)
    cpdef find_route(self)
    @cython.locals(limits=Limits)
    cpdef take(self, RouteTarget route)
    cpdef handle(self, RouteTarget route)
    cpdef tell(self)
    cpdef bytes placeholder(self, str name)
    cpdef source_full(self)
    cpdef source_ready(self)
    cdef _respond(self, ResponseHead head, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef send(self, ResponseHead head, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef response_body(self, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef request_body(self, list pieces, list trailers)
    cpdef abort_responder(self)
    cdef _finish(self, int status, bint keep_alive)
    cdef ClientStream _end(self, int status)
