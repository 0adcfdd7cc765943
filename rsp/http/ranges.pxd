cimport cython


cpdef list ranges(bytes value, Py_ssize_t size)
@cython.locals(first=bytes, dash=bytes, last=bytes)
cdef tuple _part(bytes spec, Py_ssize_t size)
cdef tuple _last(count, Py_ssize_t size)
cdef object _number(bytes digits)
cpdef bytes content_range(tuple part, Py_ssize_t size)
cpdef bytes unsatisfied(Py_ssize_t size)
cpdef list delimiters(list parts, Py_ssize_t size, bytes media, bytes boundary)
