cimport cython

from rsp.exchange.forward.journal cimport Journal
from rsp.exchange.hooks.fields cimport bar
from rsp.exchange.subject cimport Subject
from rsp.exchange.trace cimport Trace
from rsp.http.lines cimport drop, each
from rsp.http.message cimport RequestHead
from rsp.net.context cimport WorkerContext

cdef int SPANS_DROPPED


cdef class Tracer:
    cdef double _second, _share, _slow
    cdef int _kept
    @cython.locals(head=RequestHead, trace=Trace, trusted=bint)
    cpdef begin(self, Subject exchange)
    cdef bint _samples(self, trusted) except -1
    @cython.locals(context=WorkerContext, journal=Journal, ended=double)
    cpdef end(self, Subject exchange, Trace trace)
    @cython.locals(now=double, status=int)
    cdef bint _is_kept(self, Subject exchange, Journal journal, double seconds) except -1


@cython.locals(fields=bytes)
cdef tuple _take(RequestHead head)
