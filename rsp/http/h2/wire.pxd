cdef class FrameHead:
    cdef public Py_ssize_t size
    cdef public int kind, flags
    cdef public long long number
    cpdef read(self, bytes data, Py_ssize_t at)


cpdef bytes frame_head(Py_ssize_t size, int kind, int flags, long long number)
cpdef bytes data_frames(list queue, Py_ssize_t offset, Py_ssize_t size, long long number, Py_ssize_t most, bint last)
cpdef bytes request_block(bytes method, bytes path, bytes host, bytes extra, bytes lines)
cpdef bytes whole_message(bytes block, bytes body, long long number)
cpdef Py_ssize_t advance(list queue, Py_ssize_t offset, Py_ssize_t size) except -1
cpdef long long number_at(bytes data, Py_ssize_t at) except? -1
