cpdef bytes joined(bytes first, bytes second)
cpdef bytes all_joined(tuple pieces)
cpdef bytes part(bytes value, Py_ssize_t start, Py_ssize_t stop)
