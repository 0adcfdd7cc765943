cimport cython

from rsp.files.entry cimport Entry


cdef class Shelf:
    cdef readonly double now
    cdef readonly Py_ssize_t files, weight
    cdef dict _entries, _files
    cdef Py_ssize_t _most_files
    @cython.locals(former=Entry)
    cpdef put(self, Entry entry, dict home, double now)
    cpdef drop(self, Entry entry)
    cpdef bint empty_files(self)
    @cython.locals(entry=Entry)
    cdef _evict(self, dict entries)
    cpdef tick(self, double now)
    @cython.locals(entry=Entry)
    cdef _expire(self, dict entries, double since)
