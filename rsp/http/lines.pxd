cpdef bytes get(bytes block, bytes name)
cpdef list each(bytes block, bytes name)
cpdef int which(bytes block, tuple names) except -1
cpdef bytes drop(bytes block, bytes name)
cpdef bytes without(bytes block, names)
cpdef bytes with_line(bytes block, bytes start, bytes value)
cpdef bytes one_line(bytes value)
