cimport cython

from rsp.net.calls cimport Epoll
from rsp.net.libuv cimport Libuv

cdef int _AT_ONCE


cdef class Watched:
    cdef public int descriptor, events
    cpdef ready(self, int events)
    cpdef turn(self)
    cpdef flush(self)
    cpdef closed(self)


cdef class _Loop(Watched):
    cdef bint due


cdef class Poller:
    cdef object _loop
    cdef Libuv _libuv
    cdef _Loop _inner
    cdef Epoll _epoll
    cdef Watched _closes
    cdef list _watched, _closing, _flushing, _soon
    cdef dict _again
    cdef bint _end_due
    cdef public object relieve
    cdef public long long looks
    cpdef want(self, Watched watched, int events)
    cpdef forget(self, Watched watched)
    cpdef again(self, Watched watched)
    cpdef soon(self, Watched watched)
    cpdef close_later(self, Watched watched)
    cpdef flush_later(self, Watched watched)
    @cython.locals(inner=_Loop, libuv=Libuv, wait=int)
    cpdef _wait(self)
    cdef _end_soon(self)
    cdef _take_turns(self)
    @cython.locals(at=int, by_descriptor=list, epoll=Epoll, watched=Watched, outer=cython.bint)
    cpdef look(self, int wait=*)
    @cython.locals(watched=Watched, closes=cython.bint)
    cpdef _end_turn(self, bint outer=*)
    cdef _take_turn(self, Watched watched)
