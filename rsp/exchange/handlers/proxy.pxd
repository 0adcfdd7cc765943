cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.forward.forward cimport Forward
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler


cdef class Proxy(Handler):
    cdef Upstream _upstream


cpdef forward_to(Exchange exchange, Upstream upstream)
@cython.locals(body=RequestBody, forward=Forward)
cpdef Forward prepare(Exchange exchange, Upstream upstream)
