cpdef bytes receive(int descriptor)
cpdef Py_ssize_t send(int descriptor, bytes data, Py_ssize_t offset) except -1
cpdef Py_ssize_t send_both(int descriptor, bytes first, bytes second) except -1
cpdef tuple accept(int descriptor)
cpdef double monotonic() noexcept
