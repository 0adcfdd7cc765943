cpdef int open_below(int directory, bytes name, int flags, int resolve, bint wait) except? -1
cpdef close(int descriptor, bint wait=*)
cpdef int opened() noexcept
cpdef bytes read_now(int descriptor, long long start, Py_ssize_t size)
cpdef bytes read(int descriptor, long long start, Py_ssize_t size)
cpdef unsigned int file_system(int descriptor) except? 0


cdef class Mark:
    cdef readonly unsigned long long device, number
    cdef readonly long long size, modified, changed
    cdef readonly unsigned int mode
    cpdef bint holds(self, int directory, bytes name, bint wait)
    cpdef bint is_at(self, int directory, bytes name)
    cpdef bint equals(self, Mark other)
    cpdef bint is_file_of(self, Mark other)
    cpdef bint is_regular(self)
    cpdef bint is_directory(self)
