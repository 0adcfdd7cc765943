from rsp.exchange.forward.journal cimport Journal
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.running_config cimport RouteTarget, RunningConfig
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream
from rsp.net.context cimport WorkerContext


cdef class Subject(ClientEvents):
    cdef public bytes client, request_id, target, user
    cdef public RunningConfig config
    cdef public WorkerContext context
    cdef public RequestHead head
    cdef public Journal journal
    cdef public ResponseHead response_head
    cdef public dict captures, logged
    cdef public bint over, own
    cdef public Responder responder
    cdef public RouteTarget route
    cdef public Py_ssize_t received, sent
    cdef public ClientSession session
    cdef public double started
    cdef public int grpc_status, status
    cdef public ClientStream stream
    cdef public Upstream upstream
    cpdef tell(self)
