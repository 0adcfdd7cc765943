cpdef bar(head, bytes name)
