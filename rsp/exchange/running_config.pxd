cimport cython

from rsp.exchange.filters.forwarded cimport Forwarded
from rsp.exchange.filters.headers cimport Rules
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler
from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.stream cimport ClientSession, ClientStream
from rsp.ipc.series cimport RouteSeries, TimesSeries
from rsp.logs.secrets cimport Secrets


cdef class RouteTarget:
    cdef public tuple filters, logs, response_filters
    cdef public Handler handler
    cdef public dict limits
    cdef public Rules own_rules, request_rules, response_rules
    cdef public Py_ssize_t prefix
    cdef public bint is_anywhere
    cdef public bytes hsts, rewrite, send_host
    cdef public object config, requirement
    cdef public str name
    cdef public RouteSeries series
    cdef public TimesSeries times
    cdef public Upstream upstream
    cpdef bytes rewritten(self, bytes target, bytes rewrite)
    @cython.locals(outgoing=OutgoingHead, rules=Rules)
    cpdef OutgoingHead outgoing_head(self, RequestHead head, bytes target, bytes extra, bytes request_id, source)
    cpdef rule_response(self, ResponseHead head, dict via, bytes last_lines, source)
    cdef _rule_transport(self, ResponseHead head, bytes scheme)
    cpdef tuple own_response(self, tuple answer, bytes method, bytes start, source, bytes scheme=*)
    cpdef list trailers_for_peer(self, RequestHead head, list trailers)
    cpdef list trailers_for_client(self, list trailers)


cdef class RunningConfig:
    cdef object __weakref__
    cdef public Forwarded forwarded
    cdef public object direct_to, directory, dns, hooks, pages, router
    cdef public Limits limits
    cdef public dict listeners, redirecting, series, upstreams, via
    cdef public list requirements
    cdef public tuple filters
    cdef public RouteTarget nowhere
    cdef public Secrets secrets
    cdef public object tracer
    cdef public str request_id
    cdef public Py_ssize_t weight
    cdef dict _direct
    cpdef learn_host(self, ClientSession session, bytes host, ClientStream stream)
    cpdef RouteTarget direct(self, Upstream upstream)
