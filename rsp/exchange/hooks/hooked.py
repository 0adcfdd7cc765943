"""An exchange with hooks.  Configurations without hooks never make one.

This is the response's half, and the end: on_response, on_error, on_log.  While a hook waits the peer is paused.
"""

import os
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rsp.exchange.exchange import Exchange
from rsp.exchange.hooks.hooked_request import HookedRequest
from rsp.exchange.hooks.tasks import FAILED, WAITS, Answer, Done
from rsp.http.framing import reframe
from rsp.http.h1.write import PHRASES
from rsp.http.lines import drop
from rsp.http.message import CHUNKED, RequestHead, ResponseHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.exchange.answers import Answer as RspAnswer
    from rsp.exchange.context import Plane
    from rsp.exchange.hooks.hooks import Hooks
    from rsp.http.h1.server import Downstream

# Of objects.lua: what a hook has changed; and of phases.lua: what it decided.
_BODY: Final = 16
_FILTER: Final = 64
_RESPOND: Final = 1


class HookedExchange(HookedRequest):
    # fmt: off
    __slots__ = (
        "_asked", "_asking", "_broken", "_changed", "_done", "_failure", "_filter", "_filtering", "_in_error",
        "_length", "_response_done", "_to_ask", "_whole",
    )
    # fmt: on

    def __init__(self, plane: "Plane", downstream: "Downstream", head: RequestHead, hooks: "Hooks") -> None:
        HookedRequest.__init__(self, plane, downstream, head, hooks)
        self._response_done: Done | None = None  # a hook waits for the response's body
        self._whole = False  # the response that is held is complete
        self._filter = 0
        self._filtering = False  # a hook has set a filter
        self._changed = False  # the status or the body is not the peer's
        self._length: int | None = None  # of the body that a hook wrote
        self._in_error = False
        self._failure: tuple[int, str] | None = None
        self._to_ask: list[int] = []  # hooks that are still to see this response
        self._asked: list[int] = []  # those that have seen it
        self._asking = 0  # the one that sees it now
        self._done: list[int] = []  # those that see no other one: their own error comes next, or their own answer
        self._broken = False  # a filter has failed

    # -- on_response

    def _respond(self, head: ResponseHead, fields: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        destination, everywhere = self._destination, self._hooks.everywhere
        phases = destination.hooks if destination is not None else None
        number = phases.response if phases is not None else 0
        self._answer_fields = fields
        if not number and not everywhere.response:
            Exchange._respond(self, head, fields, pieces, trailers)
            return
        self._held_response = (head, pieces, trailers)
        self._whole = trailers is not None
        upstream = self.upstream
        if trailers is None and upstream is not None:
            upstream.pause()
        self._changed = self._filtering = False
        self._length = None
        self._asked = []
        self._to_ask = [one for one in (number, everywhere.response) if one and one not in self._done]
        self._ask_next()

    def _ask_next(self) -> None:
        """The next hook for the response that is held; after the last one it is sent."""
        hooks, held = self._hooks, self._held_response
        if held is None:
            return
        if not self._to_ask:
            self._send_held()
            return
        number = self._asking = self._to_ask.pop(0)
        first = not self._asked
        self._asked.append(number)
        outcome = hooks.call(
            self, self._asked_for_response, hooks.response, number, self._number, held[0].status, first
        )
        if outcome is not WAITS:
            self._asked_for_response(outcome)

    def _asked_for_response(self, outcome: Any) -> None:
        self.task = None
        number, self._asking = self._asking, 0
        held, destination = self._held_response, self._destination
        if held is None or self.downstream is None:
            return
        everywhere = number == self._hooks.everywhere.response
        phases = destination.hooks if destination is not None and not everywhere else None
        if outcome is FAILED:
            if not self._fails_open(phases):
                self._done.append(number)
                self._held_response = None
                self._abandon()
                self.refuse(500, "")
                return
        elif outcome is not None and outcome[1] == _RESPOND:
            self._done += self._asked
            self._held_response = None
            self._answer_as_told(outcome)
            return
        elif outcome is not None:
            self._change(held[0], outcome)
        self._ask_next()

    def _change(self, head: ResponseHead, outcome: Any) -> None:
        """What a hook has assigned to the response that is held."""
        status, body = outcome[2], outcome[5]
        if head.status != status:
            head.status, head.reason = status, PHRASES.get(status, b"")
            self._changed = True
        if outcome[6] & _FILTER:
            self._filtering = True
        if outcome[6] & _BODY:
            self._answer_fields = drop(self._answer_fields, b"content-encoding")
            self._stop_peer()
            self._changed, self._whole, self._length = True, True, len(body)
            head.framing, head.length_line = len(body), b""
            self._held_response = (head, [body] if body else [], [])

    def _stop_peer(self) -> None:
        """The peer need not send more."""
        if self.upstream is not None:
            self._ended = monotonic()
            self._peer.succeeded(self._ended)
            self._abandon()

    def _send_held(self) -> None:
        """All hooks have had their say: what is sent decides how it is framed."""
        held, self._held_response = self._held_response, None
        if held is None:
            return
        head, pieces, trailers = held
        if self._changed and not reframe(head, self.head.method, self._length):
            self._stop_peer()
            pieces, trailers = [], []
        if self._filtering and head.length_line and self.head.method == b"HEAD":  # the filter would change it
            head.has_length, head.length_line = False, b""
        if self._filtering and head.framing != 0 and not self._broken:
            self._filter = self._hooks.invoke(self, self._hooks.phases[b"filter_of"], self._number)
            head.framing = CHUNKED
            filtered = self._filtered(pieces, trailers)
            if filtered is None:
                self._broken = True
                self._abandon()
                self.refuse(500, "")
                return
            pieces = filtered
        if trailers is None and self.upstream is not None:
            self.upstream.resume()
        Exchange._respond(self, head, self._answer_fields, pieces, trailers)

    def want_response_body(self, done: Done) -> "Answer | Callable[[], None]":
        """For res.body."""
        held = self._held_response
        if held is None:
            return False, b"res.body is gone by now"
        if self._whole:
            return self._response_body(held)
        if held[0].framing > self._hooks.body_limit:
            return False, b"the response's body is larger than lua.body"
        self._response_done = done
        if self.upstream is not None:
            self.upstream.resume()
        return self._forget_response_body

    def _forget_response_body(self) -> None:
        self._response_done = None

    def _response_body(self, held: tuple[ResponseHead, list[bytes], list[bytes] | None]) -> Answer:
        body = b"".join(held[1])
        if len(body) > self._hooks.body_limit:
            return False, b"the response's body is larger than lua.body"
        return True, body

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        held = self._held_response
        if held is None:
            if self._filter:
                filtered = self._filtered(pieces, trailers)
                if filtered is None:
                    self._abandon()
                    self.cut_off()
                    return
                pieces = filtered
                if not pieces and trailers is None:
                    return
            Exchange.response_body(self, pieces, trailers)
            return
        head, before, _ = held
        before = [*before, *pieces]
        self._held_response = held = (head, before, trailers)
        self._whole = trailers is not None
        if trailers is not None:
            self._peer.succeeded(self._ended)
        done = self._response_done
        if done is None:
            return
        if self._whole or sum(map(len, before)) > self._hooks.body_limit:
            self._response_done = None
            if not self._whole and self.upstream is not None:
                self.upstream.pause()
            done(self._response_body(held))

    def _filtered(self, pieces: list[bytes], trailers: list[bytes] | None) -> list[bytes] | None:
        """What the filter makes of them; ``None``: it failed."""
        hooks, last = self._hooks, trailers is not None
        chunk = b"".join(pieces)
        if not chunk and not last:
            return []
        outcome = hooks.call(self, self._unexpected, hooks.phases[b"filter"], self._filter, self._number, chunk, last)
        if outcome is WAITS:
            self._call_hook_off()
            self._complain("a filter cannot wait")
            outcome = FAILED
        if outcome is FAILED:
            return [chunk] if hooks.fail_open else None
        return [outcome[1]] if outcome is not None and outcome[1] else []

    def _unexpected(self, _outcome: Any) -> None:
        pass

    def client_ready(self) -> None:
        if self._held_response is None:
            Exchange.client_ready(self)

    def hedge(self) -> None:
        """Not while a hook looks at the answer that is there."""
        if self._held_response is None:
            Exchange.hedge(self)

    # -- answers of rsp's own

    def _own_answer(self, answer: "RspAnswer") -> None:
        self._ours = True
        self._call_off()
        if self.queue_deadline and self.group is not None:
            self.group.forget(self)
        Exchange._own_answer(self, answer)

    def refuse(self, status: int, reason: str) -> None:
        destination = self._destination
        phases = destination.hooks if destination is not None else None
        number = (phases.error if phases is not None else 0) or self._hooks.everywhere.error
        self._call_hook_off()
        if self._asking:  # it has had its time
            self._done.append(self._asking)
            self._asking = 0
        self._held_response = None
        if status == 413:
            self._dropped = True
        if not number or self._in_error or self.downstream is None:
            Exchange.refuse(self, status, reason)
            return
        self._ours = self._in_error = True
        self._failure = (status, reason)
        hooks = self._hooks
        text = (reason or PHRASES.get(status, b"Error").decode()).encode()
        outcome = hooks.call(self, self._asked_for_error, hooks.phases[b"error"], number, self._number, status, text)
        if outcome is not WAITS:
            self._asked_for_error(outcome)

    def _asked_for_error(self, outcome: Any) -> None:
        self.task = None
        if self.over or self._failure is None:
            return
        if outcome is None or outcome is FAILED:
            self.refuse(*self._failure)
        else:
            self._answer_as_told(outcome)

    # -- the end

    def _end(self, status: int) -> "Downstream | None":
        self._call_hook_off()
        self._held_response = None
        downstream = Exchange._end(self, status)
        if self.held is not None:
            for key in self.held:
                self._hooks.store.let_go(key, os.getpid())
        if self._number:
            self._leave_hooks(status)
        return downstream

    def _leave_hooks(self, status: int) -> None:
        """on_log, then nobody needs req and res any more."""
        hooks, destination = self._hooks, self._destination
        if hooks.witness is not None:
            route = destination.route if destination is not None else None
            place = f"{route.host or 'any host'} {route.path}" if route is not None and self._proxied is None else ""
            hooks.witness(self.group.name.encode() if self.group is not None else None, self._last_peer(), place)
        if self._filter:
            hooks.invoke(self, hooks.phases[b"forget_filter"], self._filter)
        self.status = status
        phases = destination.hooks if destination is not None else None
        for number in (phases.log if phases is not None else 0, hooks.everywhere.log):
            if number:
                hooks.call(self, self._unexpected, hooks.phases[b"log"], number, self._number, status)
        hooks.invoke(self, hooks.release, self._number)
