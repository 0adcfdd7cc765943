from rsp.logs.access_log cimport AccessLog
from rsp.http.h1.codec cimport request_head
from rsp.http.message cimport RequestHead
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.hooks.hooks cimport Hooks, Phases
from rsp.exchange.context cimport Plane
from rsp.exchange.limits cimport Terms


cdef class Rules:
    cdef public object host, remove
    cdef public bint ours
    cdef object _template
    cdef bytes _added
    cdef public bint connection_bound
    cpdef bytes apply(self, bytes fields, source)


cdef class Destination:
    cdef public Group group
    cdef public object fixed, route
    cdef public Phases hooks
    cdef public Py_ssize_t prefix
    cdef public Rules own_rules, request_rules, response_rules
    cdef public bytes rewrite, send_host
    cdef public dict terms
    cpdef bytes rewritten(self, bytes target, bytes rewrite)
    cpdef bytes head_for_peer(self, RequestHead head, bytes target, bytes extra, bytes request_id, source)
    cpdef list trailers_for_peer(self, RequestHead head, list trailers)
    cpdef list trailers_for_client(self, list trailers)


cdef class Site:
    cdef object __weakref__
    cdef Plane _plane
    cdef public AccessLog access_log
    cdef object _room
    cdef public Rules own_rules
    cdef object _rules
    cdef public dict groups
    cdef public object dns
    cdef public Hooks hooks
    cdef dict _direct
    cdef public Terms terms
    cdef public dict listeners
    cdef public object keep_forwarded, router, pages
    cdef public str forwarded, request_id
    cdef public bytes via
    cdef list _trusted
    cdef bint _trusts_unix
    cdef dict _known
    cpdef bint trusts(self, bytes client)
