from rsp.http.h2.wire cimport advance
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Protocol

cdef int PROTOCOL_ERROR, WINDOW, _USUAL
cdef Py_ssize_t _LARGEST
cdef double _NEVER, _QUICK


cdef class StreamOwner(Protocol):
    cdef public WorkerContext context
    cdef public Py_ssize_t buffer
    cpdef data_waits(self, Stream stream)
    cpdef send_head(self, Stream stream, bytes block, bint last)
    cpdef send_credit(self, long long number, Py_ssize_t size)
    cpdef reset(self, Stream stream, int code)
    cpdef forget(self, Stream stream)


cdef class Stream:
    cdef public StreamOwner owner
    cdef public long long number
    cdef public list queue, trailers
    cdef public Py_ssize_t expected, offset, queued, receive_window, send_window, taken, window
    cdef public bint ended, gone, has_head, is_full, listed, local_done, paused, remote_done
    cdef public int closing, urgency
    cdef public double stalled
    cdef Py_ssize_t _credit, _held_size
    cdef double _credited
    cdef list _held, _held_trailers
    cpdef begin(self, StreamOwner owner, long long number, Py_ssize_t send_window)
    cpdef send(self, list pieces, list trailers)
    cpdef take(self, Py_ssize_t size)
    cpdef drop_queue(self)
    cpdef close(self, int code)
    cpdef close_after(self, int code)
    cpdef received(self, list pieces, Py_ssize_t size, list trailers)
    cdef _deliver(self, list pieces, Py_ssize_t size, list trailers)
    cpdef credit(self, Py_ssize_t size)
    cpdef pause(self)
    cpdef resume(self)
    cpdef deliver_held(self)
    cpdef arrived(self, list pieces, list trailers)
    cpdef was_reset(self, long long code, bint untouched)
    cpdef failed(self, int code, reason)
    cpdef full(self)
    cpdef ready(self)
