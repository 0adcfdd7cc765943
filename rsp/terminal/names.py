"""Names of the running instance's upstreams and peers, for completion in shells.

Shells get nothing that they could take for something else than a word: peers may come from service discovery.
"""

import re
from typing import Final

from rsp.terminal.instance import Failure, ask, find_socket

_WORD: Final = re.compile(r"[A-Za-z0-9._:/@\[\]-]+", re.ASCII)
_PATIENCE: Final = 1.0  # seconds for an answer: a key has been pressed


def show_names(kind: str = "", socket: str = "") -> int:
    for name in names(socket, of_peers=kind == "peers"):
        print(name)
    return 0


def names(socket: str, *, of_peers: bool) -> list[str]:
    """Of upstreams; ``of_peers``: of peers as well.  None where no instance says so.

    ``socket``: empty is that of the one instance that runs.
    """
    try:
        peers = ask(socket or find_socket(), "GET", "/peers", patience=_PATIENCE)["peers"]
    except Failure:
        return []
    keys = ("upstream", "peer", "name") if of_peers else ("upstream",)
    found = dict.fromkeys(str(peer[key]) for key in keys for peer in peers if peer[key])
    return [name for name in found if _WORD.fullmatch(name) and not name.startswith("-")]
