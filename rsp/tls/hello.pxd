cimport cython

cdef Py_ssize_t _HEADER, _LONGEST_RECORD
cdef int _ALPN, _CLIENT_HELLO, _HANDSHAKE, _SERVER_NAME, _SUPPORTED_VERSIONS


cdef class Hello:
    cdef public bytes sni
    cdef public tuple alpn, versions


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


@cython.locals(at=Py_ssize_t, end=Py_ssize_t, hello=Hello)
cdef Hello _read(bytes message)

@cython.locals(kind=int, size=Py_ssize_t)
cdef _read_extensions(Hello hello, bytes message, Py_ssize_t at, Py_ssize_t end)
