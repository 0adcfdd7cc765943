cimport cython

from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.grpc cimport bound_call
from rsp.exchange.pace cimport Pace
from rsp.exchange.passage cimport Passage
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.exchange.told cimport told
from rsp.exchange.tunnel cimport Tunnel
from rsp.http.limits cimport Limits
from rsp.http.lines cimport without
from rsp.http.message cimport OutgoingHead, RequestHead
from rsp.http.peer_stream cimport Responder
from rsp.http.routing cimport match

cdef int HOLD, PASS
cdef Responder NO_RESPONDER


cdef class Incoming(Tunnel):
    cdef public RequestBody body
    cdef public bytes extra, rate_items
    cdef public Notes leaving
    cdef public bint admitted, dropped, request_done
    cdef public Limits limits
    cdef public Passage passage
    cpdef Passage get_passage(self)
    cpdef tell_of_end(self, Notes notes)
    cpdef give_up(self, int status, reason)
    @cython.locals(config=RunningConfig)
    cpdef start(self)
    @cython.locals(passage=Passage)
    cpdef enter(self)
    @cython.locals(route=RouteTarget, head=RequestHead)
    cpdef find_route(self)
    @cython.locals(head=RequestHead, limits=Limits)
    cpdef take(self, RouteTarget route)
    @cython.locals(current=Filter, following=Py_ssize_t, outcome=int)
    cdef bint _pass_filters(self, RouteTarget route) except -1
    @cython.locals(head=RequestHead, passage=Passage)
    cpdef handle(self, RouteTarget route)
    cpdef tell(self)
    cpdef bytes placeholder(self, str name)
    @cython.locals(piece=bytes, up=Pace)
    cpdef request_body(self, list pieces, list trailers)
    @cython.locals(body=RequestBody)
    cpdef take_body(self, list pieces, list trailers)
    cpdef source_full(self)
    cpdef source_ready(self)
    cdef _client_pause(self)
