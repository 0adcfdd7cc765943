cimport cython

from rsp.http.h2.guard cimport Guard
from rsp.http.h2.hpack cimport Encoder
from rsp.http.h2.stream cimport Stream, StreamOwner
from rsp.http.h2.wire cimport data_frames, frame_head, whole_message
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Transport

cdef int CONTINUATION, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, HEADERS, RST_STREAM, WINDOW_UPDATE
cdef int _PAST, _ANSWERED
cdef Py_ssize_t _COMPLETE
cdef list _NO_FRAMES, _NO_STREAMS
cdef dict _NO_LANES, _NO_PAST
cdef Py_ssize_t FRAME, LARGEST_WINDOW, WINDOW, _AT_ONCE, _EAGER, _QUANTUM, _SMALL


cdef class Output(StreamOwner):
    cdef bint _flush_due, _flushing
    cdef list _out, _ready
    cdef dict _older, _past
    cdef Py_ssize_t _send_window
    cdef public bint blocked, reading
    cdef public Encoder encoder
    cdef public Guard guard
    cdef public Py_ssize_t frame_size, initial_window
    cdef public dict streams
    cpdef begin_output(self, WorkerContext context, Transport transport, Py_ssize_t buffer)
    cpdef know(self, Stream stream)
    cpdef put(self, bytes frame)
    cdef _add(self, bytes frame)
    cdef _list(self, Stream stream)
    @cython.locals(size=Py_ssize_t)
    cpdef send_message(self, Stream stream, bytes block, list pieces, list trailers)
    cdef bint _passes(self, Stream stream, bytes block, Py_ssize_t size) except -1
    cpdef put_reset(self, long long number, int code)
    cdef _remember(self, long long number, bint was_reset)
    cdef _fate(self, long long number)
    cpdef stream_gone(self, Stream stream)
    cdef _forget(self, Stream stream)
    cdef _end_locally(self, Stream stream)
    cdef bint _may_send(self, Stream stream) except -1
    @cython.locals(stream=Stream, relieved=list, out=list)
    cpdef flush(self)
    @cython.locals(room=Py_ssize_t, most=Py_ssize_t, size=Py_ssize_t, stream=Stream)
    cdef _collect(self, list relieved)
    @cython.locals(best=Stream, stream=Stream)
    cdef Stream _next(self)
    @cython.locals(last=cython.bint, trailers=list)
    cdef _send_some(self, Stream stream, Py_ssize_t size)
    cdef _unlist(self, Stream stream)
    @cython.locals(stream=Stream)
    cpdef window_update(self, long long number, Py_ssize_t size)
    @cython.locals(stream=Stream, change=Py_ssize_t)
    cpdef resize_windows(self, Py_ssize_t size)
    cdef _may_go_on(self, Stream stream)
    cdef _want_flush(self)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef write_rest(self)
