cimport cython

from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.grpc cimport answer_call, bound_call
from rsp.exchange.passage cimport Passage
from rsp.exchange.record cimport record
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.exchange.tunnel cimport Tunnel
from rsp.http.grpc cimport status_of
from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.routing cimport match
from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientSession, ClientStream
from rsp.net.context cimport WorkerContext

cdef int DEADLINE_EXCEEDED, IN_FLIGHT, NO_STATUS, UNAVAILABLE
cdef Responder NO_RESPONDER
cdef ClientStream NO_STREAM


cdef class Exchange(Tunnel):
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
    @cython.locals(head=RequestHead, limits=Limits)
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
    cdef list _for_client(self, list trailers)
    cpdef abort_responder(self)
    cdef _finish(self, int status, bint keep_alive)
    cdef ClientStream _end(self, int status)
