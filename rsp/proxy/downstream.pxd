cimport cython

from rsp.http1.body cimport Decoder
from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Site
from rsp.proxy.terms cimport Terms


@cython.final
cdef class Downstream:
    cdef bint _advancing, _counted, _eof, _reading_paused, _writing_paused
    cdef double _body_from, _paused_at
    cdef Py_ssize_t _body_size, _lingered, _queued, _searched
    cdef bytes _buffer, _local, _told, _told_host
    cdef Decoder _decoder
    cdef Exchange _exchange
    cdef Py_ssize_t _framing
    cdef Plane _plane
    cdef int _state
    cdef Site _told_site
    cdef public bytes client
    cdef public double deadline, request_deadline, send_deadline
    cdef public object listener
    cdef public Terms terms
    cdef public object transport
    cpdef bint is_due(self, double now)
    cdef _advance(self, bytes data)
    cdef _unfinished(self, bytes data)
    cdef _request(self, bytes block, bytes rest)
    cdef _expect_body(self, Py_ssize_t size)
    cdef _body(self, bytes data)
    cpdef bytes forwarded(self, Exchange exchange)
    cpdef send_interim(self, ResponseHead head)
    cpdef send_response(self, Exchange exchange, ResponseHead head, bytes fields, list pieces, list trailers)
    cpdef send_body(self, Exchange exchange, list pieces, list trailers)
    cdef _send(self, Exchange exchange, bytes start, list pieces, list trailers)
    cpdef finish(self, bint keep_alive)
    cdef _extend_tunnel(self)
    cpdef send_raw(self, bytes data)
    cpdef pause(self)
    cpdef resume(self)
    cpdef close(self)
