cimport cython

from rsp.exchange.compression cimport Compression
from rsp.exchange.filter cimport FieldRule
from rsp.exchange.filters.forwarded cimport Forwarded
from rsp.exchange.filters.headers cimport Rules
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler
from rsp.exchange.rewrite cimport Rewrite
from rsp.http.limits cimport Limits
from rsp.http.lines cimport without
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead
from rsp.http.regex cimport Pattern
from rsp.http.stream cimport ClientSession, ClientStream
from rsp.ipc.series cimport RouteSeries, TimesSeries
from rsp.logs.secrets cimport Secrets


cdef class RouteTarget:
    cdef public tuple field_rules, filters, logs, response_filters
    cdef public Compression compression
    cdef public FieldRule location_rule
    cdef public Handler handler
    cdef public dict limits
    cdef public Pattern pattern
    cdef public Rules own_rules, request_rules, response_rules
    cdef public Py_ssize_t response_buffer
    cdef public bint is_anywhere, is_light, shares
    cdef public bytes hsts, send_host
    cdef public Rewrite rewrite
    cdef public object claims, config, requirement
    cdef public str name
    cdef public RouteSeries series
    cdef public TimesSeries times
    cdef public Upstream upstream
    @cython.locals(outgoing=OutgoingHead, rules=Rules)
    cpdef OutgoingHead outgoing_head(self, RequestHead head, bytes target, bytes extra, bytes request_id, source)
    cpdef rule_response(self, ResponseHead head, dict via, bytes last_lines, source)
    @cython.locals(rule=FieldRule)
    cpdef rule_content(self, ResponseHead head, source)
    cdef _rule_transport(self, ResponseHead head, bytes scheme)
    @cython.locals(rule=FieldRule)
    cpdef tuple own_response(self, tuple answer, bytes method, bytes start, source, bytes scheme=*)
    cpdef list trailers_for_peer(self, RequestHead head, list trailers)
    cpdef list trailers_for_client(self, list trailers)


cdef class RunningConfig:
    cdef object __weakref__
    cdef public Forwarded forwarded
    cdef public object direct_to, directory, dns, hooks, pages, router
    cdef public Limits limits
    cdef public dict listeners, series, upstreams, via
    cdef public set redirecting
    cdef public RunningConfig to_https
    cdef public list keyed, requirements, ticking
    cdef public tuple stores
    cdef public tuple filters
    cdef public RouteTarget nowhere, ready
    cdef public bytes ready_path
    cdef public Secrets secrets
    cdef public object tracer
    cdef public bint makes_ids, needs_ids
    cdef public Py_ssize_t weight
    cdef dict _direct
    cdef list _everywhere
    @cython.locals(levels=list)
    cpdef learn_host(self, ClientSession session, bytes host, ClientStream stream)
    cpdef RunningConfig at(self, listener)
    cpdef RouteTarget direct(self, Upstream upstream)
