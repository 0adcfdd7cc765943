cimport cython

from rsp.files.calls cimport Mark
from rsp.files.entry cimport Entry, OpenFile
from rsp.files.opener cimport Opener
from rsp.files.root cimport Root


cdef int REMOTE


cdef class Reader:
    cdef dict _kinds
    cdef Py_ssize_t _most_open
    cdef Opener _opener
    cdef Root _root
    @cython.locals(descriptor=int, place=OpenFile, mark=Mark, kind=int)
    cpdef read(self, OpenFile directory, bytes name, bint wait)
    cdef int _kind_of(self, OpenFile place, unsigned long long device, bint wait) except -1
    @cython.locals(entry=Entry, descriptor=int, file=OpenFile)
    cdef _read(self, OpenFile directory, bytes name, bint remote, bint wait)
    @cython.locals(mark=Mark, moment=longlong, content=bytes, entry=Entry)
    cdef Entry _taken(self, bytes name, OpenFile file, bint wait)
    @cython.locals(content=bytes)
    cdef bytes _content(self, OpenFile file, Py_ssize_t size, bint wait)
