cpdef bint is_suspect(bytes text, bytes lengths)
