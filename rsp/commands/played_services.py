"""In a rehearsal: services that filters ask beside a route's own peers, for forward authentication and copies."""

from typing import Any, Final

from rsp.config.schema import Config
from rsp.exchange.hooks.hooks import Hooks
from rsp.http.h1.codec import parse_request

_LET_THROUGH: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_NO_ANSWER: Final = b"\r\n"  # no response begins like this


class Services:
    """What they answer: an upstream of ``auth`` lets requests through, or as ``http`` of a simulation says."""

    def __init__(self, config: Config) -> None:
        self._deciding = {route.auth.forward for route in config.routes if route.auth is not None}
        self._shadows = {route.mirror.to for route in config.routes if route.mirror is not None}

    def answer(self, upstream: str, head: bytes, body: bytes, hooks: Hooks, plan: Any) -> bytes | None:
        """To a request for a peer of ``upstream``; ``None``: it is that of the client.  ``plan``: ``http``, if any."""
        if upstream in self._deciding and b"\r\nX-Forwarded-Method: " in head:
            return _LET_THROUGH if plan is None else _planned(upstream, head, hooks, plan)
        return _LET_THROUGH if upstream in self._shadows else None


def _planned(upstream: str, head: bytes, hooks: Hooks, plan: Any) -> bytes:
    asked = parse_request(head)
    fields = head.partition(b"\r\n")[2][:-2]
    call = {b"method": asked.method, b"url": asked.target, b"upstream": upstream.encode(), b"host": asked.host}
    reply = plan(hooks.table({**call, b"fields": fields, b"body": b""}))
    if reply is None:
        return _NO_ANSWER
    said, body = reply[b"headers"] or hooks.table({}), reply[b"body"] or b""
    lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in said.items())
    return b"HTTP/1.1 %d Simulated\r\n%bContent-Length: %d\r\n\r\n%b" % (
        reply[b"status"] or 200,
        lines,
        len(body),
        body,
    )
