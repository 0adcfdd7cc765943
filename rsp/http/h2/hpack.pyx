# cython: boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of hpack.py, which says what is right: no Python object is made for a single field.

``huffman.pxi`` knows the code, ``static.pxi`` the fields and names that are known before any came, ``decoding.pxi`` and
``encoding.pxi`` have the two sides.  They are parts of this module: the C compiler sees all of it at once.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy

from rsp.http.scan cimport behind_value

from rsp.http.h2 import field_rules as rules
from rsp.http.h2 import huffman, indexing
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import COMPRESSION_ERROR
from rsp.http.h2.static_table import NUMBERS, STATIC

ctypedef const unsigned char *Text

cdef enum:
    TABLE_SIZE = 4096
    FIELD_OVERHEAD = 32
    LINE_OVERHEAD = 4  # ": " and CRLF
    STATIC_COUNT = 61

TABLE = TABLE_SIZE
OVERHEAD = FIELD_OVERHEAD


# Bytes that grow and are used again; a worker decodes and encodes one block at a time.
cdef struct Room:
    char *start
    Py_ssize_t size

cdef Room lines, cookies, literal, written


cdef inline int have_room(Room *room, Py_ssize_t size) except -1:
    return 0 if size <= room.size else make_room(room, size)


cdef int make_room(Room *room, Py_ssize_t size) except -1:
    cdef Py_ssize_t wanted = max(size, 2 * room.size, 4096)
    cdef char *start = <char *>realloc(room.start, wanted)
    if start == NULL:
        raise MemoryError
    room.start = start
    room.size = wanted
    return 0


include "huffman.pxi"
include "static.pxi"
include "decoding.pxi"
include "encoding.pxi"
