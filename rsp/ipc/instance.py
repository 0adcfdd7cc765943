"""What a child of the master is born with."""

from dataclasses import dataclass

from rsp.ipc.channel import Bundle
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.system.memory import Memory


@dataclass(frozen=True)
class Instance:
    """``secret``: the instance's own, for signatures.  ``log``: the descriptor of the access log, if it is a file.

    ``told_until``: when an earlier control process ended, in seconds since the epoch; 0: there was none.
    ``keyring`` and ``renewable``: what :class:`channel.Renew` brings in its descriptors; a child closes the first.
    """

    scoreboard: Scoreboard
    secret: bytes
    workers: int
    bundle: Bundle
    members: PeerTable
    log: int
    store: Shared
    keyring: Memory | None = None
    renewable: bytes = b""
    told_until: float = 0.0
