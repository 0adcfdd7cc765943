cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass


cdef class Lock:
    cdef object _memory
    cdef pthread_mutex_t *_mutex
    cpdef acquire(self)
    cpdef release(self)
