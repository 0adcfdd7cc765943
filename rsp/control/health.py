"""Active checks: one task for each peer that is to be checked, for the whole instance.

A verdict goes into the peer's HEALTH mark, where all workers see it.  Three kinds: it is as it should be; it answers,
but not as it should; it does not answer.  The first check decides at once, later ones by ``rise`` and ``fall``.
"""

import asyncio
import contextlib
import random
import ssl
import time
from typing import Final

from rsp.config.rules import statuses
from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.config.upstreams import Health as HealthConfig
from rsp.http.errors import ProtocolError
from rsp.http.h1.reader import read_body, read_final_head
from rsp.http.message import ResponseHead
from rsp.ipc import peer_marks
from rsp.ipc.peer_marks import HEALTH_DEAD, HEALTH_DOUBTFUL, HEALTH_UNKNOWN, HEALTH_UP
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.logs import log
from rsp.net.poller import SCARCE
from rsp.system.descriptors import for_checks

_HEAD_LIMIT: Final = 32 << 10
_BODY_LIMIT: Final = 64 << 10
_JITTER: Final = 0.1

Verdict = tuple[int, str]  # HEALTH_UP or another; the clause says why another


class Checks:
    """The tasks."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._tasks: dict[int, tuple[HealthConfig, asyncio.Task[None]]] = {}  # by place
        self._turns = asyncio.Semaphore(for_checks())

    def arrange(self, config: Config, members: PeerTable) -> None:
        """Check the members of upstreams with ``health``, and no others."""
        wanted = {
            member.place: (upstream.name, member.address, upstream.checks)
            for upstream in config.upstreams
            if upstream.checks is not None
            for member in members.upstreams.get(upstream.name, [])
        }
        for place, (config_then, task) in list(self._tasks.items()):
            if place not in wanted or wanted[place][2] != config_then:
                task.cancel()
                del self._tasks[place]
                if place not in wanted:
                    self._scoreboard.set_mark(place, peer_marks.HEALTH, HEALTH_UNKNOWN)
        for upstream in config.upstreams:  # marks that a predecessor of this process left behind
            for member in members.upstreams.get(upstream.name, []):
                if upstream.checks is None and self._scoreboard.mark(member.place, peer_marks.HEALTH):
                    self._scoreboard.set_mark(member.place, peer_marks.HEALTH, HEALTH_UNKNOWN)
        for place, (name, address, health) in wanted.items():
            if place not in self._tasks and health is not None:
                watch = _Watch(self._scoreboard, self._turns, place, name, address, health)
                self._tasks[place] = (health, asyncio.get_running_loop().create_task(watch.run()))


class _Watch:
    """One peer."""

    def __init__(
        self,
        scoreboard: Scoreboard,
        turn: asyncio.Semaphore,
        place: int,
        upstream: str,
        address: Peer,
        config: HealthConfig,
    ) -> None:
        self._scoreboard = scoreboard
        self._turn = turn
        self._place = place
        self._label = f'upstream "{upstream}": peer {address}'
        self._address = address
        self._config = config
        self._good = self._bad = 0

    async def run(self) -> None:
        while True:
            async with self._turn:
                started = time.monotonic()
                verdict = await check(self._address, self._config)
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
                    log.line(f"{self._label} is up")
                self._scoreboard.set_mark(self._place, peer_marks.HEALTH, HEALTH_UP)
        else:
            self._good, self._bad = 0, self._bad + 1
            if before != found and (before != HEALTH_UP or self._bad >= self._config.fall):
                self._scoreboard.set_mark(self._place, peer_marks.HEALTH, found)
                log.line(f"{self._label} is {'down' if found == HEALTH_DEAD else 'doubtful'}: {why}")


async def check(address: Peer, config: HealthConfig) -> Verdict | None:
    """Ask once.  ``None``: this process has no descriptor left to ask with, which says nothing of the peer."""
    try:
        async with asyncio.timeout(config.timeout):
            return await _ask(address, config)
    except TimeoutError:
        return HEALTH_DEAD, f"no answer within {config.timeout}"
    except ProtocolError as error:
        return HEALTH_DEAD, f"bad answer: {error}"
    except OSError as error:
        if error.errno in SCARCE:
            log.once_a_second("checks", f"Cannot check peers for now: {error.strerror}")
            return None
        return HEALTH_DEAD, (error.strerror or str(error) or type(error).__name__).lower()


async def _ask(address: Peer, config: HealthConfig) -> Verdict:
    context = None
    name = None
    if config.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        name = config.host.rpartition(":")[0] or config.host if config.host else ""
    if address.is_unix:
        reader, writer = await asyncio.open_unix_connection(address.path, ssl=context, server_hostname=name)
    else:
        reader, writer = await asyncio.open_connection(
            address.host, config.port or address.port, ssl=context, server_hostname=name
        )
    try:
        if config.type == "tcp":
            return HEALTH_UP, ""
        host = config.host or ("localhost" if address.is_unix else address)
        writer.write(
            f"{config.method} {config.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rsp health check\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        head, rest = await read_final_head(reader, config.method.encode(), _HEAD_LIMIT)
        if not any(head.status in wanted for wanted in statuses(config.status)):
            return HEALTH_DOUBTFUL, f"answered {head.status}"
        if config.body is not None and config.body.encode() not in await _body(reader, head, rest):
            return HEALTH_DOUBTFUL, "the body is not as expected"
        return HEALTH_UP, ""
    finally:
        writer.transport.abort()


async def _body(reader: asyncio.StreamReader, head: ResponseHead, data: bytes) -> bytes:
    """Its beginning."""
    body = b""
    with contextlib.suppress(EOFError):
        async for piece in read_body(reader, head, data):
            body += piece
            if len(body) >= _BODY_LIMIT:
                break
    return body
