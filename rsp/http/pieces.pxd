cpdef bytes joined(bytes first, bytes second)
cpdef bytes part(bytes value, Py_ssize_t start, Py_ssize_t stop)
