cimport cython

from rsp.exchange.subject cimport Subject
from rsp.http.apart cimport request_field
from rsp.http.lines cimport each, get

cdef int _EQUALS, _SEMICOLON, _SPACE, _TAB


cdef class _Reader:
    cpdef bytes read(self, Subject exchange)


cdef class _Single(_Reader):
    cdef object _read
    cpdef bytes read(self, Subject exchange)


cdef class _Field(_Reader):
    cdef bytes _name
    @cython.locals(found=bytes)
    cpdef bytes read(self, Subject exchange)


cdef class _Cookie(_Reader):
    cdef bytes _name
    @cython.locals(value=bytes)
    cpdef bytes read(self, Subject exchange)


cdef class _Group(_Reader):
    cdef str _name
    cpdef bytes read(self, Subject exchange)


@cython.locals(reader=_Reader)
cpdef bytes told(Subject exchange, str name)
cpdef bytes scheme_of(Subject exchange)
cdef _sort_out(Subject exchange)
@cython.locals(at=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t)
cdef bytes _in_cookies(bytes line, bytes name)
