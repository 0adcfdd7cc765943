from rsp.logs.combined cimport combined
from rsp.http.h1.codec cimport response_head
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.net.transport cimport Transport
from rsp.exchange.exchange cimport Exchange
from rsp.http.h1.receiver cimport Receiver
from rsp.exchange.running_config cimport Site
from rsp.http.h1.writing cimport write_message

cdef int _HEAD, _BODY, _WAIT, _TUNNEL, _LINGER, _CLOSED
cdef double _NEVER


cdef class Downstream(Receiver):
    cdef bint _chunked, _until_close
    cdef Py_ssize_t _queued
    cdef bytes _known_host, _told
    cdef Exchange _exchange
    cdef list _entries
    cdef public bytes client
    cdef public bint counted
    cdef public object conversations
    cdef public double request_deadline, send_deadline
    cpdef renew(self)
    cdef _adopt(self, Site site)
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef bint is_due(self, double now)
    cpdef list entries(self, bytes host)
    cpdef bytes forwarded(self, Exchange exchange)
    cpdef send_interim(self, ResponseHead head)
    cpdef send_response(self, Exchange exchange, ResponseHead head, bytes fields, list pieces, list trailers)
    cpdef send_body(self, Exchange exchange, list pieces, list trailers)
    cdef _open_tunnel(self)
    cdef _extend_tunnel(self)
    cdef _send(self, Exchange exchange, bytes start, list pieces, list trailers)
    cpdef finish(self, bint keep_alive)
    cpdef send_raw(self, bytes data)
