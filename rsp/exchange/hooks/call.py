"""A request of a hook's own: through the pools, the balancing and the retries that clients' requests go through."""

import asyncio
import re
from time import monotonic
from typing import TYPE_CHECKING, Final

from rsp.config.units import Peer as Address
from rsp.exchange.forward.forward import Search
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request, request_head
from rsp.http.h1.head import is_authority
from rsp.http.message import ResponseHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.exchange.context import Plane
    from rsp.exchange.forward.upstream import Group
    from rsp.exchange.hooks.tasks import Answer, Done
    from rsp.exchange.running_config import Site
    from rsp.http.h1.client import Upstream

_URL: Final = re.compile(rb"(https?)://([^/?#]++)([^#]*+)(?:#.*+)?", re.IGNORECASE)
_METHOD: Final = re.compile(rb"[A-Z]+")
_VISIBLE: Final = re.compile(rb"[!-~]+")


class Plan:
    """What to ask whom.  ``upstream``: a name in the configuration; then ``url`` is a path.

    ``timeout`` in seconds for all of it; ``limit``: largest body of the response.  Raises :class:`ValueError`.
    """

    def __init__(
        self,
        method: bytes,
        url: bytes,
        upstream: bytes | None,
        host: bytes | None,
        fields: bytes,
        body: bytes,
        timeout: float,
        limit: int,
    ) -> None:
        if _METHOD.fullmatch(method) is None or method == b"CONNECT":
            raise ValueError(f"{method.decode('latin-1')} is no method for this")
        self.upstream = upstream.decode() if upstream is not None else None
        self.body = body
        self.timeout = timeout
        self.limit = limit
        self.secure = False
        self.address: Address | None = None
        if self.upstream is not None:
            target, name = url, host or b"localhost"
            if not target.startswith(b"/"):
                raise ValueError("a path has to begin with /")
        else:
            match = _URL.fullmatch(url)
            if match is None:
                raise ValueError(
                    f"expected http://..., https://..., or upstream and path, got {url.decode('latin-1')[:100]}"
                )
            self.secure = match[1].lower() == b"https"
            authority = match[2].rpartition(b"@")[2]
            has_port = re.search(rb":\d+$", authority) is not None
            place = authority if has_port else authority + (b":443" if self.secure else b":80")
            self.address = Address.parse(place.decode())
            target, name = match[3] or b"/", host or authority
            if not target.startswith(b"/"):
                target = b"/" + target
        if _VISIBLE.fullmatch(target) is None:
            raise ValueError("spaces, control characters and what is not ASCII have to be encoded in a URL")
        if not is_authority(name):
            raise ValueError(f"host: expected a name, with or without a port, got {name[:100].decode('latin-1')!r}")
        length = b"Content-Length: %d\r\n" % len(body) if body or method in (b"POST", b"PUT", b"PATCH") else b""
        try:
            self.head = parse_request(
                b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (method, target, name, fields, length)
            )
        except ProtocolError as error:
            raise ValueError(str(error)) from None
        # No client stands behind these, so what they tell is what the hook says.
        self.head.fields += b"".join([line + b"\r\n" for line in self.head.forwarded])


class Call(Search):
    """``done`` is called once with ``(True, status, fields, body)``, or ``(True, None, reason)``."""

    __slots__ = ("_body", "_done", "_fields", "_finding", "_plan", "_site", "_size", "_status", "_timer")

    def __init__(self, plane: "Plane", site: "Site", plan: Plan, client: bytes, done: "Done") -> None:
        super().__init__(plane, plan.head, client, site.terms)
        self._site = site
        self._plan = plan
        self._done: Done | None = done
        self._finding: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._status = 0
        self._fields = b""
        self._body: list[bytes] = []
        self._size = 0
        self.request_done = True
        if plan.body:
            self._pending, self._pending_size = [plan.body], len(plan.body)

    def begin(self) -> "Answer | Callable[[], None]":
        """The answer, if it is there at once; else what calls it off."""
        plan, site = self._plan, self._site
        answers: list[Answer] = []
        done, self._done = self._done, answers.append
        if plan.upstream is not None:
            group = site.groups.get(plan.upstream)
            self._found(group, f'no upstream "{plan.upstream}"')
        elif plan.address is not None:
            self._finding = self._plane.outside.find(plan.address, site.dns, self._found)
        if answers:
            return answers[0]
        self._done = done
        self._timer = asyncio.get_running_loop().call_later(plan.timeout, self._timed_out)
        return self.cancel

    def _found(self, group: "Group | None", reason: str) -> None:
        self._finding = None
        if group is None:
            self._finish((True, None, reason.encode()))
            return
        self.group = group
        group.requests += 1
        self._next_peer(503)

    def _timed_out(self) -> None:
        self._finish((True, None, b"timed out"))

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._done = None
        self._finish((True, None, b""))

    def _finish(self, answer: "Answer") -> None:
        done, self._done = self._done, None
        if not self.over:
            self.over = True
            if self._timer is not None:
                self._timer.cancel()
            if self._finding is not None:
                self._finding()
            if self.queue_deadline and self.group is not None:
                self.group.forget(self)
            self._call_off()
            self._abandon()
        if done is not None:
            done(answer)

    # -- towards a peer

    def connected(self, upstream: "Upstream") -> None:
        if self.over:
            upstream.put_back()
            return
        if upstream.transport.closing:
            self.connect_failed("closed the connection early", timed_out=False)
            return
        self.upstream = upstream
        pieces, self._pending, self._pending_size = self._pending, [], 0
        if pieces:
            self._keep(pieces)
        trailers: list[bytes] | None = [] if self.head.framing else None
        upstream.send_request(self, self.head_for_peer(), self.head.framing, pieces, trailers)
        if upstream.connection_bound:
            self._spent = True

    def head_for_peer(self) -> bytes:
        head = self.head
        return request_head(head, head.target, head.host, head.fields, b"", head.request_id)

    def refuse(self, status: int, reason: str) -> None:
        reasons = {502: "no peer could be reached or answered", 503: "no peer is free", 504: "the peer took too long"}
        self._finish((True, None, (reason or reasons.get(status, str(status))).encode()))

    def cut_off(self) -> None:
        self._finish((True, None, b"the response broke off"))

    # -- from the peer

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        group, peer, now = self.group, self._peer, self._ended or monotonic()
        retry = group.retry_on if group is not None else None
        if group is not None and retry and head.status in retry and self._tries_another(group, head.status):
            return
        peer.answered(now, now - self._upstream_started, head.status)
        self.response_started = True
        self._status, self._fields = head.status, head.fields
        self.response_body(pieces, trailers)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        self._body += pieces
        self._size += sum(map(len, pieces))
        if self._size > self._plan.limit:
            self._finish((True, None, b"the response is larger than max_body"))
        elif trailers is not None:
            self._peer.succeeded(monotonic())
            self._finish((True, self._status, self._fields, b"".join(self._body)))

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        self._finish((True, None, b"the peer switched protocols unasked"))

    def tunnel_down(self, data: bytes) -> None:
        pass

    def tunnel_down_eof(self) -> None:
        pass

    def tunnel_lost(self) -> None:
        pass
