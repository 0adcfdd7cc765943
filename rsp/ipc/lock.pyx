"""The compiled twin of lock.py: a robust mutex (pthread_mutexattr_setrobust(3)) in the shared memory."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef extern from "errno.h":
    int EOWNERDEAD


cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutexattr_t:
        pass
    int PTHREAD_PROCESS_SHARED
    int PTHREAD_MUTEX_ROBUST
    int pthread_mutexattr_init(pthread_mutexattr_t *attributes)
    int pthread_mutexattr_setpshared(pthread_mutexattr_t *attributes, int shared)
    int pthread_mutexattr_setrobust(pthread_mutexattr_t *attributes, int robust)
    int pthread_mutexattr_destroy(pthread_mutexattr_t *attributes)
    int pthread_mutex_init(pthread_mutex_t *mutex, pthread_mutexattr_t *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_mutex_consistent(pthread_mutex_t *mutex)

SIZE = 64


cdef class Lock:
    def __init__(self, memory, int descriptor, Py_ssize_t offset, bint fresh):
        cdef Py_buffer view
        cdef pthread_mutexattr_t attributes
        PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
        self._memory = memory  # is mapped as long as this is there
        self._mutex = <pthread_mutex_t *>(<char *>view.buf + offset)
        PyBuffer_Release(&view)
        if fresh:
            pthread_mutexattr_init(&attributes)
            pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED)
            pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST)
            pthread_mutex_init(self._mutex, &attributes)
            pthread_mutexattr_destroy(&attributes)

    cpdef acquire(self):
        if pthread_mutex_lock(self._mutex) == EOWNERDEAD:
            pthread_mutex_consistent(self._mutex)

    cpdef release(self):
        pthread_mutex_unlock(self._mutex)
