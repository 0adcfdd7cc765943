cimport cython

from rsp.tls.engine cimport OpenSslContext
from rsp.tls.hello cimport Hello


cdef class ServerNames:
    cdef tuple _default, _known, _profiles
    cdef frozenset _http2
    cdef list _alpn
    cdef dict _chains, _staples
    cdef readonly dict _contexts
    cdef object _rules, _suites, _tickets
    cdef bint _strict
    @cython.locals(alpn=frozenset)
    cpdef OpenSslContext context_for(self, Hello hello, listener=*)
    @cython.locals(known=dict, found=OpenSslContext)
    cpdef OpenSslContext choose(self, bytes sni, bint http2=*)
    cdef OpenSslContext _context(self, bytes sni, bint http2)
    cdef tuple _chains_for(self, bytes sni)
    cdef bint _is_fit_for_http2(self, Hello hello) except -1
    cdef _equip(self, context)
    cpdef dict _unchanged(self, ServerNames then, set rules)
