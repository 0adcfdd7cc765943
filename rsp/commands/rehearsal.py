"""A configuration in action without a network: for its own tests (``rsp -t``), and for ``rsp explain``.

Everything is as in a worker, routing, hooks and heads included; but clients and peers are at the other ends of socket
pairs in this process, so what is shown is what would be sent.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec

from rsp.commands.asked_script import spoken
from rsp.commands.missing_file import missing_file
from rsp.commands.outcome import Result
from rsp.commands.played_services import Services
from rsp.commands.played_stores import PlayedStores
from rsp.commands.served_file import served_file
from rsp.commands.simulated_tls import SimulatedTls, authorities, listener_for
from rsp.commands.why import RoutesLookedAt
from rsp.config.schema import Config
from rsp.config.tls import HttpVersion
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.assemble import assemble
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.pool import Pool
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.hooks.operations import plan_of
from rsp.exchange.hooks.tasks import FAILED, WAITS, Answer, Done, Task, cancel
from rsp.exchange.service import HttpService
from rsp.http.h1.body import ChunkedDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import end_of_head, parse_request, parse_response
from rsp.http.message import CHUNKED, UNTIL_CLOSE
from rsp.http.peer_stream import PeerRequest
from rsp.ipc.peer_table import PeerEntry, PeerTable
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.ipc.worker_cells import ROWS
from rsp.logs.access_logs import Unwritten
from rsp.lua.evaluate import Hook
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Transport
from rsp.tls.client_rules import ClientRules, name_to_verify
from rsp.tls.material import Keyring
from rsp.tls.plain_files import read_plain
from rsp.tls.reader import folder_of

_PATIENCE: Final = 15.0  # seconds for one request, and for one test
_STORE: Final = 16 << 20
_VERSIONS: Final[dict[HttpVersion, str]] = {1: "", 2: ", over HTTP/2", "auto": ", over HTTP/2 or HTTP/1.1"}


class _Peers(PeerDirectory):
    """Its peers are played."""

    def __init__(self, context: WorkerContext, play: "Rehearsal") -> None:
        super().__init__(context)
        self._play = play

    def make(self, entry: PeerEntry, scoreboard: Scoreboard) -> Peer:
        peer = super().make(entry, scoreboard)
        peer.pool = _Pool(self._context, peer, self._play)
        return peer

    def rules(self, config: UpstreamConfig, keyring: Keyring) -> ClientRules | None:
        return None  # they are played without TLS


class _Pool(Pool):
    def __init__(self, context: WorkerContext, peer: Peer, play: "Rehearsal") -> None:
        super().__init__(context, peer.for_pools)
        self._play, self._peer = play, peer  # whose upstream is known once it is asked

    def is_made_for(self, rules: object, name: str, config: object) -> bool:
        return True  # peers are played over HTTP/1.1

    def connect(self, request: PeerRequest | None) -> None:
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)
        self._play.attend(far, self._peer.owner.name)
        self.connected(Transport(self.context.poller, near.detach()), request)


def _manner(upstream: UpstreamConfig, peer: Address) -> str:
    said, secure = spoken(upstream) or _VERSIONS[upstream.http], upstream.secure
    if secure is None:
        return said
    verified = f"certificate for {name_to_verify(secure, peer)}" if secure.verify else "not verified"
    return f"{said}, over TLS, {verified}"


class _Hooks(Hooks):
    """Remembers what it would log."""

    failures: list[str]
    plan: Any

    def report(self, outcome: Any) -> None:
        self.failures.append(self.text_of(outcome))


class Rehearsal:
    """``files``: what the configuration consists of, by name.  Raises :class:`ConfigError`."""

    def __init__(self, config: Config, main: str, files: dict[str, bytes]) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._config = config
        scoreboard = Scoreboard()
        scoreboard.row(RETIRED_ROW)[ROWS] = 1
        self._context = context = WorkerContext(scoreboard, 0, b"rehearsal", Poller(self._loop))
        self._service = HttpService(context, _Peers(context, self))
        self._hooks = hooks = _Hooks(context, config, main, files, Shared(_STORE))
        hooks.failures = []
        hooks.plan = None
        hooks.keeps = True
        hooks.operations[b"http"] = self._http
        hooks.operations[b"simulate"] = self._simulate
        self._stores = PlayedStores(config, hooks.store)
        hooks.operations |= self._stores.operations()
        place, upstreams = 0, {}
        for upstream in config.upstreams:
            upstreams[upstream.name] = [
                PeerEntry(peer.address, place + index, index, peer.weight, peer.backup, 0)
                for index, peer in enumerate(upstream.given)
            ]
            place += len(upstream.given)
        running = assemble(config, context, self._service.directory, Unwritten(), hooks)
        files = read_plain(config, folder_of(main), None).files
        running.use_keyring(msgspec.structs.replace(authorities(config), files=files))
        self._running = running
        self._service.use(running, PeerTable(upstreams, []))
        self._services, self._result = Services(config), Result()
        self._answer = b""
        self._logged: list[str] = []  # by the last simulate of the test that runs
        self._answered = ""

    def close(self) -> None:
        self._context.poller.close()
        self._loop.close()

    def watch_routing(self) -> RoutesLookedAt:
        """How the last request's way to a route ended."""
        watcher = RoutesLookedAt()
        self._running.filters = (*self._running.filters, watcher)
        return watcher

    # -- tests

    def run_tests(self) -> list[tuple[str, str | None]]:
        """The name of each test, and why it failed, or ``None``."""
        hooks = self._hooks
        self._loop.run_until_complete(self._begin())
        return [
            (hook.name, self._loop.run_until_complete(self._test(hook)))
            for hook in hooks.evaluated
            if hook.phase == "test"
        ]

    async def _begin(self) -> None:
        for hook in self._hooks.evaluated:
            if hook.phase == "on_start":
                await self._run(hook)

    async def _test(self, hook: Hook) -> str | None:
        self._hooks.failures.clear()
        self._logged, self._answered = [], ""
        outcome = await self._run(hook)
        if outcome is not FAILED:
            return None
        failures = self._hooks.failures
        answered = [f"the last simulate: {self._answered}"] if self._answered else []
        logged = [f"simulate logged: {line}" for line in self._logged]
        return "\n".join([failures[-1] if failures else "failed", *answered, *logged])

    async def _run(self, hook: Hook) -> Any:
        hooks = self._hooks
        over: asyncio.Future[Any] = self._loop.create_future()
        number, plain = hooks.add(hook), hooks.phases[b"plain"]
        outcome = hooks.call(None, lambda _notes, found: over.set_result(found), plain, (number, hooks.long))
        return await asyncio.wait_for(over, _PATIENCE) if outcome is WAITS else outcome

    def _simulate(self, _task: Task, given: tuple[Any, ...], done: Done) -> "Callable[[], None]":
        """For ``simulate{...}`` in a test."""
        plan, hooks = given[0], self._hooks
        body = plan[b"body"]
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        request = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bConnection: close\r\n\r\n%b" % (
            plan[b"method"], plan[b"path"], plan[b"host"], plan[b"fields"], length, body,
        )  # fmt: skip
        answer = b"HTTP/1.1 %d Simulated\r\n%bContent-Length: %d\r\n\r\n%b" % (
            int(plan[b"status"]), plan[b"response_fields"], len(plan[b"response_body"]), plan[b"response_body"],
        )  # fmt: skip
        hooks.plan = plan[b"http"]
        tls = plan[b"tls"]
        played = tls if tls is None or isinstance(tls, bool) else SimulatedTls.of(tls)
        already = len(hooks.failures)

        async def simulate() -> None:
            self._stores.gone = plan[b"store"] is False
            try:
                result = await self._ask(request, plan[b"client"], answer, plan[b"host"], played)
            except TimeoutError:
                done((False, b"simulate: no response in time"))
                return
            finally:
                self._stores.gone = False
            asked = b"%b http://%b%b" % (plan[b"method"], plan[b"host"], plan[b"path"])
            self._answered = f"{asked.decode(errors='replace')}: {_outcome(result)}"
            result.log = self._logged = hooks.failures[already:]
            del hooks.failures[already:]
            done((True, self._table(result)))

        task = self._loop.create_task(simulate())
        return lambda: cancel(task)

    def _table(self, result: Result) -> Any:
        hooks = self._hooks
        head = parse_request(result.peer_head) if result.peer_head else None
        plain: dict[bytes, Any] = {
            b"status": result.status, b"fields": result.fields, b"body": result.body,
            b"hooks": hooks.table([hook.encode() for hook in result.hooks]),
            b"log": hooks.table([line.encode() for line in result.log]),
        }  # fmt: skip
        for name in ("upstream", "peer", "route"):
            value = getattr(result, name)
            if value is not None:
                plain[name.encode()] = value.encode()
        if head is not None:
            plain[b"peer_method"], plain[b"peer_target"] = head.method, head.target
            plain[b"peer_fields"] = result.peer_head.partition(b"\r\n")[2][:-2]
            plain[b"peer_body"] = result.peer_body
        return hooks.table(plain)

    def _http(self, _task: Task, given: tuple[Any, ...], _done: Done) -> Answer:
        """A hook's own request: what the test says that it gives."""
        try:
            plan_of(given[0])
        except (ValueError, TypeError, AttributeError) as error:
            return False, f"http: {error}".encode()
        plan = self._hooks.plan
        if plan is None:
            return (
                True,
                None,
                b"there is no network here; set the response of http in the test: simulate{ http = function(call) ... "
                b"end }",
            )
        reply = plan(given[0])
        if reply is None:
            return True, None, b"no response"
        fields = b"".join(
            b"%b: %b\r\n" % (name, value) for name, value in (reply[b"headers"] or self._hooks.table({})).items()
        )
        return True, reply[b"status"] or 200, fields, reply[b"body"] or b""

    # -- one request

    def ask(self, request: bytes, client: bytes, host: bytes = b"", tls: SimulatedTls | bool | None = None) -> Result:
        """``request``: as a client sends it that wants ``host``; ``tls``: of its connection, or whether it has any;
        ``None``: as the first listener has it.  Raises :class:`TimeoutError`."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        result = self._loop.run_until_complete(self._ask(request, client, answer, host, tls))
        result.log = list(self._hooks.failures)
        return result

    async def _ask(
        self, request: bytes, client: bytes, answer: bytes, host: bytes = b"", tls: SimulatedTls | bool | None = None
    ) -> Result:
        outer = self._result, self._answer
        result = self._result = Result()
        self._answer = answer
        hooks = self._hooks
        hooks.tracing, hooks.witness = result.hooks, self._witness
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)
        listener = listener_for(self._config, tls if tls is None or tls is False else True, host)
        if tls is None:
            tls = listener.tls
        played = tls if isinstance(tls, SimulatedTls) else SimulatedTls()
        facts = played.facts(host, self._running) if tls else None
        transport = Transport(self._context.poller, near.detach())
        if facts is None:
            self._service.accept(transport, client, listener.address)
        else:
            self._service.accept_secure(transport, self._service.session(client, listener.address), facts, False)
        try:
            await self._loop.sock_sendall(far, request)
            received = await asyncio.wait_for(self._all(far), _PATIENCE)
        finally:
            far.close()
            self._result, self._answer = outer
        _read_response(received, result, request.partition(b" ")[0])
        return result

    async def _all(self, sock: socket.socket) -> bytes:
        parts = []
        while data := await self._loop.sock_recv(sock, 1 << 16):
            parts.append(data)
        return b"".join(parts)

    def _witness(self, upstream: bytes | None, peer: bytes | None, route: str, exchange: Any) -> None:
        result = self._result
        result.upstream = upstream.decode() if upstream else None
        result.peer = peer.decode() if peer else None
        config = next((each for each in self._config.upstreams if each.name == result.upstream), None)
        result.has_others = config is not None and len(config.given) > 1
        result.asked = config
        result.manner = _manner(config, Address(result.peer)) if config is not None and result.peer else ""
        result.route = route or None
        result.file = served_file(exchange)
        result.missing = missing_file(exchange, route, self._config.routes)

    # -- peers

    def attend(self, sock: socket.socket, upstream: str) -> None:
        """Play the peer of ``upstream`` at the other end of ``sock``: note what it is asked, and answer."""
        received = bytearray()

        def readable() -> None:
            data = sock.recv(1 << 16)
            received.extend(data)
            if not data:
                self._loop.remove_reader(sock)
                sock.close()
                return
            whole = _whole(bytes(received))
            if whole is not None:
                received.clear()
                said = self._services.answer(upstream, *whole, self._hooks, self._hooks.plan)
                if said is None:
                    self._result.peer_head, self._result.peer_body = whole
                sock.sendall(said or self._answer)

        self._loop.add_reader(sock, readable)


def _whole(data: bytes) -> tuple[bytes, bytes] | None:
    """Head and body of a request, once it is all there."""
    end = end_of_head(data, 0)
    if end < 0:
        return None
    head = parse_request(data[:end])
    if head.framing == 0:
        return data[:end], b""
    decoder: Decoder = ChunkedDecoder() if head.framing == CHUNKED else LengthDecoder(head.framing)
    pieces = decoder.feed(data[end:]) if data[end:] else []
    return (data[:end], b"".join(pieces)) if decoder.done else None


def _read_response(data: bytes, result: Result, method: bytes) -> None:
    end = end_of_head(data, 0)
    if end < 0:
        return
    head = parse_response(data[:end], method)
    while head.status < 200:
        data = data[end:]
        end = end_of_head(data, 0)
        head = parse_response(data[:end], method)
    body = data[end:]
    if head.framing not in (0, UNTIL_CLOSE):
        decoder: Decoder = ChunkedDecoder() if head.framing == CHUNKED else LengthDecoder(head.framing)
        body = b"".join(decoder.feed(body)) if body else b""
    fields = data[:end].partition(b"\r\n")[2][:-2]
    result.status, result.fields, result.body = head.status, fields, body


def _outcome(result: Result) -> str:
    found = [f"status {result.status}"]
    if result.route is not None or not result.hooks:
        found.append(f"route {result.route}" if result.route is not None else "no route")
    found += [f"hook {hook}" for hook in result.hooks]
    return ", ".join([*found, f"upstream {result.upstream}"] if result.upstream is not None else found)
