"""What happened to one request, as JSON for ``rspctl trace``: when, which peers were asked, and both heads.

Moments are in microseconds since the request's head.  Secrets are masked as in logs.
"""

import os
from typing import Final

import msgspec

from rsp.exchange.fields import Reader, reader
from rsp.exchange.forward.journal import HookRun, Journal, Try
from rsp.exchange.subject import Subject
from rsp.ipc.tap import LARGEST

_FIELDS: Final[dict[str, Reader]] = {
    name: reader(name)
    for name in (
        "time", "client", "method", "target", "host", "protocol", "status", "bytes", "bytes_received", "duration",
        "listener", "route", "upstream_name", "upstream", "retries", "tls_version", "request_id", "trace_id",
    )
}  # fmt: skip
_LIMITS: Final = (16 << 10, 4 << 10, 500)  # bytes of a text; what does not fit into a datagram is cut shorter
_ROOM: Final = LARGEST - 1000

Data = dict[str, object]


def report(exchange: Subject, ended: float) -> bytes:
    """One line of JSON, with its line feed.  ``ended``: by the clock of the exchange's context."""
    line = b""
    for limit in _LIMITS:
        line = msgspec.json.encode(_Report(exchange, ended, limit).data()) + b"\n"
        if len(line) <= _ROOM:
            break
    return line


class _Report:
    def __init__(self, exchange: Subject, ended: float, limit: int) -> None:
        self._exchange = exchange
        self._ended = ended
        self._limit = limit

    def data(self) -> Data:
        exchange, ended = self._exchange, self._ended
        fields = {name: self._value(read(exchange, ended)) for name, read in _FIELDS.items()}
        return {
            **fields,
            "worker": os.getpid(),
            "phases": self._phases(),
            **self._journal(exchange.journal),
            "request": self._text(self._request()),
            "response": self._text(self._response()),
        }

    def _value(self, value: bytes | float | None) -> object:
        if isinstance(value, bytes):
            return self._text(value)
        return round(value, 6) if isinstance(value, float) else value

    def _text(self, value: bytes) -> str:
        return (value if len(value) <= self._limit else value[: self._limit] + b"...").decode("utf-8", "replace")

    # -- when

    def _at(self, moment: float) -> int | None:
        return round((moment - self._exchange.started) * 1e6) if moment else None

    def _phases(self) -> Data:
        """In the order in which they happen; without those that have not."""
        exchange, journal, responder = self._exchange, self._exchange.journal, self._exchange.responder
        hooks = journal.hooks[-1].ended if journal is not None and journal.hooks else 0.0
        last = journal.tries[-1] if journal is not None and journal.tries else None
        moments = {
            "accepted": exchange.session.accepted,
            "head": exchange.started,
            "hooks": hooks,
            "queue": responder.begun,
            "connect": responder.started,
            "sent": last.sent if last is not None else 0.0,
            "first_byte": min(responder.first_byte, self._ended),
            "last_byte": self._ended,
        }
        return {name: self._at(moment) for name, moment in moments.items() if moment}

    def _journal(self, journal: Journal | None) -> Data:
        if journal is None:  # it began before the watch did
            return {"hooks": [], "tries": [], "calls": [], "left_out": 0}
        calls: list[Data] = [
            {
                "method": self._text(call.head.method),
                "target": self._text(self._exchange.config.secrets.target(call.head.target)),
                "tries": [self._try(one) for one in call.tries],
            }
            for call in journal.calls
        ]
        return {
            "hooks": [self._run(run) for run in journal.hooks],
            "tries": [self._try(one) for one in journal.tries],
            "calls": calls,
            "left_out": journal.left_out,
        }

    def _run(self, run: HookRun) -> Data:
        return {"phase": run.phase, "started": self._at(run.started), "ended": self._at(run.ended)}

    def _try(self, one: Try) -> Data:
        # A response that came as a whole had ended before its head was looked at.
        first_byte = min(one.first_byte, one.ended or one.first_byte)
        return {
            "peer": self._text(one.peer),
            "started": self._at(one.started),
            "connected": self._at(one.connected),
            "sent": self._at(one.sent),
            "first_byte": self._at(first_byte),
            "ended": self._at(one.ended),
            "status": one.status,
            "failure": (one.failure or one.left)[: self._limit],
            "hedge": one.hedge,
        }

    # -- heads

    def _request(self) -> bytes:
        """As the client sent it, without the fields that belong to its connection."""
        head, secrets = self._exchange.head, self._exchange.config.secrets
        if not head.method:
            return b""
        first = b"%b %b HTTP/%b\r\nHost: %b\r\n" % (head.method, secrets.target(head.target), head.version, head.host)
        return first + secrets.block(b"".join(line + b"\r\n" for line in head.forwarded) + head.fields)

    def _response(self) -> bytes:
        """As the client gets it, without the fields that belong to its connection."""
        head = self._exchange.response_head
        if head is None:
            return b""
        first = b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
        return first + self._exchange.config.secrets.block(head.fields)
