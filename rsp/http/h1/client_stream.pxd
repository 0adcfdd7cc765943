cimport cython

from rsp.http.h1.body cimport Decoder
from rsp.http.h1.codec cimport end_of_head, request_head, response_in
from rsp.http.h1.writing cimport write_message
from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.peer_stream cimport PeerRequest
from rsp.http.pieces cimport part
from rsp.http.single_stream cimport Connection, SingleStream
from rsp.net.calls cimport acknowledge

cdef int CHUNKED, _CHUNKS, _INTERIM, _SMALL
cdef double _NEVER
cdef list _NOTHING


cdef class H1PeerStream(SingleStream):
    cdef bytes _buffer, _start
    cdef bint _chunked, _tunnel
    cdef int _interim
    cdef Py_ssize_t _interim_size, _left
    cdef Decoder _decoder
    cdef ResponseHead _head
    cpdef set_up(self, Connection connection, PeerRequest request)
    @cython.locals(connection=Connection, request=RequestHead)
    cpdef send_request(self, OutgoingHead head, list pieces, list trailers)
    cpdef bytes _written(self, OutgoingHead head)
    @cython.locals(start=bytes)
    cpdef send_body(self, list pieces, list trailers)
    @cython.locals(piece=bytes)
    cdef _count(self, list pieces)
    cpdef flush(self)
    @cython.locals(connection=Connection)
    cdef _send(self, bytes start, list pieces, list trailers)
    @cython.locals(connection=Connection)
    cpdef resume(self)
    cpdef send_raw(self, bytes data)
    @cython.locals(request=PeerRequest)
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    @cython.locals(request=PeerRequest, connection=Connection)
    cpdef bint eof_received(self) except -1
    @cython.locals(head=ResponseHead, limits=Limits, method=bytes, end=Py_ssize_t, searched=Py_ssize_t, start=Py_ssize_t)
    cdef _heads(self, PeerRequest request, bytes data)
    cdef tuple _not_plain(self, bytes data, Py_ssize_t searched, bytes method)
    @cython.locals(connection=Connection, framing=Py_ssize_t)
    cdef _begin(self, PeerRequest request, ResponseHead head, bytes data)
    cdef _body(self, PeerRequest request, Decoder decoder, bytes data)
    @cython.locals(asked=cython.bint)
    cdef _finish(self, PeerRequest request, ResponseHead head, list pieces, list trailers, bint reusable)
