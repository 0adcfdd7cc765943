from rsp.tls.facts cimport Facts


cdef class OpenSslContext:
    cdef void *_handle
    cdef object _context
    cdef bytes _bound, _keys
    cdef dict _staples
    cdef bint _checks_names
    cdef public bytes policy
    cdef _choose_groups(self)
    cdef _announce(self)
    cpdef Engine server(self, bytes sni)
    cdef Engine _engine(self, bytes sni)


cdef class Session:
    cdef void *_handle
    cdef OpenSslContext _owner
    cdef bytes _name
    cdef bint fits(self, Engine engine)


cdef class Engine:
    cdef void *_ssl
    cdef OpenSslContext _owner
    cdef bytes _sni, _waiting
    cdef tuple _error
    cdef public bint ready, ended
    cpdef bytes open(self, bytes data)
    cdef _say(self)
    cpdef bytes take(self)
    cpdef bytes seal(self, bytes data)
    cpdef bytes close(self)
    cpdef Facts facts(self)
    cdef bint _verified(self, void *certificate)
    cdef _shake_hands(self)
    cdef bytes _read(self, Py_ssize_t size)
    cdef _end(self, int reason)
    cdef _fail(self)
    cdef _check(self)
