"""What a child of the master is born with."""

from dataclasses import dataclass

from rsp.ipc.channel import Bundle
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared


@dataclass(frozen=True)
class Instance:
    """``secret``: the instance's own, for signatures.  ``log``: the
    descriptor of the access log, if it is a file."""

    scoreboard: Scoreboard
    secret: bytes
    workers: int
    bundle: Bundle
    members: PeerTable
    log: int
    store: Shared
