cpdef bytes receive(int descriptor)
cpdef Py_ssize_t send(int descriptor, bytes data, Py_ssize_t offset) except -1
cpdef Py_ssize_t send_both(int descriptor, bytes first, bytes second) except -1
cpdef Py_ssize_t send_more(int descriptor, bytes data) except -1
cpdef Py_ssize_t send_file(int descriptor, int file, Py_ssize_t start, Py_ssize_t size) except -2
cpdef tuple accept(int descriptor)
cpdef bint has_news(int descriptor) except -1
cpdef acknowledge(int descriptor)
cpdef close(int descriptor)
cpdef double monotonic() noexcept


cdef struct Found:
    int descriptor, events


cdef class Epoll:
    cdef int _set
    cdef public long long spin
    cdef Found _found[256]
    cpdef add(self, int descriptor, int events)
    cpdef change(self, int descriptor, int events)
    cpdef remove(self, int descriptor)
    cpdef int look(self, int most, int wait) except -1
    cdef inline int descriptor(self, int number) noexcept:
        return self._found[number].descriptor
    cdef inline int events(self, int number) noexcept:
        return self._found[number].events
    cdef _control(self, int what, int descriptor, int events)
