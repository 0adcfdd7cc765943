from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.hooks.fields cimport bar
from rsp.http.lines cimport drop, each, get
from rsp.http.message cimport ResponseHead


cdef class HookNotes(Notes):
    cdef public Exchange exchange
    cdef public Py_ssize_t filter, number
    cdef public list asked, done, holds
    cdef public Filter asking
    cdef public bint filtering, in_error, left, proxied
    cdef public ResponseHead response
    cdef object _call_off
    cdef bytes _peer
    cpdef set_up(self, Exchange exchange, Py_ssize_t number)
    cpdef wait(self, call_off)
    cpdef withdraw(self)
    cpdef call_off(self, exchange)
    cpdef bytes last_peer(self)
    cpdef leave(self)
    cpdef bytes block(self, bytes which)
    cpdef get_field(self, bytes which, name)
    cpdef set_field(self, bytes which, bytes name, bytes lines, bint more)
    cdef _set_request_field(self, bytes name, bytes lines, bint more)
