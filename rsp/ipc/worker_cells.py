"""The cells of a process's row in the scoreboard.

Rules of this room: plain integers, and no .pxd beside it; compiled modules import them and declare them ``cdef int``.
A line is a metric: its name in the admin API, and what it means.  Times are CLOCK_MONOTONIC in milliseconds.
"""

from typing import Final

from rsp.ipc.metrics import Table

PREDECESSORS: Final = 8  # that still finish, when counters are handed over
ROW: Final = 64  # cells in a row
TABLE: Final = Table("worker", ROW)

# What a worker writes.  Gauges: once a tick, or when they change.
HEARTBEAT: Final = TABLE.cell()  # the last tick
CONNECTIONS: Final = TABLE.gauge("connections", "Client connections that are open.")
IN_FLIGHT: Final = TABLE.gauge("in_flight", "Requests that are being handled.")
QUEUED: Final = TABLE.gauge("queued", "Requests that wait in the queue of the upstream.")
REQUESTS: Final = TABLE.counter("requests", "Requests that have been handled.")
ACCEPTED: Final = TABLE.counter("accepted", "Client connections that have been accepted.")
STATUS_2XX: Final = TABLE.counter("status_2xx", "Responses with a status from 200 to 299.")
STATUS_3XX: Final = TABLE.counter("status_3xx", "Responses with a status from 300 to 399.")
STATUS_4XX: Final = TABLE.counter("status_4xx", "Responses with a status from 400 to 499.")
STATUS_5XX: Final = TABLE.counter("status_5xx", "Responses with a status from 500.")
BYTES_SENT: Final = TABLE.counter("bytes_sent", "Bytes of response bodies sent to clients.", unit="bytes")
RETRIES: Final = TABLE.counter("retries", "Requests that were sent to another peer after a failure.")
HEDGES: Final = TABLE.counter("hedges", "Requests that were sent to a second peer because the first was slow.")
HANDSHAKES: Final = TABLE.counter("handshakes", "TLS handshakes of clients that have been completed.")
RESUMED: Final = TABLE.counter("resumed", "TLS handshakes of clients that resumed a session.")
HANDSHAKE_FAILURES: Final = TABLE.counter("handshake_failures", "TLS handshakes of clients that have failed.")
LOG_LINES_LOST: Final = TABLE.counter(
    "log_lines_lost", "Lines of access logs that were lost, because what they go to took no more.", listed=False
)
CUT: Final = TABLE.counter("cut", "Requests that were cut off when a worker had to end.")
CUT_TUNNELS: Final = TABLE.counter("cut_tunnels", "Upgraded connections that were cut off when a worker had to end.")
TAP_DROPPED: Final = TABLE.counter(
    "observations_dropped", "Requests and spans that the control process was too slow to be shown.", listed=False
)
HOOK_RUNS: Final = TABLE.counter(
    "hook_runs", "Stretches of hooks that have run: from a beginning or a wait to the next.", listed=False
)
HOOK_TIME: Final = TABLE.counter(
    "hook_time", "Time that hooks have run, without their waits.", unit="seconds", scale=10**9, listed=False
)
HOOK_FAILURES: Final = TABLE.counter("hook_failures", "Hooks that have failed.", listed=False)
GRPC_CALLS: Final = TABLE.counter("grpc_calls", "Calls of gRPC that have ended.", listed=False)
GRPC_FAILURES: Final = TABLE.counter(
    "grpc_failures", "Calls of gRPC that have ended with another status than OK, or without one.", listed=False
)
LOOP_LAG: Final = TABLE.gauge(
    "loop_lag", "How late the loop was, at worst, lately.", unit="seconds", scale=10**6, listed=False
)
SPANS: Final = TABLE.counter("spans", "Spans that the collector of traces has taken.", listed=False)
SPANS_DROPPED: Final = TABLE.counter(
    "spans_dropped",
    "Spans that were dropped: the collector of traces, or the control process, was too slow or gone.",
    listed=False,
)
TEMP: Final = TABLE.gauge("temp_files", "Bytes of bodies that are held in temporary files.", unit="bytes", listed=False)
UNCODED: Final = TABLE.counter(
    "compression_before", "Bytes of response bodies before they were compressed.", unit="bytes", listed=False
)
CODED: Final = TABLE.counter(
    "compression_after", "Bytes that compressing these bodies has made of them.", unit="bytes", listed=False
)
PROXY_FAILURES: Final = TABLE.counter(
    "proxy_header_failures",
    "Connections that were closed because they did not begin with a valid PROXY header.",
    listed=False,
)
KEYS_WANTED: Final = TABLE.counter(
    "keys_wanted", "Requests with tokens (JWT) that were signed with a key that was not known yet.", listed=False
)
LIMITS_ASKED: Final = TABLE.counter(
    "limits_asked", "Buckets of limits of several instances that their store was asked for.", listed=False
)
LIMITS_WAITED: Final = TABLE.counter(
    "limits_waited", "Requests that waited for the store of a limit of several instances.", listed=False
)
LIMITS_LOCAL: Final = TABLE.counter(
    "limits_local",
    "Requests that were counted by this instance alone, because the store of their limit did not answer.",
    listed=False,
)
STORE_CALLS: Final = TABLE.counter("store_calls", "Calls of hooks to dictionaries in stores.", listed=False)
STORE_FAILURES: Final = TABLE.counter(
    "store_failures", "Calls of hooks to dictionaries in stores that were not answered.", listed=False
)
STORES_MISSED: Final = TABLE.gauge("stores_missed", "Connections to stores that workers want and do not have.")
VERSION: Final = TABLE.cell()  # of the configuration that it serves
LEAVING: Final = TABLE.cell()  # not 0: it accepts no more

# What the master writes, of the control process too.
CPU_MS: Final = TABLE.counter("cpu", "Processor time.", scope="process", unit="seconds", scale=1000)
RSS: Final = TABLE.gauge("memory", "Resident memory.", scope="process", unit="bytes")
PID: Final = TABLE.cell()  # 0: the row is free
SLOT: Final = TABLE.cell()
STARTED: Final = TABLE.cell()

# What the master writes in the retired row only.
ROWS: Final = TABLE.cell()  # one more than the highest row in use
PLACES_USED: Final = TABLE.cell()  # one more than the highest place of a peer in use
SEQUENCE: Final = TABLE.cell()  # odd while counts are moved
FOLDED: Final = TABLE.cells(PREDECESSORS)  # by predecessor: so many of its blocks are among our own counts
STAGE: Final = TABLE.cell()  # STARTING, and so on
RESTARTS: Final = TABLE.counter("worker_restarts", "Workers that ended by themselves.", scope="instance", listed=False)
CONTROL_RESTARTS: Final = TABLE.counter(
    "control_restarts", "Control processes that ended by themselves.", scope="instance", listed=False
)
RELOADS: Final = TABLE.counter("reloads", "Reloads that went well.", scope="instance", listed=False)
RELOADS_REFUSED: Final = TABLE.counter("reloads_refused", "Reloads that were refused.", scope="instance", listed=False)

# What the master is at.
STARTING: Final = 0
SERVING: Final = 1
STOPPING: Final = 2
HANDED_OVER: Final = 3  # a successor serves
