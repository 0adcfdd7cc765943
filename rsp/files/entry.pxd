from rsp.files.calls cimport Mark, close
from rsp.files.warm cimport Warm


cdef class OpenFile:
    cdef readonly int descriptor
    cdef public bint is_remote
    cdef public unsigned long long owner
    cdef public Warm warm


cdef class Entry:
    cdef public bytes name, content, etag, type, coding, fields, rest, unchanged
    cdef public Mark mark
    cdef public OpenFile file
    cdef public long long size, modified
    cdef public dict home, siblings
    cdef public double checked, used
    cdef public bint is_remote, is_settled, is_whole, wanted
    cdef public tuple offered
    cpdef describe(self, bytes media, bytes coding, bytes cache_control, dict siblings)
    cpdef Entry with_siblings(self, dict siblings, bytes cache_control)


cdef class Folder:
    cdef public bytes name
    cdef public bint redirect
    cdef public OpenFile file
