"""What a child of the master is born with."""

from dataclasses import dataclass

from rsp.ipc.channel import Bundle
from rsp.ipc.loads import Loads
from rsp.ipc.observed import Observed
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.ipc.sheet import Contents
from rsp.ipc.usage import Usage
from rsp.system.memory import Memory


@dataclass(frozen=True)
class Instance:
    """``secret``: the instance's own, for signatures.  ``logs``: the descriptors of access logs that are files, by
    path; workers have them.  ``contents``: of the sheet.

    ``told_until``: when an earlier control process ended, in seconds since the epoch; 0: there was none.
    ``keyring`` and ``renewable``: what :class:`channel.Renew` brings in its descriptors; a child closes the first.
    """

    scoreboard: Scoreboard
    secret: bytes
    workers: int
    bundle: Bundle
    members: PeerTable
    logs: dict[str, int]
    store: Shared
    usage: Usage
    observed: Observed
    contents: Contents
    loads: Loads
    keyring: Memory | None = None
    renewable: bytes = b""
    told_until: float = 0.0
