"""The marks of a peer's place in the scoreboard, and the values that some of them have.

Rules of this room: plain integers, and no .pxd beside it; compiled modules import them and declare them ``cdef int``.
Times are CLOCK_MONOTONIC in milliseconds; 0: never.
"""

from enum import IntEnum
from typing import Final

from rsp.ipc.metrics import Table

MARKS: Final = 16  # cells: two lines of a processor's cache
TABLE: Final = Table("peer", MARKS)

EJECTED_UNTIL: Final = TABLE.cell()  # then one request may try it; 0: it is in
EJECTED_AT: Final = TABLE.cell()
EJECTIONS: Final = TABLE.gauge("ejections", "Ejections in a row; the time out grows with them.")
REASON: Final = TABLE.cell()  # of the ejection: Reason
SINCE: Final = TABLE.cell()  # it came, or came back: slow start counts from here
HEALTH: Final = TABLE.cell()  # HEALTH_UP and so on, written by the control process
DRAIN: Final = TABLE.cell()  # no new exchanges; sticky ones and tunnels until then.  By the control process, as WEIGHT
WEIGHT: Final = TABLE.cell()  # set by an operator: one more than the weight; 0: as configured
CHECKED: Final = TABLE.cell()  # when active health last looked
LEFT: Final = TABLE.cell()  # 1: no configuration has it any more

# What active checks say of a peer.
HEALTH_UNKNOWN: Final = 0
HEALTH_UP: Final = 1
HEALTH_DOUBTFUL: Final = 2  # it answers, but not as it should
HEALTH_DEAD: Final = 3  # it does not answer


class Reason(IntEnum):
    """Why a peer was ejected."""

    FAILURES = 1
    ERRORS = 2
    LATENCY = 3
