cimport cython


cdef class Deadlines:
    cdef list _shares
    cdef Py_ssize_t _size
    @cython.locals(share=set)
    cpdef add(self, object waiting)
    @cython.locals(share=set)
    cpdef discard(self, object waiting)
    @cython.locals(share=set)
    cpdef Py_ssize_t note_due(self, Py_ssize_t number, object now, set due) except -1
