cpdef bytes receive(int descriptor)
cpdef Py_ssize_t send(int descriptor, bytes data, Py_ssize_t offset) except -1
cpdef Py_ssize_t send_both(int descriptor, bytes first, bytes second) except -1
cpdef tuple accept(int descriptor)
cpdef close(int descriptor)
cpdef double monotonic() noexcept


cdef class Epoll:
    cdef int _set
    cpdef add(self, int descriptor, int events)
    cpdef change(self, int descriptor, int events)
    cpdef remove(self, int descriptor)
    cpdef list look(self, int most)
    cdef _control(self, int what, int descriptor, int events)
