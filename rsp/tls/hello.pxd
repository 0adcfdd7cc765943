cimport cython

cdef Py_ssize_t _HEADER, _LONGEST_RECORD
cdef unsigned long long _ONE
cdef int _ALPN, _CLIENT_HELLO, _HANDSHAKE, _SERVER_NAME, _SUPPORTED_VERSIONS


cdef class Hello:
    cdef public bytes ciphers, sni
    cdef public tuple alpn, versions
    cdef set_up(self, int version)


cdef class HelloReader:
    cdef public bytearray received
    cdef bytearray _message
    cdef Py_ssize_t _next
    @cython.locals(received=bytearray, size=Py_ssize_t)
    cpdef Hello feed(self, bytes data)
    @cython.locals(received=bytearray, size=Py_ssize_t, start=Py_ssize_t)
    cdef Py_ssize_t _record(self) except? -1
    @cython.locals(message=bytearray, size=Py_ssize_t)
    cdef bint _complete(self) except -1


@cython.locals(size=Py_ssize_t)
cpdef Hello whole_hello(bytes data)

@cython.locals(at=Py_ssize_t, hello=Hello, size=Py_ssize_t)
cdef Hello _read(bytes data, Py_ssize_t start, Py_ssize_t end)

cdef Py_ssize_t _short(bytes data, Py_ssize_t at) except -1

cdef Py_ssize_t _long(bytes data, Py_ssize_t at) except -1

@cython.locals(kind=int, size=Py_ssize_t, bit=cython.ulonglong, low=cython.ulonglong, others=set)
cdef _read_extensions(Hello hello, bytes data, Py_ssize_t at, Py_ssize_t end)

cdef dict _names, _protocols, _versions

cdef bytes _name_in(bytes data)

cdef tuple _protocols_in(bytes data)

cdef tuple _versions_in(bytes data)

cdef _keep(dict known, bytes data, meaning)
