cdef class Libuv:
    cdef void *_loop
    cdef void *_checks[4]
    cdef int _count
    cdef readonly int descriptor
    cpdef int idle_for(self) noexcept
