cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.files.calls cimport read_now
from rsp.files.entry cimport OpenFile
from rsp.files.warm cimport Warm
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport Responder

cdef Py_ssize_t _COPIED, _LEAST, _PART, _PIECE, _SHARE, _WAITED_FOR
cdef list _NOTHING


@cython.locals(content=Content)
cpdef send_content(Exchange exchange, ResponseHead head, OpenFile file, list segments)


cdef class Content(Responder):
    cdef Exchange _exchange
    cdef OpenFile _file
    cdef ResponseHead _head
    cdef list _segments
    cdef bytes _data
    cdef object _awaited
    cdef Py_ssize_t _at, _left, _next, _sure
    cdef bint _busy, _over, _paused, _reads, _waits
    cpdef set_up(self, Exchange exchange, ResponseHead head, OpenFile file, list segments)
    cpdef begin(self)
    cdef _go_on(self)
    @cython.locals(most=Py_ssize_t, share=Py_ssize_t)
    cdef _take_turn(self)
    cdef Py_ssize_t _send_some(self, Py_ssize_t most) except -1
    cdef _advance(self)
    cdef bint _is_last(self)
    @cython.locals(sent=Py_ssize_t, start=Py_ssize_t, exchange=Exchange, file=OpenFile, head=ResponseHead)
    cdef Py_ssize_t _send_file(self, Py_ssize_t size) except -1
    @cython.locals(size=Py_ssize_t, data=bytes)
    cdef Py_ssize_t _send_read(self) except -1
    cdef bytes _read(self, Py_ssize_t most)
    @cython.locals(head=ResponseHead)
    cdef _deliver(self, list pieces)
    cdef _wait(self, Py_ssize_t size, bint wanted)
    cdef bint _has_failed(self, future) except -1
    cdef _end_early(self)
    cdef _fail(self, error)
    cdef _tell(self, what)
