cpdef bytes get(bytes block, bytes name)
cpdef list each(bytes block, bytes name)
cpdef bytes drop(bytes block, bytes name)
