from rsp.http.limits cimport Limits
from rsp.ipc.series cimport ListenerSeries
from rsp.net.transport cimport Transport
from rsp.tls.facts cimport Facts


cdef class Session:
    cdef public bytes client
    cdef public bint counted
    cdef public Limits limits
    cdef public object listener
    cdef public ListenerSeries series


cdef class SecureService:
    cpdef Session session(self, bytes client, listener, proxied=*)
    cpdef accept_secure(self, Transport transport, Session session, Facts tls, bint admitted)
    cpdef refuse_plain(self, Transport transport, Session session, bytes data)
