cimport cython

from rsp.http.conditions cimport Condition
from rsp.http.message cimport RequestHead
from rsp.http.regex cimport Pattern, Sieve


cdef class Choice:
    cdef public Py_ssize_t number
    cdef public object destination
    cdef public bytes path
    cdef public bint exact, first
    cdef public Pattern pattern
    cdef public tuple conditions
    @cython.locals(condition=Condition)
    cdef bint holds(self, RequestHead head, source)


cdef class Row:
    cdef public Py_ssize_t size
    cdef public bytes only
    cdef public list choices
    cdef public dict several
    @cython.locals(size=Py_ssize_t, length=Py_ssize_t)
    cdef list of(self, bytes path)


cdef class PathTable:
    cdef PatternTable _patterns
    cdef dict _exact
    cdef list _rows
    @cython.locals(choices=list, choice=Choice)
    cdef Choice find(self, bytes path, RequestHead head, source)
    @cython.locals(row=Row, choices=list, choice=Choice)
    cdef Choice _longest(self, bytes path, RequestHead head, source)


cdef class PatternTable:
    cdef list _choices
    cdef Sieve _sieve
    @cython.locals(numbers=list, number=Py_ssize_t, choice=Choice)
    cdef Choice find(self, bytes path, RequestHead head, source)
