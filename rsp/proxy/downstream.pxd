from rsp.combined cimport combined
from rsp.http1.body cimport Decoder
from rsp.http1.codec cimport end_of_head, parse_request, response_head
from rsp.http1.head cimport RequestHead, ResponseHead
from rsp.net.transport cimport Protocol, Transport
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.plane cimport Plane
from rsp.proxy.site cimport Site
from rsp.proxy.terms cimport Terms
from rsp.proxy.writing cimport write_message

cdef int _HEAD, _BODY, _WAIT, _TUNNEL, _LINGER, _CLOSED
cdef double _NEVER


cdef class Downstream(Protocol):
    cdef bint _advancing, _chunked, _eof, _reading_paused, _until_close, _writing_paused
    cdef double _body_from, _paused_at
    cdef Py_ssize_t _body_size, _lingered, _queued, _searched
    cdef bytes _buffer, _known_host, _told
    cdef public Site site
    cdef Decoder _decoder
    cdef Exchange _exchange
    cdef Plane _plane
    cdef int _state
    cdef list _entries
    cdef public bytes client
    cdef public bint counted
    cdef public object conversations
    cdef public double deadline, request_deadline, send_deadline
    cdef public object listener
    cdef public Terms terms
    cpdef renew(self)
    cdef _adopt(self, Site site)
    cpdef data_received(self, bytes data)
    cpdef bint eof_received(self) except -1
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef bint is_due(self, double now)
    cdef Terms _in_force(self)
    cdef _advance(self, bytes data)
    cdef _unfinished(self, bytes data)
    cdef _request(self, bytes block, bytes rest)
    cdef _expect_body(self, Py_ssize_t size)
    cdef _body(self, bytes data)
    cpdef list entries(self, bytes host)
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
