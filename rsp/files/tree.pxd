cimport cython

from rsp.files.calls cimport Mark
from rsp.files.entry cimport Entry, Folder, OpenFile
from rsp.files.opener cimport Opener
from rsp.files.reader cimport Reader
from rsp.files.root cimport Root
from rsp.files.shelf cimport Shelf


cdef int BROKEN, BUSY, DENIED, MEMORY, NOT_THERE, REMOTE


cdef class Tree:
    cdef public double now
    cdef readonly Root root
    cdef bytes _first
    cdef bint _lists, _precompressed
    cdef dict _entries
    cdef tuple _extensions, _index
    cdef int _error
    cdef Opener _opener
    cdef Reader _reader
    cdef Shelf _shelf
    cdef object _cache_control, _lookups, _names, _types
    cpdef tick(self, double now)
    @cython.locals(entry=Entry, directory=OpenFile)
    cpdef Entry known(self, bytes name)
    @cython.locals(found=Entry, directory=OpenFile)
    cpdef Entry sibling(self, Entry entry, bytes coding)
    @cython.locals(former=Entry)
    cpdef find(self, bytes name, bint wait=*)
    @cython.locals(entry=Entry, directory=OpenFile)
    cdef Entry _still(self, bytes name)
    @cython.locals(entry=Entry)
    cpdef keep(self, bytes name, found)
    cpdef look(self, bytes name, bint wait=*)
    @cython.locals(directory=OpenFile)
    cdef _look(self, bytes name, bint wait)
    cdef int _failed(self, int error) except 0
    @cython.locals(descriptor=int)
    cdef _look_into(self, OpenFile directory, bytes name, bint wait)
    @cython.locals(former=Entry)
    cdef _look_at(self, OpenFile directory, bytes name, bint wait)
    cdef _redirect(self, OpenFile directory, bytes name, bint wait)
    cdef bytes _line(self, bytes name)
    @cython.locals(known=Entry)
    cdef dict _siblings(self, OpenFile directory, Entry entry, Entry former, bint wait)
    cdef Entry _load_sibling(self, OpenFile directory, Entry entry, bytes coding, bytes name, bint wait)
