# cython: cdivision=True
"""The compiled twin of peer_stats.py: pointers to the marks, to the first worker's tally, and to the process's own."""

from rsp.ipc import peer_cells, peer_marks, scoreboard as board, standing as standings, worker_cells
from rsp.ipc.cells cimport cell, cells_at

cdef int ERRORS = peer_cells.ERRORS
cdef int FAILURES = peer_cells.FAILURES
cdef int LAST_FAILURE = peer_cells.LAST_FAILURE
cdef int LAST_SUCCESS = peer_cells.LAST_SUCCESS
cdef int LATENCY = peer_cells.LATENCY
cdef int LATENCY_SUM = peer_cells.LATENCY_SUM
cdef int REQUESTS = peer_cells.REQUESTS
cdef int RUN = peer_cells.RUN
cdef int STATUS_1XX = peer_cells.STATUS_1XX
cdef int DRAIN = peer_marks.DRAIN
cdef int EJECTED_UNTIL = peer_marks.EJECTED_UNTIL
cdef int HEALTH = peer_marks.HEALTH
cdef int HEALTH_DEAD = peer_marks.HEALTH_DEAD
cdef int HEALTH_DOUBTFUL = peer_marks.HEALTH_DOUBTFUL
cdef int DOUBTFUL = standings.DOUBTFUL
cdef int DRAINED = standings.DRAINED
cdef int HALF_OPEN = standings.HALF_OPEN
cdef int OPEN = standings.OPEN
cdef int OUT = standings.OUT
cdef Py_ssize_t SLOTS = board.SLOTS
cdef Py_ssize_t SPAN = board.SPAN
cdef Py_ssize_t _ROWS_AT = board.RETIRED_ROW * worker_cells.ROW + worker_cells.ROWS


cdef class PeerStats:
    def __init__(self, scoreboard, int number, int row):
        self.number = number
        self._memory = scoreboard.cells
        self._rows = cells_at(self._memory, _ROWS_AT)
        self._marks = cells_at(self._memory, board.marks_at(number))
        self._first = cells_at(self._memory, board.tally_at(number, 0))
        self._own = cells_at(self._memory, board.tally_at(number, row))

    cdef Py_ssize_t _workers(self):
        cdef cell rows = self._rows[0]
        return <Py_ssize_t>rows if rows < <cell>SLOTS else SLOTS

    cpdef int standing(self, cell now) except -1:
        cdef cell *marks = self._marks
        cdef cell health = marks[HEALTH], until = marks[EJECTED_UNTIL]
        if marks[DRAIN]:
            return DRAINED
        if health == <cell>HEALTH_DEAD:
            return OUT
        if until:
            return OUT if until > now else HALF_OPEN
        return DOUBTFUL if health == <cell>HEALTH_DOUBTFUL else OPEN

    cpdef cell mark(self, int mark) except? 0:
        return self._marks[mark]

    cpdef set_mark(self, int mark, cell value):
        self._marks[mark] = value

    cpdef cell own(self, int tally) except? 0:
        return self._own[tally]

    cpdef set_own(self, int tally, cell value):
        self._own[tally] = value

    cpdef add(self, int tally, Py_ssize_t amount):
        self._own[tally] += <cell>amount

    cpdef Py_ssize_t total(self, int tally) except? 0:
        cdef cell *at = self._first + tally
        cdef cell total = 0
        cdef Py_ssize_t row
        for row in range(self._workers()):
            total += at[row * SPAN]
        return <Py_ssize_t>total

    cpdef answered(self, cell latency, cell smoothed, int status):
        cdef cell *own = self._own
        self.count_status(status)
        own[ERRORS] += status >= 500
        own[LATENCY_SUM] += latency
        own[LATENCY] = smoothed

    cpdef count_status(self, int status):
        cdef int number = status // 100
        self._own[REQUESTS] += 1
        self._own[STATUS_1XX + (number if 1 <= number <= 5 else 1 if number < 1 else 5) - 1] += 1

    cpdef succeeded(self, cell now):
        self._own[LAST_SUCCESS] = now
        if self._own[RUN]:
            self._own[RUN] = 0

    cpdef cell last_success(self) except? 0:
        cdef cell *at = self._first + LAST_SUCCESS
        cdef cell last = 0
        cdef Py_ssize_t row
        for row in range(self._workers()):
            if at[row * SPAN] > last:
                last = at[row * SPAN]
        return last

    cpdef Py_ssize_t failed(self, cell now, cell within) except? 0:
        cdef cell *own = self._own
        cdef cell *at
        cdef cell success, last, run = 0
        cdef Py_ssize_t row
        own[FAILURES] += 1
        own[RUN] = own[RUN] + 1 if own[LAST_FAILURE] + within >= now else 1
        own[LAST_FAILURE] = now
        success = self.last_success()
        for row in range(self._workers()):
            at = self._first + row * SPAN
            last = at[LAST_FAILURE]
            if last > success and last + within >= now:
                run += at[RUN]
        return <Py_ssize_t>run
