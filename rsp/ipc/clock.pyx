"""The compiled twin of clock.py."""

from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec


cpdef double monotonic() noexcept:
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return <double>moment.tv_sec + <double>moment.tv_nsec * 1e-9


cpdef double wall() noexcept:
    cdef timespec moment
    clock_gettime(CLOCK_REALTIME, &moment)
    return <double>moment.tv_sec + <double>moment.tv_nsec * 1e-9
