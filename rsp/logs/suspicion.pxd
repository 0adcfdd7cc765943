cpdef bint has_at(bytes text)
cpdef bint is_suspect(bytes text, bytes lengths)
