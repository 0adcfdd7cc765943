from rsp.exchange.forward.forward cimport Forward
from rsp.exchange.forward.journal cimport Journal
from rsp.exchange.running_config cimport RunningConfig
from rsp.exchange.subject cimport Subject
from rsp.exchange.trace cimport Trace
from rsp.http.h1.codec cimport parse_request
from rsp.http.lines cimport get
from rsp.http.message cimport OutgoingHead, ResponseHead
from rsp.http.peer_stream cimport ResponseReceiver
from rsp.net.context cimport WorkerContext


cdef class Call(ResponseReceiver):
    cdef object _done, _finding, _outside, _plan, _timer
    cdef WorkerContext _context
    cdef RunningConfig _config
    cdef Forward _forward
    cdef Journal _journal
    cdef Trace _trace
    cdef bytes _client, _fields
    cdef bint _over
    cdef int _status
    cdef Py_ssize_t _size
    cdef list _body
    cpdef follow(self, Subject exchange)
    cpdef OutgoingHead outgoing_head(self)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
