cimport cython

from rsp.http.h1.client cimport PeerConnection


cdef class Idle:
    cdef readonly Py_ssize_t count
    cdef PeerConnection _newest, _oldest
    @cython.locals(newest=PeerConnection)
    cpdef add(self, PeerConnection connection)
    @cython.locals(older=PeerConnection, newer=PeerConnection)
    cpdef remove(self, PeerConnection connection)
    @cython.locals(newest=PeerConnection)
    cpdef PeerConnection take_newest(self)
    cpdef PeerConnection take_oldest(self)
