cimport cython


cpdef match(list entries, bytes path, bint plain)


@cython.locals(prefix=bytes)
cdef _longest(list entries, bytes path)
