cimport cython


cpdef match(list entries, bytes path, bint plain)


@cython.locals(prefix=bytes, routes=list)
cdef _longest(list entries, bytes path)


@cython.locals(prefix=bytes, routes=list)
cdef _longest_normalised(list entries, bytes path)


@cython.locals(size=Py_ssize_t)
cdef bint _ends_there(bytes prefix, bytes path)
