"""Frames and heads as bytes: the compiled twin of wire.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.string cimport memcpy

FRAME_HEAD = 9


cdef class FrameHead:
    def __init__(self):
        self.size = self.kind = self.flags = self.number = 0

    cpdef read(self, bytes data, Py_ssize_t at):
        cdef const unsigned char *byte = <const unsigned char *>PyBytes_AS_STRING(data) + at
        if at + 9 > PyBytes_GET_SIZE(data):
            raise ValueError("no whole head of a frame")
        self.size = <Py_ssize_t>byte[0] << 16 | <Py_ssize_t>byte[1] << 8 | byte[2]
        self.kind = byte[3]
        self.flags = byte[4]
        self.number = <long long>(byte[5] & 127) << 24 | <long long>byte[6] << 16 | <long long>byte[7] << 8 | byte[8]


cdef inline void put_head(char *at, Py_ssize_t size, int kind, int flags, long long number) noexcept:
    at[0] = <char>(size >> 16)
    at[1] = <char>(size >> 8)
    at[2] = <char>size
    at[3] = <char>kind
    at[4] = <char>flags
    at[5] = <char>(number >> 24)
    at[6] = <char>(number >> 16)
    at[7] = <char>(number >> 8)
    at[8] = <char>number


cpdef bytes frame_head(Py_ssize_t size, int kind, int flags, long long number):
    cdef bytes made = PyBytes_FromStringAndSize(NULL, 9)
    put_head(PyBytes_AS_STRING(made), size, kind, flags, number)
    return made


cpdef bytes data_frames(list queue, Py_ssize_t offset, Py_ssize_t size, long long number, Py_ssize_t most, bint last):
    cdef Py_ssize_t frames, piece = 0, left = size, within, part, room
    cdef bytes made, source
    cdef char *at
    if size < 0 or most <= 0:  # it would write where it must not
        raise ValueError("no size of frames")
    frames = (size + most - 1) // most if size else 1
    made = PyBytes_FromStringAndSize(NULL, size + 9 * frames)
    at = PyBytes_AS_STRING(made)
    if size == 0:
        put_head(at, 0, 0, 1 if last else 0, number)
        return made
    while left:
        within = min(most, left)
        left -= within
        put_head(at, within, 0, 1 if last and not left else 0, number)
        at += 9
        while within:
            if piece >= PyList_GET_SIZE(queue):
                raise ValueError("less than that waits")
            source = <bytes>queue[piece]
            room = PyBytes_GET_SIZE(source) - offset
            part = min(room, within)
            memcpy(at, PyBytes_AS_STRING(source) + offset, part)
            at += part
            within -= part
            offset += part
            if part == room:
                piece += 1
                offset = 0
    return made


cpdef bytes whole_message(bytes block, bytes body, long long number):
    cdef Py_ssize_t head = PyBytes_GET_SIZE(block), size = PyBytes_GET_SIZE(body)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, head + size + 18)
    cdef char *at = PyBytes_AS_STRING(made)
    put_head(at, head, 1, 4, number)
    memcpy(at + 9, PyBytes_AS_STRING(block), head)
    at += 9 + head
    put_head(at, size, 0, 1, number)
    memcpy(at + 9, PyBytes_AS_STRING(body), size)
    return made


cdef inline char *put_text(char *at, bytes text) noexcept:
    memcpy(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return at + PyBytes_GET_SIZE(text)


cpdef bytes request_block(bytes method, bytes path, bytes host, bytes extra, bytes lines):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(method) + PyBytes_GET_SIZE(path) + PyBytes_GET_SIZE(host)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + PyBytes_GET_SIZE(extra) + PyBytes_GET_SIZE(lines) + 22)
    cdef char *at = put_text(PyBytes_AS_STRING(made), method)
    at[0] = c" "
    at = put_text(at + 1, path)
    memcpy(at, b" HTTP/1.1\r\nHost: ", 17)
    at = put_text(at + 17, host)
    memcpy(at, b"\r\n", 2)
    at = put_text(put_text(at + 2, extra), lines)
    memcpy(at, b"\r\n", 2)
    return made


cpdef Py_ssize_t advance(list queue, Py_ssize_t offset, Py_ssize_t size) except -1:
    cdef Py_ssize_t gone = 0, count = PyList_GET_SIZE(queue), length
    size += offset
    while gone < count:
        length = PyBytes_GET_SIZE(<bytes>queue[gone])
        if size < length:
            break
        size -= length
        gone += 1
    if gone == 1:
        queue.pop(0)
    elif gone:
        del queue[:gone]
    return size


cpdef long long number_at(bytes data, Py_ssize_t at) except? -1:
    cdef const unsigned char *byte = <const unsigned char *>PyBytes_AS_STRING(data) + at
    if at + 4 > PyBytes_GET_SIZE(data):
        raise ValueError("no four bytes")
    return <long long>byte[0] << 24 | <long long>byte[1] << 16 | <long long>byte[2] << 8 | byte[3]
