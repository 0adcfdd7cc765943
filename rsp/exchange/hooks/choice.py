"""on_upstream: a hook chooses the peer of a request, each time that one is to be asked."""

from typing import Any

from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.upstream import FEW
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.hooks.notes import HookNotes
from rsp.exchange.hooks.tasks import FAILED, WAITS


class PeerChoice:
    """The chooser of a Forward, by the hook ``number``.  ``fail_open``: without it, if it fails."""

    __slots__ = ("_fail_open", "_forward", "_hooks", "_notes", "_number", "_peers", "_status")

    def __init__(self, hooks: Hooks, notes: HookNotes, number: int, fail_open: bool) -> None:
        self._hooks = hooks
        self._notes = notes
        self._number = number
        self._fail_open = fail_open
        self._forward: Forward | None = None
        self._peers: list[Peer] = []
        self._status = 0

    def choose(self, forward: Forward, status: int) -> bool:
        """Whether the hook is asked; if not, or if it says nothing, the upstream chooses.

        ``status``: the answer if no peer is left.
        """
        upstream, hooks, notes = forward.upstream, self._hooks, self._notes
        tries = min(upstream.tries or FEW, FEW)  # after that, peers are taken as they come
        if forward.only is not None or len(forward.tried) >= tries:
            return False
        peers = upstream.open_peers(forward.tried)
        if not peers:
            return False
        self._forward, self._peers, self._status = forward, peers, status
        tables = hooks.table([hooks.table(peer.described()) for peer in peers])
        outcome = hooks.call(notes, self._chosen, hooks.phases[b"upstream"], (self._number, notes.number, tables))
        if outcome is not WAITS:
            self._chosen(notes, outcome)
        return True

    def _chosen(self, notes: HookNotes, outcome: Any) -> None:
        forward, self._forward = self._forward, None
        if forward is None or forward.over:
            return
        if outcome is FAILED and not self._fail_open:
            notes.exchange.refuse(500, "")
        elif outcome is None or outcome is FAILED:
            forward.go_on(self._status)
        else:
            _, index = outcome
            forward.try_peer(self._peers[index - 1])
