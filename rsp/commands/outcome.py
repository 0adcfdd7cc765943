"""What became of one request that was played, and how ``rsp explain`` says it."""

from rsp.commands.asked_script import asked_script
from rsp.commands.shown_head import shown_head
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.lua.runtime import text


class Result:
    """What became of one request.  ``peer_head``: as the peer would see it; empty if no peer was asked."""

    def __init__(self) -> None:
        self.upstream: str | None = None
        self.peer: str | None = None
        self.has_others = False  # the upstream has more peers
        self.asked: Upstream | None = None
        self.manner = ""  # how the peer is asked: over HTTP/2, over TLS
        self.route: str | None = None
        self.file = ""  # that has answered
        self.missing = ""  # why none has
        self.hooks: list[str] = []
        self.log: list[str] = []
        self.peer_head = b""
        self.peer_body = b""
        self.status = 0
        self.fields = b""
        self.body = b""


def _peer(result: Result) -> str:
    """A discovered one is only known where rsp runs."""
    discover = result.asked.discovery if result.asked is not None else None
    if result.peer is None or discover is None or not Peer(result.peer).is_discovered:
        return f"peer {result.peer}"
    return f"a peer from {discover.shown}"


def describe(result: Result, request: bytes) -> list[str]:
    """For ``rsp explain``; ``request``: as it was sent."""
    chosen = "none; the hook chooses the upstream" if result.upstream is not None else "none"
    lines = [f"route:     {result.route or chosen}"]
    lines += [f"hook:      {hook}" for hook in result.hooks] or ["hooks:     none"]
    before, after = (text(head.partition(b" HTTP/")[0]) for head in (request, result.peer_head))
    if after and after != before:
        lines.append(f"rewritten: {before} -> {after}")
    lines += [f"failed:    {line}" for line in result.log]
    if result.upstream is None:
        lines += [f"file:      {result.file}"] * bool(result.file)
        lines += [f"file:      none: {result.missing}"] * bool(result.missing)
        lines.append(f"answer:    {result.status}, by rsp itself")
        lines += [f"           {text(line)}" for line in result.fields.split(b"\r\n") if line]
        if result.body:
            lines += ["", *text(result.body[:2000]).splitlines()]
        return lines
    others = " (or the next peer in turn)" * result.has_others
    lines.append(f"upstream:  {result.upstream}, {_peer(result)}{result.manner}{others}")
    lines += asked_script(result.asked, result.peer_head)
    lines += ["", *shown_head(result.asked, result.peer_head)]
    if result.peer_body:
        lines += ["", text(result.peer_body[:2000])]
    return lines
