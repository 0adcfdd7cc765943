"""Requests for the peers of one of several upstreams, by their shares: canaries, blue and green."""

import hashlib
from collections.abc import Mapping
from typing import Final

from rsp.balance.portions import Shares
from rsp.config.filters import Split as SplitConfig
from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.sticky import Binding
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.failover import Failover
from rsp.exchange.handlers.proxy import prepare
from rsp.exchange.handlers.scripts import is_for_peer

_BEFORE: Final = b" ;:\t"  # what stands before the name of a cookie


class Choice:
    """The cookie by which a client stays with an upstream.

    Its name and its values are derived from the names of the upstreams, so they are the same for all routes that split
    requests among these, in every worker and after every restart.  They reveal nothing to a client.  A client that
    makes one up chooses its own share: that is no secret, and handy for tests.
    """

    __slots__ = ("_lines", "_name", "_size", "_upstreams")

    def __init__(self, upstreams: Mapping[Upstream, int]) -> None:
        """``upstreams`` with their weights: where that is 0, no client stays."""
        names = sorted(upstream.name for upstream in upstreams)
        self._name = b"rsp-split-%b=" % _digest("\n".join(names))
        values = {_digest(upstream.name): upstream for upstream in upstreams}
        self._size = len(_digest(""))
        self._upstreams = {value: upstream for value, upstream in values.items() if upstreams[upstream]}
        self._lines = {
            upstream: b"Set-Cookie: %b%b; Path=/; HttpOnly; SameSite=Lax\r\n" % (self._name, value)
            for value, upstream in self._upstreams.items()
        }

    def find(self, fields: bytes) -> Upstream | None:
        """The upstream that a request's ``fields`` name, if clients may stay with it."""
        at = fields.find(self._name)
        if at < 1 or fields[at - 1] not in _BEFORE:
            return None
        at += len(self._name)
        return self._upstreams.get(fields[at : at + self._size])

    def line(self, upstream: Upstream, exchange: Exchange) -> bytes:
        """The Set-Cookie line that binds the client of ``exchange`` to ``upstream``."""
        line = self._lines[upstream]
        return Binding.secured(line) if exchange.placeholder("scheme") == b"https" else line

    def line_after(self, lines: bytes, upstream: Upstream, exchange: Exchange) -> bytes:
        """The same after a failover to ``upstream``; ``lines``: those of the one that has failed.  A client that was
        bound to that one before stays with it; and where clients do not stay, none is bound."""
        return self.line(upstream, exchange) if self._name in lines and upstream in self._lines else b""


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).hexdigest()[:12].encode()


class Split(Handler):
    """For a route with ``split``.  ``choice``: if clients stay where their first request went."""

    __slots__ = ("_failover", "_shares", "_upstreams", "choice")

    def __init__(self, config: SplitConfig, upstreams: Mapping[str, Upstream], failover: Failover | None) -> None:
        self._upstreams = [upstreams[name] for name in config.to]
        self._shares = Shares(list(config.to.values()))
        self._failover = failover
        weights = {upstreams[name]: weight for name, weight in config.to.items()}
        self.choice = Choice(weights) if config.sticky else None
        if failover is not None:
            failover.choice = self.choice

    def start(self, exchange: Exchange) -> None:
        asked: Exchange = exchange
        line = b""
        upstream: Upstream | None = None
        if self.choice is not None:
            upstream = self.choice.find(asked.head.fields)
        if upstream is None:
            upstream = self._upstreams[self._shares.choose()]
            if self.choice is not None:
                line = self.choice.line(upstream, asked)
        if upstream.scripts is not None and not is_for_peer(asked, upstream.scripts):
            return
        forward = prepare(asked, upstream)
        forward.last_lines = line
        if self._failover is not None:
            self._failover.watch(asked, forward)
        forward.begin()
