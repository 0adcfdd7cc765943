"""Active checks: one task for each peer that is to be checked, for the whole instance.

A verdict goes into the peer's HEALTH mark, where all workers see it.  Three kinds: it is as it should be; it answers,
but not as it should; it does not answer.  The first check decides at once, later ones by ``rise`` and ``fall``.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rsp.config.failure import Health as HealthConfig
from rsp.config.rules import statuses
from rsp.config.schema import Config
from rsp.config.tls import UpstreamTls
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.control import asking_http2, grpc_health
from rsp.control.asking import ask, connected
from rsp.control.asking_cgi import Manner, ask_cgi
from rsp.control.asking_http2 import Asked
from rsp.http.errors import ProtocolError
from rsp.ipc import peer_marks
from rsp.ipc.peer_marks import HEALTH_DEAD, HEALTH_DOUBTFUL, HEALTH_UNKNOWN, HEALTH_UP
from rsp.ipc.peer_table import Changes, PeerEntry, PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.logs import log
from rsp.net.poller import SCARCE
from rsp.net.proxy_header import LOCAL
from rsp.system.descriptors import for_checks
from rsp.tls.client_rules import name_to_verify
from rsp.tls.contexts import ContextError, client_ssl_context
from rsp.tls.material import Keyring
from rsp.tls.stdlib import TlsError, meaning
from rsp.tls.words import of_peer

_BODY_LIMIT: Final = 64 << 10
_JITTER: Final = 0.1
_MOST_LINES: Final = 20  # of the log, in a second

Verdict = tuple[int, str]  # HEALTH_UP or another; the clause says why another


@dataclass(frozen=True)
class _Plan:
    """What is checked, and how: a change of any of it begins anew.  ``name``: what its certificate has to be for.

    ``http2``: over HTTP/2; ``greeting``: what the connection begins with, a PROXY header; ``manner``: not over HTTP.
    """

    upstream: str
    address: Peer
    config: HealthConfig
    tls: ssl.SSLContext | None
    name: str
    http2: bool
    greeting: bytes
    manner: Manner | None


class Checks:
    """The tasks."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._tasks: dict[int, tuple[_Plan, asyncio.Task[None]]] = {}  # by place
        self._turns = asyncio.Semaphore(for_checks())

    def arrange(self, config: Config, members: PeerTable, keyring: Keyring) -> None:
        """Check the members of upstreams with ``health``, and no others.  ``keyring``: what TLS to peers needs."""
        wanted = {
            place: plan
            for upstream in config.upstreams
            for place, plan in _plans(upstream, members.upstreams.get(upstream.name, []), keyring)
        }
        for place in [place for place in self._tasks if place not in wanted]:
            self._stop(place)
        for upstream in config.upstreams:  # marks that a predecessor of this process left behind
            for member in members.upstreams.get(upstream.name, []):
                if upstream.checks is None and self._scoreboard.mark(member.place, peer_marks.HEALTH):
                    self._scoreboard.set_mark(member.place, peer_marks.HEALTH, HEALTH_UNKNOWN)
        for place, plan in wanted.items():
            self._check(place, plan)

    def change(self, upstream: Upstream, changes: Changes, keyring: Keyring) -> None:
        """Peers of ``upstream`` have come or gone."""
        for place in changes.gone:
            self._stop(place)
        for place, plan in _plans(upstream, changes.come, keyring):
            self._check(place, plan)

    def _check(self, place: int, plan: _Plan) -> None:
        """From now on as ``plan`` says; it goes on where it did so before."""
        before = self._tasks.get(place)
        if before is None or before[0] != plan:
            if before is not None:
                before[1].cancel()
            watch = _Watch(self._scoreboard, self._turns, place, plan)
            self._tasks[place] = (plan, asyncio.get_running_loop().create_task(watch.run()))

    def _stop(self, place: int) -> None:
        known = self._tasks.pop(place, None)
        if known is not None:
            known[1].cancel()
            self._scoreboard.set_mark(place, peer_marks.HEALTH, HEALTH_UNKNOWN)


def _plans(upstream: Upstream, members: list[PeerEntry], keyring: Keyring) -> Iterator[tuple[int, _Plan]]:
    checks = upstream.checks
    if checks is None:
        return
    secure, http2 = security(upstream, checks), upstream.http == 2 or checks.type == "grpc"
    try:
        tls = client_ssl_context(secure, keyring, 2 if http2 else 1) if secure is not None else None
    except ContextError as error:
        log.line(f'upstream "{upstream.name}": peers are not checked: tls: {error}', log.ERROR)
        return
    for member in members:
        name = name_to_verify(secure, upstream.named(member.given, member.address)) if secure is not None else ""
        opening, manner = greeting(upstream, checks), Manner.of(upstream)
        yield member.place, _Plan(upstream.name, member.address, checks, tls, name, http2, opening, manner)


class _Watch:
    """One peer."""

    def __init__(self, scoreboard: Scoreboard, turn: asyncio.Semaphore, place: int, plan: _Plan) -> None:
        self._scoreboard = scoreboard
        self._turn = turn
        self._place = place
        self._label = f'upstream "{plan.upstream}": peer {plan.address}'
        self._plan = plan
        self._config = plan.config
        self._good = self._bad = 0

    async def run(self) -> None:
        while True:
            async with self._turn:
                started = time.monotonic()
                plan = self._plan
                verdict = await check(
                    plan.address,
                    plan.config,
                    plan.tls,
                    plan.name,
                    http2=plan.http2,
                    greeting=plan.greeting,
                    manner=plan.manner,
                )
            if verdict is not None:
                self._judge(verdict)
            pause = self._config.interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
            await asyncio.sleep(max(0.01, started + pause - time.monotonic()))

    def _judge(self, verdict: Verdict) -> None:
        found, why = verdict
        before = self._scoreboard.mark(self._place, peer_marks.HEALTH)
        now = int(time.monotonic() * 1000)
        self._scoreboard.set_mark(self._place, peer_marks.CHECKED, now)
        if found == HEALTH_UP:
            self._good, self._bad = self._good + 1, 0
            if before != HEALTH_UP and (before == HEALTH_UNKNOWN or self._good >= self._config.rise):
                if before != HEALTH_UNKNOWN:
                    self._scoreboard.set_mark(self._place, peer_marks.SINCE, now)
                    self._scoreboard.set_mark(self._place, peer_marks.EJECTED_UNTIL, 0)
                    _tell(f"{self._label} is up", log.INFO)
                self._scoreboard.set_mark(self._place, peer_marks.HEALTH, HEALTH_UP)
        else:
            self._good, self._bad = 0, self._bad + 1
            if before != found and (before != HEALTH_UP or self._bad >= self._config.fall):
                self._scoreboard.set_mark(self._place, peer_marks.HEALTH, found)
                _tell(f"{self._label} is {'down' if found == HEALTH_DEAD else 'doubtful'}: {why}", log.WARNING)


def _tell(text: str, level: int) -> None:
    """Of thousands of peers that change together, some; `rspctl peers` has all."""
    log.once_a_second(f"health {level}", text, level, most=_MOST_LINES)


async def check(
    address: Peer, config: HealthConfig, tls: ssl.SSLContext | None = None, name: str = "", *, http2: bool = False,
    greeting: bytes = b"", manner: Manner | None = None,
) -> Verdict | None:  # fmt: skip
    """Ask once, over TLS if there is a context; ``name``: what the certificate has to be for;
    ``greeting``: with which the connection begins; ``manner``: how a peer is asked that does not speak HTTP.

    ``None``: this process has no descriptor left to ask with, which says nothing of the peer.
    """
    try:
        async with asyncio.timeout(config.timeout):
            return await _ask(address, config, tls, name, http2, greeting, manner)
    except TimeoutError:
        return HEALTH_DEAD, f"no response within {config.timeout}"
    except ProtocolError as error:
        return HEALTH_DEAD, f"bad response: {error}"
    except EOFError as error:
        return HEALTH_DOUBTFUL, str(error)
    except ssl.SSLError as error:
        return HEALTH_DEAD, of_peer(TlsError(*meaning(error)), name)
    except OSError as error:
        if error.errno in SCARCE:
            log.once_a_second("checks", f"Cannot check peers for now: {error.strerror}")
            return None
        words = error.strerror or str(error) or type(error).__name__
        return HEALTH_DEAD, words[0].lower() + words[1:]


async def _ask(
    address: Peer, config: HealthConfig, tls: ssl.SSLContext | None, name: str, http2: bool, greeting: bytes,
    manner: Manner | None,
) -> Verdict:  # fmt: skip
    where = address.path if address.is_unix else (address.host, config.port or address.port)
    if config.type == "tcp":
        async with connected(where, tls, name, greeting):
            return HEALTH_UP, ""
    host = (config.host or ("localhost" if address.is_unix else address)).encode()
    if config.type == "grpc":
        fault = await grpc_health.fault(where, host, config.service, tls, name)
        return (HEALTH_DOUBTFUL, fault) if fault else (HEALTH_UP, "")
    method, path, fields = (
        config.method.encode(),
        config.path.encode(),
        b"User-Agent: rsp health check\r\nAccept: */*\r\n",
    )
    limit = _BODY_LIMIT if config.body is not None else 0
    if manner is not None:
        head, body = await ask_cgi(where, manner, method, host, path, fields, limit)
    elif http2:
        head, body, _ = await asking_http2.ask(where, Asked(method, host, path, fields, b"", limit), tls, name)
    else:
        request = b"%b %b HTTP/1.1\r\nHost: %b\r\n%bConnection: close\r\n\r\n" % (method, path, host, fields)
        head, body = await ask(where, request, method, tls=tls, name=name, greeting=greeting, body_limit=limit)
    if not any(head.status in wanted for wanted in statuses(config.status)):
        return HEALTH_DOUBTFUL, f"answered {head.status}"
    if config.body is not None and config.body.encode() not in body:
        return HEALTH_DOUBTFUL, "the body is not as expected"
    return HEALTH_UP, ""


def greeting(upstream: Upstream, checks: HealthConfig) -> bytes:
    """The PROXY header of a check: the connection is rsp's own.  What answers at another port knows nothing of it."""
    return LOCAL[upstream.send_proxy] if upstream.send_proxy is not None and checks.port is None else b""


def security(upstream: Upstream, checks: HealthConfig) -> UpstreamTls | None:
    """How checks are made over TLS: as requests are, unless ``health.tls`` says otherwise.

    Where requests are plain, checks are not verified; nothing says by what.
    """
    if checks.tls is None:
        return upstream.secure
    if not checks.tls:
        return None
    host = checks.host and (checks.host.rpartition(":")[0] or checks.host)
    return upstream.secure or UpstreamTls(name=host, verify=False)
