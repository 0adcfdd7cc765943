cimport cython

from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.held cimport HeldResponse
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport Responder

cdef int _NONE, _REQUEST, _RESPONSE, _ERROR


cdef class Passage:
    cdef object _body_limit, _body_wanted, _exchange, _failure
    cdef tuple _chain
    cdef bint _failed
    cdef int _next, _phase
    cdef public list body_filters, notes
    cdef public HeldResponse held
    cdef public object chooser, overridden, pinned, sent_to
    cdef public bint holds, path_set
    cpdef set_up(self, exchange)
    @cython.locals(notes=Notes)
    cpdef bint waits(self) except -1
    cpdef go_on(self)
    @cython.locals(notes=Notes)
    cpdef stop(self)
    @cython.locals(current=Filter)
    cpdef end(self, tuple filters, int status)
    cpdef begin(self, tuple filters)
    @cython.locals(current=Filter)
    cdef _pass_request(self)
    cpdef body_arrived(self)
    @cython.locals(held=HeldResponse)
    cpdef hold(self, tuple filters, ResponseHead head, list pieces, list trailers, Responder responder)
    @cython.locals(current=Filter)
    cdef _pass_response(self)
    @cython.locals(responder=Responder, head=ResponseHead, pieces=list, trailers=list)
    cdef _send(self, HeldResponse held)
    cpdef list pass_body(self, list pieces, list trailers)
    @cython.locals(current=Filter)
    cpdef list filter_body(self, list pieces, bint last)
    @cython.locals(current=Filter)
    cdef _pass_error(self)
