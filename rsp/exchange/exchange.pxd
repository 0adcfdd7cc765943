cimport cython

from rsp.exchange.compression cimport Compression
from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.filter cimport Notes
from rsp.exchange.grpc cimport answer_call, bound_call
from rsp.exchange.incoming cimport Incoming
from rsp.exchange.pace cimport Pace
from rsp.exchange.passage cimport Passage
from rsp.exchange.record cimport record
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.exchange.told cimport told
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


cdef class Exchange(Incoming):
    @cython.locals(passage=Passage)
    cpdef Passage get_passage(self)
    @cython.locals(session=ClientSession)
    cpdef set_up(self, WorkerContext context, RunningConfig config, ClientStream stream, RequestHead head)
    cpdef respond(self, ResponseHead head, list pieces, list trailers)
    @cython.locals(passage=Passage)
    cpdef bint takes_files(self) except -1
    cpdef Py_ssize_t send_file(self, ResponseHead head, int file, Py_ssize_t start, Py_ssize_t size) except -2
    cdef _respond(self, ResponseHead head, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef send(self, ResponseHead head, list pieces, list trailers)
    @cython.locals(filtered=list)
    cpdef response_body(self, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef pass_on(self, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cpdef deliver(self, list pieces, list trailers)
    cpdef response_full(self)
    cpdef response_ready(self)
    @cython.locals(passage=Passage)
    cdef tuple _compress(self, Compression compression, ResponseHead head, list pieces, list trailers)
    cdef list _for_client(self, list trailers)
    cpdef abort_responder(self)
    cdef _finish(self, int status, bint keep_alive)
    @cython.locals(notes=Notes)
    cdef ClientStream _end(self, int status)
