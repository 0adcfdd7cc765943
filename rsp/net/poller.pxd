cdef class Watched:
    cdef public int descriptor, events
    cpdef ready(self, int events)
    cpdef turn(self)
    cpdef buried(self)


cdef class Poller:
    cdef object _loop, _epoll
    cdef list _watched, _dead
    cdef dict _again
    cdef bint _burial_due
    cdef public object relieve
    cdef public long long looks
    cpdef want(self, Watched one, int events)
    cpdef forget(self, Watched one)
    cpdef again(self, Watched one)
    cpdef bury(self, Watched one)
