# cython: cdivision=True
"""The compiled twin of worker_stats.py: a pointer to the process's own row."""

from rsp.ipc import worker_cells
from rsp.ipc.cells cimport cell as count, cells_at

cdef int BYTES_SENT = worker_cells.BYTES_SENT
cdef int REQUESTS = worker_cells.REQUESTS
cdef int ROW = worker_cells.ROW
cdef int STATUS_2XX = worker_cells.STATUS_2XX
cdef int STATUS_3XX = worker_cells.STATUS_3XX
cdef int STATUS_4XX = worker_cells.STATUS_4XX
cdef int STATUS_5XX = worker_cells.STATUS_5XX


cdef class WorkerStats:
    def __init__(self, scoreboard, Py_ssize_t row):
        self._memory = scoreboard.cells
        self._cells = cells_at(self._memory, row * ROW)

    cpdef add(self, int cell, Py_ssize_t amount):
        self._cells[cell] += <count>amount

    cpdef answered(self, int status, Py_ssize_t sent):
        cdef count *cells = self._cells
        cells[REQUESTS] += 1
        cells[BYTES_SENT] += <count>sent
        if status < 300:
            cells[STATUS_2XX] += status >= 200
        elif status < 400:
            cells[STATUS_3XX] += 1
        elif status < 500:
            cells[STATUS_4XX] += 1
        else:
            cells[STATUS_5XX] += 1

    cpdef count get(self, int cell) except? 0:
        return self._cells[cell]

    cpdef put(self, int cell, count value):
        self._cells[cell] = value
