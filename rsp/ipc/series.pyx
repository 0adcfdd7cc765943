# cython: cdivision=True
"""The compiled twin of series.py: pointers into the process's own column."""

from rsp.ipc import series_cells
from rsp.ipc.cells cimport cells_at

cdef int LISTENER_ACCEPTED = series_cells.LISTENER_ACCEPTED
cdef int LISTENER_FAILED = series_cells.LISTENER_FAILED
cdef int LISTENER_HTTP2 = series_cells.LISTENER_HTTP2
cdef int LISTENER_RESUMED = series_cells.LISTENER_RESUMED
cdef int LISTENER_STATUS = series_cells.LISTENER_STATUS
cdef int LISTENER_TLS = series_cells.LISTENER_TLS
cdef int LISTENER_VERSION = series_cells.LISTENER_VERSION
cdef int ROUTE_RECEIVED = series_cells.ROUTE_RECEIVED
cdef int ROUTE_SENT = series_cells.ROUTE_SENT
cdef int ROUTE_STATUS = series_cells.ROUTE_STATUS
cdef int TIMES_CONNECT = series_cells.TIMES_CONNECT
cdef int TIMES_DURATION = series_cells.TIMES_DURATION
cdef int TIMES_FIRST_BYTE = series_cells.TIMES_FIRST_BYTE
cdef int TIMES_SIZE = series_cells.TIMES_SIZE

cdef enum:
    _MOST_BOUNDS = 64
    _OTHER = 2

cdef double _LONGEST = 1e9  # seconds
cdef double SECONDS[_MOST_BOUNDS]
cdef double BYTES[_MOST_BOUNDS]
cdef int _seconds = 0, _bytes = 0

for _bound in series_cells.SECONDS[:_MOST_BOUNDS]:
    SECONDS[_seconds] = _bound
    _seconds += 1
for _bound in series_cells.BYTES[:_MOST_BOUNDS]:
    BYTES[_bytes] = _bound
    _bytes += 1


cdef inline void _count_class(cell *first, int status) noexcept:
    cdef int number = status / 100
    first[0 if number < 1 else 4 if number > 5 else number - 1] += 1


cdef inline void _observe(cell *first, double seconds) noexcept:
    cdef int bucket = 0
    if seconds > 0.0:
        while bucket < _seconds and SECONDS[bucket] < seconds:
            bucket += 1
        first[bucket] += 1
        first[_seconds + 1] += <cell>((seconds if seconds < _LONGEST else _LONGEST) * 1e6)


cdef class Series:
    def __init__(self, memory, Py_ssize_t first):
        self._memory = memory
        self._cells = cells_at(memory, first)


cdef class RouteSeries(Series):
    cpdef answered(self, int status, Py_ssize_t sent, Py_ssize_t received):
        _count_class(self._cells + ROUTE_STATUS, status)
        self._cells[ROUTE_SENT] += <cell>sent
        self._cells[ROUTE_RECEIVED] += <cell>received


cdef class ListenerSeries(Series):
    cpdef accepted(self):
        self._cells[LISTENER_ACCEPTED] += 1

    cpdef spoke_http2(self):
        self._cells[LISTENER_HTTP2] += 1

    cpdef answered(self, int status, bytes version):
        cdef const char *digits = version  # 1.0, 1.1 or 2.0
        _count_class(self._cells + LISTENER_STATUS, status)
        if digits[0] != 0:
            self._cells[LISTENER_VERSION + (2 if digits[0] == c"2" else digits[2] != c"0")] += 1

    cpdef shaken(self, bytes version, bint resumed):
        self._cells[LISTENER_TLS + (0 if version == b"TLSv1.2" else 1 if version == b"TLSv1.3" else _OTHER)] += 1
        self._cells[LISTENER_RESUMED] += resumed

    cpdef failed(self):
        self._cells[LISTENER_FAILED] += 1


cdef class TimesSeries(Series):
    cpdef took(self, double seconds, double first_byte, double connect, Py_ssize_t size):
        cdef cell *sizes = self._cells + TIMES_SIZE
        cdef int bucket = 0
        _observe(self._cells + TIMES_DURATION, seconds)
        _observe(self._cells + TIMES_FIRST_BYTE, first_byte)
        _observe(self._cells + TIMES_CONNECT, connect)
        while bucket < _bytes and BYTES[bucket] < size:
            bucket += 1
        sizes[bucket] += 1
        sizes[_bytes + 1] += <cell>size
