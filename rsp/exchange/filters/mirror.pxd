from rsp.balance.portions cimport Portion
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler
from rsp.exchange.passage cimport Passage
from rsp.http.message cimport RequestHead

cimport cython

cdef int PASS


cdef class MirrorFilter(Filter):
    cdef Portion _portion
    cdef Upstream _upstream
    cdef Py_ssize_t _left_out, _limit, _size
    cdef double _told_at
    cdef dict _copies
    @cython.locals(asked=Exchange, head=RequestHead, notes=MirrorNotes, passage=Passage)
    cpdef int request(self, exchange) except -1


cdef class MirrorNotes(Notes):
    cdef MirrorFilter _filter
    cdef Exchange _wanted
    cdef object _body
    cdef Py_ssize_t _size
    cdef public bint is_whole
    cpdef set_up(self, MirrorFilter of, Exchange exchange)
    cpdef sent(self, Exchange exchange)


cdef class Mirrored(Handler):
    cdef Handler _handler
    @cython.locals(asked=Exchange, passage=Passage, found=MirrorNotes)
    cpdef start(self, exchange)
