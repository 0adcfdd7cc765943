cdef class Watcher:
    cpdef begin(self, object head)
    cpdef see(self, object exchange, double ended)
