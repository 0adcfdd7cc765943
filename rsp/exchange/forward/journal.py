"""What happened to one request, step by step, for spans and for ``rspctl trace``.

Rules of this room: nothing is decided here, and nothing reads it while the request runs.  Requests that are not looked
at have no journal.  Moments are by the clock of the worker's context; 0.0: it has not happened.  What is noted is
bounded, whatever a request does.
"""

from typing import Any, Final

from rsp.http.message import RequestHead

_MOST_TRIES: Final = 16
_MOST_RUNS: Final = 16
_MOST_CALLS: Final = 8


class Try:
    """One peer that was asked.  ``id``: of its span, empty until it has one.

    ``connected``  when a connection that was made for it was there, or had failed; 0.0: there was one already
    ``sent``       when the head went out; ``first_byte``: when the response's head came
    ``status``     of the response; 0: there was none
    ``failure``    why it came to nothing; ``left``: why its response was of no more use
    """

    __slots__ = (
        "connected",
        "ended",
        "failure",
        "first_byte",
        "hedge",
        "id",
        "left",
        "peer",
        "sent",
        "started",
        "status",
    )

    def __init__(self, peer: bytes, started: float) -> None:
        self.id = b""
        self.peer = peer
        self.started = started
        self.connected = self.sent = self.first_byte = self.ended = 0.0
        self.status = 0
        self.failure = self.left = ""
        self.hedge = False


class HookRun:
    """One phase of hooks, its waits included."""

    __slots__ = ("ended", "phase", "started")

    def __init__(self, phase: str, started: float) -> None:
        self.phase = phase
        self.started = started
        self.ended = 0.0


class Journal:
    """Of one request.  ``head``: what is asked; ``hooks`` and ``calls``: what its hooks did, and asked for.

    ``upstream`` whose peers are tried, and the ``scheme`` that they are asked by
    ``sending``  the try whose head is being made
    ``trace``    the trace that the request is part of, if there is one (``exchange/trace.py``)
    ``cut``      the response broke off
    ``left_out`` how much was not noted, because there was more of it than is kept
    """

    __slots__ = ("calls", "cut", "head", "hooks", "left_out", "scheme", "sending", "trace", "tries", "upstream")

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.tries: list[Try] = []
        self.hooks: list[HookRun] = []
        self.calls: list[Journal] = []
        self.sending: Try | None = None
        self.trace: Any = None
        self.upstream = ""
        self.scheme = b"http"
        self.cut = False
        self.left_out = 0

    def asks(self, upstream: str, secure: bool) -> None:
        """Peers of ``upstream`` are asked next."""
        self.upstream = upstream
        self.scheme = b"https" if secure else b"http"

    def begin_try(self, peer: bytes, started: float) -> Try | None:
        """What is to be noted of it, if there is room."""
        if len(self.tries) >= _MOST_TRIES:
            self.left_out += 1
            return None
        made = Try(peer, started)
        self.tries.append(made)
        return made

    def sends(self, noted: Try | None, now: float) -> None:
        """The head for that try is made next."""
        if noted is not None:
            noted.sent = now
        self.sending = noted

    def begin_hook(self, phase: str, now: float) -> None:
        if len(self.hooks) < _MOST_RUNS:
            self.hooks.append(HookRun(phase, now))
        else:
            self.left_out += 1

    def end_hook(self, now: float) -> None:
        """The one that began last; again and again without harm."""
        if self.hooks and self.hooks[-1].ended == 0.0:
            self.hooks[-1].ended = now

    def begin_call(self, head: RequestHead) -> "Journal | None":
        """For a request of a hook's own, if there is room."""
        if len(self.calls) >= _MOST_CALLS:
            self.left_out += 1
            return None
        made = Journal(head)
        self.calls.append(made)
        return made
