cimport cython

from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.held cimport HeldResponse
from rsp.exchange.pace cimport Pace
from rsp.exchange.subject cimport Subject
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport Responder

cdef int _NONE, _REQUEST, _RESPONSE, _ERROR
cdef list _NO_FILTERS, _NO_NOTES


cdef class Passage:
    cdef object _awaited, _body_limit, _body_wanted, _failure
    cdef Subject _exchange
    cdef tuple _chain
    cdef bint _failed
    cdef Py_ssize_t _next
    cdef int _phase
    cdef public list body_filters, notes, tapping
    cdef public HeldResponse held
    cdef public Pace down, up
    cdef public object backlog, chooser, coder, overridden, pinned, sent_to
    cdef public bint by_service, holds, path_set
    cpdef set_up(self, exchange)
    @cython.locals(notes=Notes)
    cpdef bint waits(self) except -1
    cpdef go_on(self)
    @cython.locals(notes=Notes)
    cpdef stop(self)
    @cython.locals(current=Filter)
    cpdef end(self, tuple filters, int status)
    cpdef note(self, Notes notes)
    cpdef wait(self, tuple filters, Py_ssize_t following)
    cpdef bint begin(self, tuple filters) except -1
    @cython.locals(current=Filter)
    cdef bint _pass_request(self) except -1
    cdef _enter(self)
    @cython.locals(notes=Notes)
    cpdef body_arrived(self, list pieces, list trailers)
    @cython.locals(held=HeldResponse)
    cpdef hold(self, tuple filters, ResponseHead head, list pieces, list trailers, Responder responder)
    @cython.locals(current=Filter)
    cdef _pass_response(self)
    @cython.locals(responder=Responder, head=ResponseHead, pieces=list, trailers=list)
    cdef _send(self, HeldResponse held)
    @cython.locals(filtered=list)
    cpdef list pass_body(self, list pieces, list trailers)
    cpdef bint hold_back(self) except -1
    @cython.locals(current=Filter)
    cpdef list filter_body(self, list pieces, bint last)
    @cython.locals(current=Filter)
    cdef _pass_error(self)
