cimport cython

from rsp.http.pieces cimport joined


cdef class Right:
    cdef readonly bytes user
    cdef readonly Py_hash_t salted


cdef class Users:
    cdef object __weakref__
    cdef dict _checks, _hashes, _right
    cdef list _others
    cdef bytes _key
    cdef bytes _salt
    cdef Right _last
    cdef Py_hash_t _last_first
    cdef tuple _digest(self, bytes given)
    @cython.locals(right=Right, first=Py_hash_t)
    cpdef bytes recall(self, bytes given)
    cpdef remember(self, bytes given, bytes name)
    cdef bytes _other(self, bytes name)
    cdef _begin_for(self, bytes client, bytes given)
