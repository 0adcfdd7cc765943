"""The request's half of an exchange with hooks: on_request, on_upstream, and what hooks see of both halves.

Between two steps of an exchange stands a hook that may answer, change, or wait.  While it waits the exchange stands
still: what the client sends is kept, within bounds.
"""

import re
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rsp.config.units import Peer as Address
from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.upstream import FEW
from rsp.exchange.hooks.hooks import APART, APART_SIZES, CREDENTIALS, bar
from rsp.exchange.hooks.tasks import FAILED, WAITS, Answer, Done, Task
from rsp.exchange.told import request_field, response_field, scheme_of
from rsp.http.credentials import binds_connection
from rsp.http.h1.head import SOUND_ID
from rsp.http.lines import drop, each, get
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import OURS, fold, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.exchange.context import Plane
    from rsp.exchange.forward.peer import Peer
    from rsp.exchange.forward.upstream import Group
    from rsp.exchange.hooks.hooks import Hooks, Phases
    from rsp.exchange.running_config import Destination
    from rsp.http.h1.server import Downstream

# Of objects.lua: what a hook has changed.
_METHOD: Final = 1
_TARGET: Final = 2
_HOST: Final = 4
_BODY: Final = 16
_PATH: Final = 128
# And of phases.lua: what it decided.
_RESPOND: Final = 1
_PROXY: Final = 2

_NOT_PLAIN: Final = re.compile(rb"%|//|/\.|\\")


class HookedRequest(Exchange):
    # fmt: off
    __slots__ = (
        "_answer_fields", "_body_done", "_choice", "_dropped", "_held_response", "_hooks", "_number", "_ours",
        "_overridden", "_path_set", "_pinned", "_proxied", "held", "task",
    )
    # fmt: on

    def __init__(self, plane: "Plane", downstream: "Downstream", head: RequestHead, hooks: "Hooks") -> None:
        Exchange.__init__(self, plane, downstream, head)
        self._hooks = hooks
        self._number = hooks.new_number() if hooks.keeps else 0  # 0: req is forgotten after its hook
        self._proxied: Group | None = None  # where a hook sends it
        self._pinned: Peer | None = None
        self._path_set = False  # by the route's hook, so that the route does not rewrite it
        self._overridden: frozenset[bytes] = frozenset()  # names of our fields that a hook has set or removed
        self._body_done: Done | None = None  # a hook waits for the request's body
        self._ours = False  # the answer is rsp's own
        self._dropped = False  # a hook put another body in the place of the client's
        self._held_response: tuple[ResponseHead, list[bytes], list[bytes] | None] | None = None
        self._choice: tuple[int, list[Peer]] | None = None
        self._answer_fields = b""
        self.task: Task | None = None
        self.held: list[bytes] | None = None  # keys of limit.conn

    # -- on_request

    def start(self) -> None:
        downstream = self.downstream
        if downstream is None:
            return
        self._identify()
        downstream.entries(self.head.host)
        self._extra = downstream.forwarded(self)  # tells who the client is
        number = self._hooks.everywhere.request
        if not number:
            self._route()
            return
        outcome = self._ask(number, self._asked_for_all)
        if outcome is not WAITS:
            self._asked_for_all(outcome)

    def _ask(self, number: int, then: "Callable[[Any], None]") -> Any:
        head, hooks = self.head, self._hooks
        if hooks.tracing is not None:
            hooks.trace(number)
        host = hooks.host
        before, host.current, host.head = host.current, self, head
        try:
            outcome = hooks.request(number, self._number, head.method, head.target, head.host, self.client)
        except Exception as error:
            outcome = hooks.failure(error)
        finally:
            host.current = before
            host.head = before.head if before is not None else None
        return None if outcome is None else hooks.settle(self, then, outcome)

    def _asked_for_all(self, outcome: Any) -> None:
        self.task = None
        if outcome is not None and not self._apply(outcome, None):
            return
        downstream = self.downstream
        if downstream is None:
            return
        self._target = self.head.target
        group = self._proxied
        if group is None:
            self._route()
        else:
            self._take(self.site.direct(group), downstream)

    def _proceed(self, destination: "Destination") -> None:
        phases = destination.hooks
        if phases is None or not phases.request or self._proxied is not None:
            self._go(destination)
            return
        outcome = self._ask(phases.request, self._asked_for_route)
        if outcome is not WAITS:
            self._asked_for_route(outcome)

    def _asked_for_route(self, outcome: Any) -> None:
        self.task = None
        destination = self._destination
        if destination is None or (outcome is not None and not self._apply(outcome, destination.hooks)):
            return
        if not self._path_set:
            self._target = self.head.target
        self._go(destination)

    def _go(self, destination: "Destination") -> None:
        if destination.rewrite is not None and self.head.target != b"*" and not self._path_set:
            self._target = destination.rewritten(self.head.target, destination.rewrite)
        group = self._proxied or destination.group
        if group is None:
            self._answer(destination)
            return
        self._forward(group)

    def _apply(self, outcome: Any, phases: "Phases | None") -> bool:
        """Whether the exchange goes on, after what on_request said."""
        if outcome is FAILED:
            return self._after_failure(phases)
        if outcome[1] == _RESPOND:
            self._answer_as_told(outcome)
            return False
        changed, head = outcome[6], self.head
        if changed & _METHOD:
            head.method = outcome[7]
        if changed & _TARGET:
            target = head.target = outcome[8]
            head.path = target.partition(b"?")[0]
            head.plain = _NOT_PLAIN.search(head.path) is None
            if phases is not None and changed & _PATH:
                self._path_set = True
                self._target = target
        if changed & _HOST:
            head.host = outcome[9]
        if changed & _BODY:
            self._replace_body(outcome[10])
        return self._send_to(outcome[2], outcome[3]) if outcome[1] == _PROXY else True

    def _after_failure(self, phases: "Phases | None") -> bool:
        if self._fails_open(phases):
            return True
        self.refuse(500, "")
        return False

    def _fails_open(self, phases: "Phases | None") -> bool:
        own = phases.fail_open if phases is not None else None
        return self._hooks.fail_open if own is None else bool(own)

    def _call_hook_off(self) -> None:
        """Nobody needs what a hook waits for."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    def _send_to(self, name: bytes | None, peer: bytes | None) -> bool:
        """proxy(...)"""
        destination = self._destination
        group = destination.group if destination is not None else None
        if name is not None:
            group = self.site.groups.get(name.decode("utf-8", "replace"))
            if group is None:
                self._complain(f'proxy: no upstream "{name.decode("utf-8", "replace")}"')
                return self._after_failure(None)
        if peer is not None:
            known = next((one for one in group.peers if one.name == peer), None) if group is not None else None
            try:
                address = Address.parse(peer.decode("utf-8", "replace"))
                if address.is_name:
                    raise ValueError(f'"{address}" is a name; dns.resolve finds addresses')
                if known is None:
                    group = self._plane.outside.group(address)
            except ValueError as error:
                self._complain(f"proxy: peer: {error}")
                return self._after_failure(None)
            self._pinned = known
        self._proxied = group
        return True

    def _complain(self, text: str) -> None:
        self._hooks.report((2, text.encode(), b""))

    def _answer_as_told(self, outcome: Any) -> None:
        """respond(...): status, type, fields, body."""
        status, kind, fields, body = outcome[2], outcome[3], outcome[4], outcome[5]
        if body is None:
            if status >= 400:
                self.request_id = self.request_id or self._plane.new_id()
                status, kind, more, body = self.site.pages.error(status, "", self.request_id, self.head)
                fields = more + fields
            else:
                body = b""
        self._abandon()
        self._answer_fields = fields
        self._own_answer((status, kind, fields, body))

    # -- the request's body

    def want_body(self, done: Done) -> "Answer | Callable[[], None]":
        """For req.body()."""
        limit = self._hooks.body_limit
        if self._pending_size > limit or self.head.framing > limit:
            return False, b"the request's body is larger than lua.body"
        if self.request_done:
            return True, b"".join(self._pending)
        self._body_done = done
        downstream = self.downstream
        if downstream is not None:
            if self.head.expect_continue:
                self.head.expect_continue = False
                downstream.send_continue()
            downstream.resume()
        return self._forget_body

    def _forget_body(self) -> None:
        self._body_done = None

    def _replace_body(self, body: bytes) -> None:
        self._dropped = not self.request_done
        self._pending = [body] if body else []
        self._pending_size = self.head.framing = len(body)
        if self._dropped and self.downstream is not None:
            self.downstream.resume()

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self._dropped:
            if trailers is not None:
                self.request_done = True
            return
        Exchange.request_body(self, pieces, trailers)
        done = self._body_done
        if done is None or self.over:
            return
        limit = self._hooks.body_limit
        if self._pending_size > limit:
            self._body_done = None
            done((False, b"the request's body is larger than lua.body"))
        elif trailers is not None:
            self._body_done = None
            done((True, b"".join(self._pending)))
        elif self.downstream is not None:
            self.downstream.resume()

    def is_moot(self) -> bool:
        """What hooks wait for may cost others something, so they do not wait for a client that may have left."""
        return self.task is not None

    # -- on_upstream

    def _next_peer(self, status: int) -> None:
        group, pinned = self.group, self._pinned
        if group is None or self.over:
            return
        if pinned is not None and not self.tried and pinned.can_be_asked():
            self._pinned = None
            self._try_peer(pinned)
            return
        destination = self._destination
        phases = destination.hooks if destination is not None else None
        number = (phases.upstream if phases is not None else 0) or self._hooks.everywhere.upstream
        tries = min(group.tries or FEW, FEW)  # after that, peers are taken as they come
        if not number or self.only is not None or len(self.tried) >= tries:
            Exchange._next_peer(self, status)
            return
        peers = group.open_peers(self.tried)
        if not peers:
            Exchange._next_peer(self, status)
            return
        hooks = self._hooks
        self._choice = (status, peers)
        tables = hooks.table([hooks.table(peer.described()) for peer in peers])
        outcome = hooks.call(self, self._chosen, hooks.phases[b"upstream"], number, self._number, tables)
        if outcome is not WAITS:
            self._chosen(outcome)

    def _try_peer(self, peer: "Peer") -> None:
        if not self._names:
            self._upstream_started = monotonic()  # hooks may have taken their time
        Exchange._try_peer(self, peer)

    def _chosen(self, outcome: Any) -> None:
        self.task = None
        if self.over or self._choice is None:
            return
        status, peers = self._choice
        destination = self._destination
        if outcome is FAILED and not self._after_failure(destination.hooks if destination is not None else None):
            return
        if outcome is None or outcome is FAILED:
            Exchange._next_peer(self, status)
        else:
            self._try_peer(peers[outcome[1] - 1])

    def head_for_peer(self) -> bytes:
        gone = self._overridden
        if not gone:
            return Exchange.head_for_peer(self)
        return self._written(without(self._extra, gone), b"" if b"x-request-id" in gone else self.request_id)

    def want_response_body(self, done: Done) -> "Answer | Callable[[], None]":
        """For res.body."""
        raise NotImplementedError

    # -- what objects.lua asks

    def described(self) -> tuple[bytes, bytes, bytes, bytes]:
        head = self.head
        return head.method, head.target, head.host, self.client

    def block(self, which: int) -> bytes:
        """The field lines of the request (0) or the response (1)."""
        return self._answer_fields if which else self.head.fields

    def get_field(self, which: int, name: object) -> bytes | None:
        if not isinstance(name, bytes):
            return None
        found = get(self._answer_fields if which else self.head.fields, name)
        if found is None and len(name) in APART_SIZES:
            return self._apart(which, name.lower())
        return found

    def _apart(self, which: int, name: bytes) -> bytes | None:
        """A field that is kept apart from the others."""
        if which:
            held = self._held_response
            return response_field(held[0], name) if held is not None else None
        return request_field(self.head, name) if name in APART and name not in self._overridden else None

    def all_fields(self, which: int, name: bytes) -> list[bytes]:
        found = each(self.block(which), name)
        one = None if found else self.get_field(which, name)
        return found if one is None else [one]

    def set_field(self, which: int, name: bytes, lines: bytes, more: bool) -> None:
        """``lines`` in the place of what there is of ``name``, which is in lower case; ``more``: in addition."""
        if which:
            kept = self._answer_fields if more else drop(self._answer_fields, name)
            self._answer_fields = kept + lines
            if self._held_response is not None:
                bar(self._held_response[0], name)
            return
        head = self.head
        kept = head.fields if more else drop(head.fields, name)
        head.fields = kept + lines
        bar(head, name)
        if name in CREDENTIALS and binds_connection(lines):
            head.connection_bound = True
        folded = fold(name)
        if folded in OURS:
            self._overridden = frozenset((folded, *self._overridden))
            given = get(lines, name)
            if folded == b"x-request-id" and given is not None and SOUND_ID.fullmatch(given):
                self.request_id = given

    def about(self, key: bytes) -> object:
        if key == b"id":
            return self.request_id or None
        if key == b"scheme":
            return scheme_of(self)
        if key == b"upstream":
            return self.group.name.encode() if self.group is not None else None
        if key == b"peer":
            return self._last_peer()
        if key == b"own":
            return self._ours
        if key == b"sent":
            return self.sent
        if key == b"duration":
            return monotonic() - self._started
        return None  # tls: rsp does not speak it yet

    def _last_peer(self) -> bytes | None:
        return self._names.rpartition(b",")[2] or None
