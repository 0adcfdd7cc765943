cimport cython

from rsp.net.calls cimport close, receive, send, send_both, send_file, send_more
from rsp.net.poller cimport Poller, Watched

cdef int IN, OUT, _BROKEN_PIPE, _JOIN_BELOW


cdef class Protocol:
    cdef public Transport transport
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    cpdef flush(self)
    cpdef bint eof_received(self) except -1
    cpdef bint reads_on(self) except -1
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)


cdef class Transport(Watched):
    cdef list _backlog
    cdef object _error
    cdef bint _ended, _finishing, _full
    cdef Py_ssize_t _limit, _offset
    cdef Poller _poller
    cdef Protocol _protocol
    cdef public bint closing, leaving, left, paused
    cdef public double round_trip
    cdef public Py_ssize_t waiting
    cpdef set_up(self, Poller poller, int descriptor)
    cpdef begin(self, Protocol protocol, Py_ssize_t limit)
    cpdef ready(self, int events)
    cpdef closed(self)
    cdef _read(self)
    cdef _read_eof(self, Protocol protocol)
    cpdef later(self)
    cpdef turn(self)
    cpdef flush_later(self)
    cpdef flush(self)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cdef _want(self)
    @cython.locals(sent=Py_ssize_t)
    cpdef write(self, bytes data)
    @cython.locals(sent=Py_ssize_t)
    cpdef write_both(self, bytes first, bytes second)
    cpdef bint takes_files(self) except -1
    cpdef Py_ssize_t write_file(self, bytes first, int file, Py_ssize_t start, Py_ssize_t size) except -2
    cpdef give_room(self, bint much)
    cdef _write_first(self, bytes data)
    cdef _fill(self)
    cdef _hold(self, bytes data, Py_ssize_t sent)
    cdef _flush(self)
    cpdef Py_ssize_t untaken(self) except -1
    cpdef write_eof(self)
    cpdef close(self)
    cpdef abort(self)
    cdef _fail(self, error)
    cdef _fail_writing(self, error)
    cdef _end(self, error)
