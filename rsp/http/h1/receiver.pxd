from rsp.http.h1.body cimport Decoder, LengthDecoder
from rsp.http.h1.codec cimport end_of_head, parse_request
from rsp.http.message cimport RequestHead
from rsp.net.transport cimport Protocol
from rsp.exchange.context cimport Plane
from rsp.exchange.running_config cimport Site
from rsp.exchange.limits cimport Terms

cdef int _HEAD, _BODY, _WAIT, _TUNNEL, _LINGER, _REQUESTS, _HOOKED, _CHUNKS
cdef double _NEVER
cdef Py_ssize_t _LINGER_BYTES


cdef class Receiver(Protocol):
    cdef bint _advancing, _eof, _reading_paused, _writing_paused
    cdef int _state
    cdef double _body_from, _paused_at
    cdef Py_ssize_t _searched, _start, _taken
    cdef bytes _buffer
    cdef Decoder _decoder
    cdef Plane _plane
    cdef public double deadline
    cdef public object listener
    cdef public Site site
    cdef public Terms terms
    cdef _begin_exchange(self, RequestHead head)
    cdef _start_exchange(self)
    cdef _pass_body(self, list pieces, list trailers)
    cdef _pass_raw(self, bytes data)
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    cpdef bint eof_received(self) except -1
    cdef _may_have_left(self)
    cdef bytes _rest(self)
    cdef Terms _in_force(self)
    cdef _advance(self)
    cdef _unfinished(self, bytes data)
    cdef _request(self, bytes block)
    cdef _begin_body(self, Py_ssize_t framing)
    cdef _expect_body(self, Py_ssize_t size)
    cdef _body(self, bytes data)
    cpdef close(self)
    cpdef pause(self)
    cpdef resume(self)
