cimport cython

from rsp.exchange.request_log cimport RequestLog
from rsp.exchange.subject cimport Subject
from rsp.http.message cimport RequestHead
from rsp.http.peer_stream cimport Responder
from rsp.logs.access_log cimport AccessLog
from rsp.logs.combined cimport combined
from rsp.logs.json_line cimport json_line, text
from rsp.logs.secrets cimport Secrets


@cython.locals(head=RequestHead, responder=Responder)
cpdef bytes default_line(Subject exchange, double ended)


cdef class CombinedLog(RequestLog):
    cdef AccessLog _log
    cdef Secrets _secrets
    @cython.locals(
        subject=Subject, log=AccessLog, head=RequestHead, responder=Responder, target=bytes, referer=bytes,
        secrets=Secrets,
    )
    cpdef write(self, exchange, double ended)


cdef class JsonLog(RequestLog):
    cdef AccessLog _log
    cdef bytes _route
    cdef object _more
    cdef RequestLog _slow
    cdef Secrets _secrets
    @cython.locals(subject=Subject, log=AccessLog, target=bytes, line=bytes)
    cpdef write(self, exchange, double ended)
    @cython.locals(head=RequestHead, responder=Responder)
    cdef bytes _line(self, Subject exchange, double ended, bytes target)
