"""The spans of one request, made of what its journal has: the request itself, its hooks, each peer that was asked.

Rules of this room: names and attributes are those of OpenTelemetry's semantic conventions for HTTP, and ``rsp.*``
where these have none (docs/tracing.md).  What clients send is cut to a bounded length, and secrets are masked as in
logs.
"""

import time
from collections.abc import Iterator
from typing import Final

from rsp.exchange.filters.forwarded import name_of
from rsp.exchange.forward.journal import HookRun, Journal
from rsp.exchange.subject import Subject
from rsp.exchange.told import scheme_of
from rsp.exchange.trace import Trace, new_span_id
from rsp.ipc.spans import CLIENT, INTERNAL, MOST_SPANS, SERVER, TEXT, Attributes, Span, Value

_METHODS: Final = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"QUERY")
)
_MOST_STATE: Final = 512  # bytes of tracestate; one that is longer is left out of spans, not of requests


def spans_of(exchange: Subject, trace: Trace, journal: Journal, ended: float) -> list[Span]:
    """Not more than are kept of one request, its own first.  ``ended``: by the worker's clock."""
    maker = _Maker(exchange, trace, ended)
    made = [maker.request(journal)]
    made += [maker.hooks(run) for run in journal.hooks]
    for asked in (journal, *journal.calls):
        made += maker.tries(asked, asked is not journal)
    return made[:MOST_SPANS]


class _Maker:
    def __init__(self, exchange: Subject, trace: Trace, ended: float) -> None:
        self._exchange = exchange
        self._trace = trace
        self._ended = ended
        self._epoch = time.time_ns() - int(exchange.context.clock() * 1e9)
        self._state = text(trace.state) if len(trace.state) <= _MOST_STATE else ""

    def request(self, journal: Journal) -> Span:
        exchange, head = self._exchange, self._exchange.head
        path, _, query = exchange.config.secrets.target(head.target).partition(b"?")
        responder, config, is_routed = exchange.responder, exchange.route.config, not exchange.route.is_anywhere
        has_waited = responder.tries and journal.tries
        failed = exchange.status >= 500 or journal.cut
        attributes = _given({
            **_method(head.method),
            "url.scheme": text(scheme_of(exchange)),
            "url.path": text(path),
            "url.query": text(query),
            "http.route": config.path[:TEXT] if is_routed else "",
            "http.response.status_code": exchange.status,
            "http.request.body.size": exchange.received,
            "http.response.body.size": exchange.sent,
            "error.type": _error(exchange.status, failed),
            **_address("server", head.host),
            "client.address": text(exchange.client),
            "network.peer.address": text(exchange.session.client),
            "network.protocol.version": "2" if head.version == b"2.0" else text(head.version),
            "user_agent.original": text(head.user_agent),
            "rsp.route": exchange.route.name[:TEXT],
            "rsp.upstream": exchange.upstream.name[:TEXT] if exchange.upstream is not None else "",
            "rsp.listener": exchange.session.listener[:TEXT],
            "rsp.request_id": text(exchange.request_id),
            "rsp.tries": responder.tries,
            "rsp.wait": round(journal.tries[0].started - responder.begun, 6) if has_waited else 0.0,
            "rsp.left_out": journal.left_out,
        })  # fmt: skip
        name = _name(head.method) + (f" {config.path[:200]}" if is_routed else "")
        reason = "the response broke off" if journal.cut else ""
        return self._span(self._trace.span_id, self._trace.parent, name, SERVER, exchange.started, self._ended,
                          attributes, reason, failed)  # fmt: skip

    def hooks(self, run: HookRun) -> Span:
        return self._child(new_span_id(), run.phase, INTERNAL, run.started, run.ended, {})

    def tries(self, journal: Journal, by_hook: bool) -> Iterator[Span]:
        target = journal.head.target if by_hook else self._exchange.target
        for number, noted in enumerate(journal.tries):
            failed = bool(noted.failure) or noted.status >= 400  # as the conventions have it for clients
            host = _host(noted.peer)
            attributes = _given({
                **_method(journal.head.method),
                "url.full": text(b"%b://%b%b" % (journal.scheme, host, self._exchange.config.secrets.target(target))),
                "http.response.status_code": noted.status,
                "http.request.resend_count": number if not noted.hedge else 0,
                "error.type": _error(noted.status, failed),
                **_address("server", noted.peer),
                "rsp.upstream": journal.upstream[:TEXT],
                "rsp.hedge": noted.hedge,
                "rsp.hook_request": by_hook,
                "rsp.connect": _between(noted.started, noted.connected),
                "rsp.first_byte": _between(noted.sent, noted.first_byte),
                "rsp.abandoned": noted.left[:TEXT],
            })  # fmt: skip
            name = _name(journal.head.method) + (f" {journal.upstream[:200]}" if not by_hook else "")
            yield self._child(
                noted.id or new_span_id(), name, CLIENT, noted.started, noted.ended, attributes, noted.failure, failed
            )

    def _child(
        self, span_id: bytes, name: str, kind: int, started: float, ended: float, attributes: Attributes,
        error: str = "", failed: bool = False,
    ) -> Span:  # fmt: skip
        """``ended``: 0.0 for what has not."""
        return self._span(
            span_id, self._trace.span_id, name, kind, started, ended or self._ended, attributes, error, failed
        )

    def _span(
        self, span_id: bytes, parent: bytes, name: str, kind: int, started: float, ended: float,
        attributes: Attributes, error: str, failed: bool,
    ) -> Span:  # fmt: skip
        trace = self._trace
        return Span(
            trace.trace_id.decode(), span_id.decode(), parent.decode(), self._state, trace.flags, name, kind,
            self._at(started), self._at(ended), error[:TEXT], failed, attributes,
        )  # fmt: skip

    def _at(self, moment: float) -> int:
        return self._epoch + int(moment * 1e9)


def text(value: bytes) -> str:
    return value[:TEXT].decode("utf-8", "replace")


def _given(attributes: dict[str, Value]) -> Attributes:
    """Those that say something."""
    return {name: value for name, value in attributes.items() if value}


def _between(begun: float, ended: float) -> float:
    return round(ended - begun, 6) if begun and ended else 0.0


def _error(status: int, failed: bool) -> str:
    if not failed:
        return ""
    return str(status) if status >= 400 else "_OTHER"


def _name(method: bytes) -> str:
    """Of the names of spans there are to be few, whatever clients send."""
    return method.decode() if method in _METHODS else "HTTP"


def _method(method: bytes) -> dict[str, Value]:
    if method in _METHODS:
        return {"http.request.method": method.decode()}
    return {"http.request.method": "_OTHER", "http.request.method_original": text(method)}


def _address(prefix: str, authority: bytes) -> dict[str, Value]:
    """Of a host with its port, if it has one; or ``unix:/path``."""
    host = authority if authority.startswith(b"unix:") else name_of(authority)
    port = authority[len(host) + 1 :]
    return {
        f"{prefix}.address": text(host.removeprefix(b"unix:").strip(b"[]")),
        f"{prefix}.port": int(port) if port.isdigit() and len(port) <= 5 else 0,
    }


def _host(peer: bytes) -> bytes:
    return b"localhost" if peer.startswith(b"unix:") else peer
