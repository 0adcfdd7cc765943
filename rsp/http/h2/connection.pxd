cimport cython

from rsp.http.h2.agreement cimport Agreement
from rsp.http.h2.heads cimport trailers_of
from rsp.http.h2.hpack cimport Decoder, Fields
from rsp.http.h2.stream cimport Stream
from rsp.http.h2.wire cimport FrameHead, frame_head, number_at
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Transport

cdef int ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED, PRIORITY
cdef int PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE
cdef int ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM
cdef int STREAM_CLOSED
cdef int SETTING, SMALL
cdef int OPEN, LINGERING, CLOSED, LINGER_SECONDS, _SHARE, _MOST_CONTINUATIONS
cdef Py_ssize_t BACKLOG, FRAME, FRAME_HEAD, LARGEST_WINDOW, WINDOW, _LINGER_BYTES, _WINDOW
cdef double _NEVER
cdef list _NOTHING
cdef FrameHead _FRAME


cdef class Connection(Agreement):
    cdef bytes _buffer
    cdef list _block, _data
    cdef long long _block_number
    cdef int _block_flags
    cdef Py_ssize_t _block_size, _data_size, _receive_window, _thrown_away, _unread
    cdef Stream _data_stream
    cdef Decoder _decoder
    cdef public double deadline
    cdef public Py_ssize_t head_limit
    cdef public long long last
    cdef public int reset_points, share, state
    cpdef begin_connection(
        self, WorkerContext context, Transport transport, Py_ssize_t buffer, Py_ssize_t head_limit, bytes settings,
        bytes preface
    )
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    @cython.locals(frame=FrameHead, number=cython.longlong, at=Py_ssize_t, end=Py_ssize_t, behind=Py_ssize_t, payload=bytes)
    cdef _read(self, bytes data)
    cdef _take(self, int kind, int flags, long long number, bytes payload)
    @cython.locals(size=Py_ssize_t, content=bytes, stream=Stream)
    cdef _take_data(self, int flags, long long number, bytes payload)
    @cython.locals(stream=Stream, pieces=list, size=Py_ssize_t)
    cdef _deliver(self)
    cdef _pass(self, Stream stream, list pieces, Py_ssize_t size, list trailers)
    @cython.locals(start=Py_ssize_t, fragment=bytes)
    cdef _take_headers(self, int flags, long long number, bytes payload)
    cdef _take_continuation(self, int flags, long long number, bytes payload)
    @cython.locals(stream=Stream, last=cython.bint, fields=Fields)
    cdef _take_section(self, long long number, int flags, bytes block)
    @cython.locals(stream=Stream, code=cython.longlong)
    cdef _take_reset(self, long long number, bytes payload)
    cpdef head_received(self, long long number, Fields fields, bint last)
    cpdef head_arrived(self, Stream stream, Fields fields, bint last)
    cpdef section_begins(self)
    cpdef turn_ends(self)
    @cython.locals(stream=Stream)
    cdef _stream_failed(self, long long number, error)
    @cython.locals(stream=Stream)
    cpdef lose_streams(self)


@cython.locals(end=Py_ssize_t)
cdef bytes _unpadded(bytes payload, Py_ssize_t start)
