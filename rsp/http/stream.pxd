from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.peer_stream cimport ResponseReceiver
from rsp.net.session cimport SecureService, Session
from rsp.tls.facts cimport Facts


cdef class ClientSession(Session):
    cdef public bytes forwarded, known_host, scheme
    cdef public double accepted
    cdef public int weight
    cdef public list levels
    cdef public object config
    cdef public dict own
    cdef public Facts tls
    cdef set_up(self, bytes client, listener, bytes scheme)
    cpdef end(self)
    cpdef secure(self, Facts tls)


cdef class ProxiedSession(ClientSession):
    cdef public object header
    cdef public bytes proxy
    cpdef introduce(self, header)


cdef class ClientStream:
    cdef public ClientSession session
    cpdef send_interim(self, ResponseHead head)
    cpdef send_response(self, ResponseHead head, list pieces, list trailers)
    cpdef send_body(self, list pieces, list trailers)
    cpdef bint takes_files(self) except -1
    cpdef Py_ssize_t send_file(self, ResponseHead head, int file, Py_ssize_t start, Py_ssize_t size) except -2
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


cdef class Service(SecureService):
    cpdef ClientSession session(self, bytes client, listener, proxied=*)
    cpdef renew(self, ClientSession session)
    cpdef ClientEvents begin(self, ClientStream stream, RequestHead head)
