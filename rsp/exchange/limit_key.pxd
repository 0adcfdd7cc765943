cimport cython

from rsp.config.placeholders cimport Template
from rsp.exchange.exchange cimport Exchange
from rsp.ipc.entries cimport Word
from rsp.ipc.shared_memory cimport hash_of

cdef Py_ssize_t _LONGEST, _KNOWN


cdef class LimitKey:
    cdef bytes _prefix
    cdef Word _prefix_hash
    cdef bint _is_client
    cdef Template _template
    cdef dict _known
    @cython.locals(value=bytes)
    cpdef bytes of(self, exchange)
    @cython.locals(value=bytes)
    cpdef Word hashed(self, exchange) except? 0
    @cython.locals(known=Exchange, client=bytes)
    cdef bytes _client(self, exchange)
    @cython.locals(known=bytes)
    cdef bytes _network(self, bytes client)
