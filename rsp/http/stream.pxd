from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.peer_stream cimport ResponseReceiver
from rsp.ipc.series cimport ListenerSeries
from rsp.tls.facts cimport Facts


cdef class ClientSession:
    cdef public bytes client, forwarded, known_host, scheme
    cdef public double accepted
    cdef public bint counted
    cdef public int weight
    cdef public list entries
    cdef public object config, conversations, listener
    cdef public ListenerSeries series
    cdef public Facts tls
    cdef public Limits limits
    cdef set_up(self, bytes client, listener, bytes scheme)
    cpdef secure(self, Facts tls)


cdef class ClientStream:
    cdef public ClientSession session
    cpdef send_interim(self, ResponseHead head)
    cpdef send_response(self, ResponseHead head, list pieces, list trailers)
    cpdef send_body(self, list pieces, list trailers)
    cpdef pause(self)
    cpdef resume(self)
    cpdef use(self, Limits limits)
    cpdef set_deadline(self, double moment)
    cpdef send_raw(self, bytes data)
    cpdef finish(self, bint keep_alive)


cdef class ClientEvents(ResponseReceiver):
    cpdef start(self)
    cpdef request_body(self, list pieces, list trailers)
    cpdef client_gone(self)
    cpdef client_full(self)
    cpdef client_ready(self)
    cpdef tunnel_up(self, bytes data)


cdef class Service:
    cpdef ClientSession session(self, bytes client, listener)
    cpdef renew(self, ClientSession session)
    cpdef ClientEvents begin(self, ClientStream stream, RequestHead head)
