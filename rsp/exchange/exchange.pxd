cimport cython

from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.passage cimport Passage
from rsp.exchange.record cimport record
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.exchange.subject cimport Subject
from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.routing cimport match
from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientSession, ClientStream
from rsp.net.context cimport WorkerContext

cdef int IN_FLIGHT
cdef Responder NO_RESPONDER
cdef ClientStream NO_STREAM


cdef class Exchange(Subject):
    cdef int _open_ends
    cdef public RequestBody body
    cdef public bytes extra
    cdef public bint dropped, request_done
    cdef public Limits limits
    cdef public Passage passage
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
