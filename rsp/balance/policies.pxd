cimport cython
from rsp.balance.candidate cimport Candidate

cdef double _LEAST


cdef class Policy:
    cpdef Candidate choose(self, list eligible, bytes key)
    cpdef Candidate draw(self)
    cpdef meet(self, list peers)
    cpdef reweigh(self)


cdef class Drawn:
    cdef object _draw
    cdef list _peers, _sums
    @cython.locals(peer=Candidate, total=double, sums=list)
    cpdef meet(self, list peers)
    @cython.locals(index=Py_ssize_t)
    cpdef Candidate one(self)


cdef class RoundRobin(Policy):
    cdef double _heaviest, _offset
    cdef list _met
    cdef Py_ssize_t _at
    @cython.locals(peer=Candidate, heaviest=double)
    cpdef meet(self, list peers)
    @cython.locals(peer=Candidate, met=list, at=Py_ssize_t, heaviest=double)
    cpdef Candidate draw(self)
    @cython.locals(peer=Candidate, best=Candidate, total=double)
    cpdef Candidate choose(self, list eligible, bytes key)


cdef class LeastConn(RoundRobin):
    cdef Drawn _drawn
    cpdef meet(self, list peers)
    cpdef Candidate draw(self)
    @cython.locals(peer=Candidate, cost=double, least=double, equals=list)
    cpdef Candidate choose(self, list eligible, bytes key)


cdef class Random2(Policy):
    cdef object _draw
    cdef Drawn _many
    cpdef meet(self, list peers)
    cpdef Candidate draw(self)
    @cython.locals(first=Candidate, second=Candidate)
    cpdef Candidate choose(self, list eligible, bytes key)
    cdef double _cost(self, Candidate peer) except? 0
    @cython.locals(peer=Candidate, last=Candidate, total=double, left=double)
    cdef Candidate _drawn(self, list eligible, Candidate but)


cdef class Ewma(Random2):
    cdef double _cost(self, Candidate peer) except? 0


cdef class Hash(RoundRobin):
    cdef dict _numbers
    cdef double _points, _weights
    cdef list _free, _given, _groups, _peers, _worth
    @cython.locals(peer=Candidate, number=Py_ssize_t)
    cpdef reweigh(self)
    cdef object _ring
    cpdef Candidate choose(self, list eligible, bytes key)


cdef double _share(Candidate peer) except? 0
