"""The cells of a process's tally of a peer in the scoreboard.

Rules of this room: plain integers, and no .pxd beside it; compiled modules import them and declare them ``cdef int``.
A line is a metric: its name in the admin API, and what it means.  Times are CLOCK_MONOTONIC in microseconds.
"""

from typing import Final

from rsp.ipc.metrics import Table

TALLY: Final = 24  # cells in a tally
TABLE: Final = Table("peer", TALLY)

IN_FLIGHT: Final = TABLE.gauge("in_flight", "Requests that the peer is handling.")
CONNECTING: Final = TABLE.gauge("connecting", "Connections that are being opened.")
IDLE: Final = TABLE.gauge("idle", "Idle connections kept open, at the last tick.")
REQUESTS: Final = TABLE.counter("requests", "Response heads received.")
ERRORS: Final = TABLE.counter("errors", "Response heads with a status from 500.")
FAILURES: Final = TABLE.counter("failures", "Requests without a whole response: no connection, or it broke.")
RETRIES: Final = TABLE.counter("retries", "Requests that were sent to another peer after a failure here.")
STATUS_1XX: Final = TABLE.counter("status_1xx", "Response heads with status 101.", listed=False)
STATUS_2XX: Final = TABLE.counter("status_2xx", "Response heads with a status from 200 to 299.", listed=False)
STATUS_3XX: Final = TABLE.counter("status_3xx", "Response heads with a status from 300 to 399.", listed=False)
STATUS_4XX: Final = TABLE.counter("status_4xx", "Response heads with a status from 400 to 499.", listed=False)
STATUS_5XX: Final = TABLE.counter("status_5xx", "Response heads with a status from 500 to 599.", listed=False)
CONNECTS: Final = TABLE.counter("connects", "Connections that have been opened.", listed=False)
EJECTED: Final = TABLE.counter("ejected", "Times that the peer was ejected.", listed=False)
LATENCY_SUM: Final = TABLE.counter(
    "latency", "Time to the response head, of all of them.", unit="seconds", scale=1_000_000, listed=False
)
WAITING: Final = TABLE.gauge(  # counted at an upstream's first peer
    "waiting", "Requests that wait in the queue of the upstream.", scope="upstream", listed=False
)
LATENCY: Final = TABLE.cell()  # decaying mean of the time to the response head
LAST_SUCCESS: Final = TABLE.cell()
LAST_FAILURE: Final = TABLE.cell()
RUN: Final = TABLE.cell()  # failures in a row
