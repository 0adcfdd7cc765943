"""A request of a hook's own: through the pools, the balancing and the retries that clients' requests go through."""

import asyncio
import re
from typing import TYPE_CHECKING, Final

from rsp.config.tls import UpstreamTls
from rsp.config.units import Peer as Address
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.journal import Journal
from rsp.exchange.forward.outside import Outside
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.running_config import RunningConfig
from rsp.exchange.subject import Subject
from rsp.exchange.trace import Trace
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request
from rsp.http.lines import get
from rsp.http.message import OutgoingHead, ResponseHead
from rsp.http.peer_stream import ResponseReceiver
from rsp.http.values import is_authority
from rsp.net.context import WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.exchange.hooks.tasks import Answer, Done

_URL: Final = re.compile(rb"(https?)://([^/?#]++)([^#]*+)(?:#.*+)?", re.IGNORECASE)
_METHOD: Final = re.compile(rb"[A-Z]+")
_VISIBLE: Final = re.compile(rb"[!-~]+")


class Plan:
    """What to ask.  ``upstream``: a name in the configuration; then ``url`` is a path.

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
            raise ValueError(f"{method.decode('latin-1')} is not a method for this")
        self.upstream = upstream.decode() if upstream is not None else None
        self.body = body
        self.timeout = timeout
        self.limit = limit
        self.secure: UpstreamTls | None = None
        self.address: Address | None = None
        if self.upstream is None:
            target, name = self._split(url)
        else:
            target, name = url, b"localhost"
            if not target.startswith(b"/"):
                raise ValueError("a path must begin with /")
        name = host or name
        if _VISIBLE.fullmatch(target) is None:
            raise ValueError("spaces, control characters and non-ASCII characters must be encoded in a URL")
        if not is_authority(name):
            raise ValueError(f"host: expected a name, with or without a port, got {name[:100].decode('latin-1')!r}")
        length = b"Content-Length: %d\r\n" % len(body) if body or method in (b"POST", b"PUT", b"PATCH") else b""
        try:
            self.head = parse_request(
                b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (method, target, name, fields, length)
            )
        except ProtocolError as error:
            raise ValueError(str(error)) from None
        # There is no client behind these, so what they tell is what the hook says.
        self.head.fields += b"".join([line + b"\r\n" for line in self.head.forwarded])

    def _split(self, url: bytes) -> tuple[bytes, bytes]:
        """The target and the host that ``url`` names; notes the address, and how it is asked over TLS."""
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(
                f"expected http://..., https://..., or upstream and path, got {url.decode('latin-1')[:100]}"
            )
        is_secure = match[1].lower() == b"https"
        authority = match[2].rpartition(b"@")[2]
        has_port = re.search(rb":\d+$", authority) is not None
        address = authority if has_port else authority + (b":443" if is_secure else b":80")
        self.address = Address.parse(address.decode())
        if is_secure:  # verified with the system's authorities; an upstream with tls is for others
            self.secure = UpstreamTls(name=self.address.host)
        target = match[3] or b"/"
        return target if target.startswith(b"/") else b"/" + target, authority


_REASONS: Final = {
    502: "no peer could be reached, or none responded",
    503: "no peer is available",
    504: "the peer took too long",
}


class Call(ResponseReceiver):
    """``done`` is called once with ``(True, status, fields, body)``, or ``(True, None, reason)``.

    ``client``: the address of the client that the hook works for, by which an upstream may choose.
    """

    # fmt: off
    __slots__ = (
        "_body", "_client", "_config", "_context", "_done", "_fields", "_finding", "_forward", "_journal", "_outside",
        "_over", "_plan", "_size", "_status", "_timer", "_trace",
    )
    # fmt: on

    def __init__(
        self, context: WorkerContext, outside: Outside, config: RunningConfig, plan: Plan, client: bytes, done: "Done"
    ) -> None:
        self._journal: Journal | None = None
        self._trace: Trace | None = None
        self._context = context
        self._outside = outside
        self._config = config
        self._plan = plan
        self._client = client
        self._done: Done | None = done
        self._finding: Callable[[], None] | None = None
        self._forward: Forward | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self.response_started = False
        self._status = 0
        self._fields = b""
        self._body: list[bytes] = []
        self._size = 0

    def follow(self, exchange: Subject) -> None:
        """It is part of that request's trace, unless the hook has written the field itself.

        When the request is over, its spans have been sent on, so the peer's caller is the request itself.
        """
        journal, head = exchange.journal, self._plan.head
        if journal is None:
            return
        if not exchange.over:
            self._journal = journal.begin_call(head)
        if get(head.fields, b"traceparent") is None:
            self._trace = journal.trace

    def begin(self) -> "Answer | Callable[[], None]":
        """The answer, if it is there at once; else what calls it off."""
        plan, config = self._plan, self._config
        answers: list[Answer] = []
        done, self._done = self._done, answers.append
        if plan.upstream is not None:
            self._found(config.upstreams.get(plan.upstream), f'no upstream "{plan.upstream}"')
        elif plan.address is not None:
            self._finding = self._outside.find(plan.address, plan.secure, config.dns, self._found)
        if answers:
            return answers[0]
        self._done = done
        self._timer = asyncio.get_running_loop().call_later(plan.timeout, self._timed_out)
        return self.cancel

    def _found(self, upstream: Upstream | None, reason: str) -> None:
        self._finding = None
        if upstream is None:
            self._finish((True, None, reason.encode()))
            return
        plan, body = self._plan, RequestBody()
        body.trailers = []
        if plan.body:
            body.add([plan.body])
        forward = Forward()
        forward.set_up(
            self._context, self, upstream, plan.head, self._config.limits, self._client, body, request_done=True
        )
        forward.hedges = False
        if self._journal is not None:
            forward.journal = self._journal
            forward.journal.asks(upstream.name, upstream.rules is not None)
        self._forward = forward
        upstream.requests += 1
        forward.begin()

    def _timed_out(self) -> None:
        self._finish((True, None, b"timed out"))

    def cancel(self) -> None:
        """The answer is not needed any more."""
        self._done = None
        self._finish((True, None, b""))

    def _finish(self, answer: "Answer") -> None:
        done, self._done = self._done, None
        if not self._over:
            self._over = True
            if self._timer is not None:
                self._timer.cancel()
            if self._finding is not None:
                self._finding()
            if self._forward is not None:
                self._forward.abort("the hook no longer needs it")
        if done is not None:
            done(answer)

    # -- what its way to a peer asks and tells

    def outgoing_head(self) -> OutgoingHead:
        head, extra = self._plan.head, b""
        if self._trace is not None:
            extra = self._trace.lines(self._journal.sending if self._journal is not None else None)
        return OutgoingHead(head, head.target, head.host, head.fields, extra, head.request_id)

    def refuse(self, status: int, reason: str) -> None:
        self._finish((True, None, (reason or _REASONS.get(status, str(status))).encode()))

    def cut_off(self) -> None:
        self._finish((True, None, b"the response broke off"))

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self.response_started = True
        self._status, self._fields = head.status, head.fields
        self.response_body(pieces, trailers)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._body += pieces
        self._size += sum(map(len, pieces))
        if self._size > self._plan.limit:
            self._finish((True, None, b"the response is larger than max_body"))
        elif trailers is not None:
            self._finish((True, self._status, self._fields, b"".join(self._body)))

    def switched(self, head: ResponseHead, data: bytes) -> None:
        self._finish((True, None, b"the peer switched protocols without being asked"))
