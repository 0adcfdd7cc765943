"""Hooks of the configuration as filters: those for all routes before routing, and those of a route behind it.

A hook may answer, change what it sees, or wait.  While it waits the exchange stands still: what the client sends is
kept, within bounds, and the response is paused.
"""

import os
import re
from typing import Any, Final

from rsp.config.errors import ConfigError
from rsp.config.route_names import label
from rsp.config.units import Peer as Address
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, HOLD, PASS, Filter
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.held import HeldResponse
from rsp.exchange.hooks.choice import PeerChoice
from rsp.exchange.hooks.hooks import Hooks, Phases
from rsp.exchange.hooks.notes import HookNotes
from rsp.exchange.hooks.tasks import FAILED, WAITS
from rsp.http.lines import drop, get
from rsp.http.values import PHRASES

_NOT_PLAIN: Final = re.compile(rb"%|//|/\.|\\")


class HooksFilter(Filter):
    """``phases``: the functions of ``hooks`` for one route, or those for all routes, before routing: ``first``."""

    __slots__ = ("_fail_open", "_hooks", "_is_first", "_phases", "_upstream")

    def __init__(self, hooks: Hooks, phases: Phases, *, first: bool) -> None:
        self._hooks = hooks
        self._phases = phases
        self._is_first = first
        self._fail_open = hooks.fail_open if phases.fail_open is None else phases.fail_open
        self._upstream = phases.upstream or hooks.everywhere.upstream

    def looks_back(self) -> bool:
        return True

    def _notes(self, exchange: Exchange) -> HookNotes:
        passage, hooks = exchange.passage, self._hooks
        if passage is not None:
            for known in passage.notes:
                if isinstance(known, HookNotes):
                    return known
        notes = HookNotes.__new__(HookNotes)
        notes.set_up(exchange, hooks.new_number() if hooks.keeps else 0)
        if passage is not None:
            passage.note(notes)
        return notes

    def _fail(self, exchange: Exchange, *, fail_open: bool) -> int:
        """A hook has failed."""
        if fail_open:
            return PASS
        exchange.refuse(500, "")
        return DONE

    def _answer(self, exchange: Exchange, outcome: Any, more: bytes = b"") -> None:
        """respond(...); ``more``: lines beside those of the hook."""
        _, status, kind, fields, body = outcome
        if body is None:
            if status >= 400:
                exchange.request_id = exchange.request_id or exchange.context.new_id()
                page = exchange.config.pages.error(status, "", exchange.request_id, exchange.head)
                status, kind, more, body = page
                fields = more + fields
            else:
                body = b""
        exchange.answer((status, kind, fields + _others(more, fields), body))

    def _go_on(self, exchange: Exchange) -> None:
        passage = exchange.passage
        if passage is not None:
            passage.go_on()

    # -- on_request

    def request(self, exchange: Exchange) -> int:
        notes, hooks, passage = self._notes(exchange), self._hooks, exchange.passage
        if self._upstream and passage is not None:
            passage.chooser = PeerChoice(hooks, notes, self._upstream, self._fail_open)
        number = self._phases.request
        if not number:
            return PASS
        _begin(exchange, "on_request")
        outcome = hooks.call_request(notes, self._request_seen, number)
        if outcome is not WAITS:
            _end(exchange)
        if outcome is None:
            return PASS
        return HOLD if outcome is WAITS else self._after_request(notes, outcome)

    def _request_seen(self, notes: HookNotes, outcome: Any) -> None:
        """It has waited."""
        _end(notes.exchange)
        if self._after_request(notes, outcome) == PASS:
            self._go_on(notes.exchange)

    def _after_request(self, notes: HookNotes, outcome: Any) -> int:
        exchange = notes.exchange
        if outcome is None:
            return PASS
        if outcome is FAILED:
            return self._fail(exchange, fail_open=self._fail_open)
        kind = outcome[0]
        if kind == b"respond":
            self._answer(exchange, outcome)
            return DONE
        if kind == b"proxy":
            _, upstream, peer, method, target, path_set, host, body = outcome
            self._change_request(exchange, method, target, path_set, host, body)
            return self._send_to(notes, upstream, peer)
        _, method, target, path_set, host, body = outcome
        self._change_request(exchange, method, target, path_set, host, body)
        return PASS

    def _change_request(
        self,
        exchange: Exchange,
        method: bytes | None,
        target: bytes | None,
        path_set: bool | None,
        host: bytes | None,
        body: bytes | None,
    ) -> None:
        """What a hook has assigned to req; ``None``: nothing.  ``path_set``: it has assigned the path of the target."""
        head, passage = exchange.head, exchange.passage
        if passage is None:
            return
        if method is not None:
            head.method = method
        if target is not None:
            head.target = exchange.target = target
            head.path = target.partition(b"?")[0]
            head.plain = _NOT_PLAIN.search(head.path) is None
            if path_set and not self._is_first:
                passage.path_set = True
        if host is not None:
            head.host = host
        if body is not None:
            passage.replace_body(body)

    def _send_to(self, notes: HookNotes, name: bytes | None, peer: bytes | None) -> int:
        """proxy(...)"""
        exchange, hooks = notes.exchange, self._hooks
        upstream = exchange.route.upstream
        pinned: Peer | None = None
        try:
            if name is not None:
                upstream = exchange.config.upstreams.get(name.decode("utf-8", "replace"))
                if upstream is None:
                    raise ValueError(f'no upstream "{name.decode("utf-8", "replace")}"')
            if peer is not None:
                upstream, pinned = _find_peer(exchange, upstream, peer)
        except ValueError as error:
            hooks.complain(f"proxy: {error}")
            return self._fail(exchange, fail_open=hooks.fail_open)
        if exchange.passage is not None:
            exchange.passage.sent_to, exchange.passage.pinned = upstream, pinned
        notes.proxied = True
        return PASS

    # -- on_response

    def response(self, exchange: Exchange) -> int:
        notes, hooks, held = self._notes(exchange), self._hooks, _held(exchange)
        if held is None:
            return DONE
        if notes.response is not held.head:
            notes.response = held.head
            notes.asked = []
            notes.filtering = False
        number = self._phases.response
        if not number or self in notes.done:
            return PASS
        fresh = not notes.asked
        notes.asked.append(self)
        notes.asking = self
        _begin(exchange, "on_response")
        outcome = hooks.call(
            notes, self._response_seen, hooks.response, (number, notes.number, held.head.status, fresh)
        )
        if outcome is not WAITS:
            _end(exchange)
        return HOLD if outcome is WAITS else self._after_response(notes, outcome)

    def _response_seen(self, notes: HookNotes, outcome: Any) -> None:
        _end(notes.exchange)
        if self._after_response(notes, outcome) == PASS:
            self._go_on(notes.exchange)

    def _after_response(self, notes: HookNotes, outcome: Any) -> int:
        notes.asking = None
        exchange = notes.exchange
        held = _held(exchange)
        if held is None:
            return DONE
        if outcome is FAILED and not self._fail_open:
            notes.done.append(self)
            exchange.abort_responder()
            return self._fail(exchange, fail_open=False)
        if outcome is None or outcome is FAILED:
            return PASS
        if outcome[0] == b"respond":
            notes.done += notes.asked
            self._answer(exchange, outcome)
            return DONE
        _, status, body, filtered = outcome
        self._change_response(notes, held, status, body, filtered)
        return PASS

    def _change_response(
        self, notes: HookNotes, held: HeldResponse, status: int | None, body: bytes | None, filtered: bool | None
    ) -> None:
        """What a hook has assigned to res; ``None``: nothing.  ``filtered``: it has set a filter for the body."""
        head = held.head
        if status is not None and head.status != status:
            head.status, head.reason = status, PHRASES.get(status, b"")
            held.changed = True
        if filtered and not notes.filtering:
            notes.filtering = True
            held.filter_body(self)
        if body is not None:
            head.fields = drop(head.fields, b"content-encoding")
            held.replace_body(body)

    def body(self, exchange: Exchange, pieces: list[bytes], last: bool) -> list[bytes] | None:
        notes, hooks = self._notes(exchange), self._hooks
        if not notes.filter:
            notes.filter = hooks.invoke(notes, hooks.phases[b"filter_of"], (notes.number,))
        chunk = b"".join(pieces)
        if not chunk and not last:
            return []
        outcome = hooks.call(notes, _unexpected, hooks.phases[b"filter"], (notes.filter, notes.number, chunk, last))
        if outcome is WAITS:
            notes.call_off(exchange)
            hooks.complain("a filter cannot wait")
            outcome = FAILED
        if outcome is FAILED:
            return pieces if hooks.fail_open else None
        if outcome is None:
            return []
        _, text = outcome
        return [text] if text else []

    # -- on_error

    def error(self, exchange: Exchange, status: int, reason: str) -> int:
        notes, hooks = self._notes(exchange), self._hooks
        number = self._phases.error
        if not number or notes.in_error:
            return PASS
        exchange.own = notes.in_error = True
        text = (reason or PHRASES.get(status, b"Error").decode()).encode()
        _begin(exchange, "on_error")
        outcome = hooks.call(notes, self._error_seen, hooks.phases[b"error"], (number, notes.number, status, text))
        if outcome is not WAITS:
            _end(exchange)
        return HOLD if outcome is WAITS else self._after_error(exchange, outcome)

    def _error_seen(self, notes: HookNotes, outcome: Any) -> None:
        _end(notes.exchange)
        if self._after_error(notes.exchange, outcome) == PASS:
            self._go_on(notes.exchange)

    def _after_error(self, exchange: Exchange, outcome: Any) -> int:
        if outcome is None or outcome is FAILED:
            return PASS
        passage = exchange.passage
        self._answer(exchange, outcome, passage.error_fields(outcome[1]) if passage is not None else b"")
        return DONE

    # -- the end

    def ended(self, exchange: Exchange, status: int) -> None:
        """on_log; then req and res are of no more use."""
        notes, hooks = self._notes(exchange), self._hooks
        if not notes.left:
            notes.leave()
            self._let_go(notes)
        number = self._phases.log
        if number:
            hooks.call(notes, _unexpected, hooks.phases[b"log"], (number, notes.number, status))
        if self._is_first and notes.number:  # and so the last one here
            hooks.invoke(notes, hooks.phases[b"release"], (notes.number,))

    def _let_go(self, notes: HookNotes) -> None:
        """Of what hooks have taken and kept."""
        hooks, route = self._hooks, notes.exchange.route
        for key in notes.holds or ():
            hooks.store.let_go(key, os.getpid())
        if hooks.witness is not None:
            known = route.config if route is not notes.exchange.config.nowhere and not notes.proxied else None
            place = label(known) if known is not None else ""
            hooks.witness(notes.upstream_name(), notes.last_peer(), place, notes.exchange)
        if notes.filter:
            hooks.invoke(notes, hooks.phases[b"forget_filter"], (notes.filter,))


def _begin(exchange: Exchange, phase: str) -> None:
    """For spans, and ``rspctl trace``."""
    if exchange.journal is not None:
        exchange.journal.begin_hook(phase, exchange.context.clock())


def _end(exchange: Exchange) -> None:
    if exchange.journal is not None:
        exchange.journal.end_hook(exchange.context.clock())


def _others(lines: bytes, fields: bytes) -> bytes:
    """Those whose names are not in ``fields``."""
    others = (line for line in lines.splitlines(keepends=True) if get(fields, line.partition(b":")[0]) is None)
    return b"".join(others)


def _held(exchange: Exchange) -> HeldResponse | None:
    """The response that waits to be sent."""
    passage = exchange.passage
    return passage.held if passage is not None and passage.holds else None


def _find_peer(exchange: Exchange, upstream: Upstream | None, name: bytes) -> tuple[Upstream | None, Peer | None]:
    """The peer of ``upstream`` with that address, or an upstream of its own for it.  Raises :class:`ValueError`."""
    try:
        address = Address.parse(name.decode("utf-8", "replace"))
        if address.is_name:
            raise ValueError(f'"{address}" is a name; dns.resolve finds addresses')
        for peer in upstream.peers if upstream is not None else ():
            if peer.name == name:
                return upstream, peer
        secure = upstream.config.secure if upstream is not None else None
        return exchange.config.directory.outside.upstream(address, secure), None
    except (ValueError, ConfigError) as error:
        raise ValueError(f"peer: {error}") from None


def _unexpected(_notes: HookNotes, _outcome: Any) -> None:
    """An outcome that matters to nothing."""
