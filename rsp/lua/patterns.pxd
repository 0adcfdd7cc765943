cimport cython


cdef class Matcher:
    cdef bytes _pattern, _subject
    cdef dict _sets
    cdef int _depth, _level
    cdef list _lengths, _starts
    cdef Py_ssize_t _end, _stop
    cdef public long long steps
    cdef object _capture(self, Py_ssize_t index)
    cdef Py_ssize_t _match(self, Py_ssize_t s, Py_ssize_t p) except -3
    @cython.locals(pattern=bytes, stop=Py_ssize_t, after=Py_ssize_t, char=int, follows=int, suffix=int, fits=bint)
    cdef Py_ssize_t _rest(self, Py_ssize_t s, Py_ssize_t p) except -3
    cdef int _step(self) except -3
    @cython.locals(end=Py_ssize_t, found=Py_ssize_t)
    cdef Py_ssize_t _longest(self, Py_ssize_t s, Py_ssize_t p, Py_ssize_t after, Py_ssize_t least) except -3
    @cython.locals(found=Py_ssize_t)
    cdef Py_ssize_t _shortest(self, Py_ssize_t s, Py_ssize_t p, Py_ssize_t after) except -3
    @cython.locals(char=int)
    cdef Py_ssize_t _item_end(self, Py_ssize_t p) except -3
    @cython.locals(pattern=bytes, stop=Py_ssize_t, char=int)
    cdef Py_ssize_t _set_end(self, Py_ssize_t p) except -3
    @cython.locals(char=int, item=int, members=bytes)
    cdef bint _fits(self, Py_ssize_t s, Py_ssize_t p, Py_ssize_t after) except -3
    @cython.locals(table=bytes)
    cdef bint _in_class(self, int char, int letter) except -3
    cdef bytes _set(self, Py_ssize_t p, Py_ssize_t after)
    cdef bytes _make_set(self, Py_ssize_t p, Py_ssize_t last)
    cdef Py_ssize_t _open(self, Py_ssize_t s, Py_ssize_t p, Py_ssize_t what) except -3
    cdef Py_ssize_t _close(self, Py_ssize_t s, Py_ssize_t p) except -3
    @cython.locals(opening=int, closing=int, depth=Py_ssize_t, char=int)
    cdef Py_ssize_t _balance(self, Py_ssize_t s, Py_ssize_t p) except -3
    cdef Py_ssize_t _frontier(self, Py_ssize_t s, Py_ssize_t p) except -3
    cdef Py_ssize_t _again(self, Py_ssize_t s, Py_ssize_t level) except -3
