"""The way of spans to the collector: one request for a batch, one batch at a time, within bounded time.

What is kept and dropped is for ``span_queue.py`` to say; nothing here makes another part of the control process wait.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from rsp import __version__
from rsp.config.http_url import HttpUrl
from rsp.config.observe import Tracing
from rsp.config.schema import Settings
from rsp.config.tls import UpstreamTls
from rsp.config.tracing_rules import endpoint_of
from rsp.control.asking import ask
from rsp.control.otlp import Verdict, batch, encode_span, verdict
from rsp.control.span_queue import SpanQueue
from rsp.http.errors import ProtocolError
from rsp.http.lines import get
from rsp.ipc.spans import Span, Value
from rsp.logs import log
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName
from rsp.tls.contexts import ContextError, client_ssl_context
from rsp.tls.material import Keyring
from rsp.tls.stdlib import TlsError, meaning
from rsp.tls.words import of_peer

_PATIENCE: Final = 10.0  # seconds for a batch, the name's look-up included
_FAREWELL: Final = 1.0  # when the process ends
_LONGEST_WAIT: Final = 60.0
_UNTIL_CONFIGURED: Final = 5.0  # seconds that spans are kept before there is a collector


class Export:
    """``counted(exported, dropped)`` is called with numbers of spans."""

    def __init__(self, counted: Callable[[int, int], None]) -> None:
        self._counted = counted
        self._queue = SpanQueue(counted)
        self._tracing: Tracing | None = None
        self._endpoint: HttpUrl
        self._lookup: Lookup
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._attempts = 0
        self._forgetting = False
        self._was_failing = False

    def arrange(self, settings: Settings) -> None:
        """Follow the configuration: spans that wait go to the new collector."""
        tracing = settings.tracing
        self._lookup = Lookup(settings.dns)
        if tracing is not None and tracing != self._tracing:
            self._endpoint = endpoint_of(tracing.endpoint)
        self._tracing = tracing
        self._news.set()
        if tracing is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, spans: Sequence[Span]) -> None:
        """Send them, if there is a collector; workers may know of one a moment before this process does."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._queue.is_full():  # found out before any work is done on them
            self._counted(0, len(spans))
            return
        for span in spans:
            self._queue.add(encode_span(span), now)
        self._news.set()
        if self._tracing is None and not self._forgetting:
            self._forgetting = True
            loop.call_later(_UNTIL_CONFIGURED, self._forget)

    def _forget(self) -> None:
        """There is no collector after all."""
        self._forgetting = False
        if self._tracing is None and self._task is None:
            self._queue.clear()

    async def finish(self) -> None:
        """The process ends: what waits is sent, if the collector is quick."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        try:
            async with asyncio.timeout(_FAREWELL):
                while self._tracing is not None and len(self._queue) and not self._queue.failing:
                    await self._send(at_once=True)
        except TimeoutError:
            pass
        self._queue.clear()

    async def _run(self) -> None:
        while self._tracing is not None:
            await self._send()
            await self._wait()
        self._queue.clear()
        self._task = None

    async def _wait(self) -> None:
        """Until a batch is due, or something is new."""
        left = self._queue.due() - asyncio.get_running_loop().time()
        if left > 0:
            try:
                async with asyncio.timeout(min(left, _LONGEST_WAIT)):
                    await self._news.wait()
            except TimeoutError:
                pass
        self._news.clear()

    async def _send(self, *, at_once: bool = False) -> None:
        """What is due."""
        queue, loop = self._queue, asyncio.get_running_loop()
        spans = queue.take(loop.time(), at_once=at_once)
        if not spans:
            return
        said = Verdict(len(spans), "rsp ended", again=True, pause=0.0)
        try:
            said = await self._post(spans)
        finally:
            queue.ended(said, loop.time())
        self._tell(said)

    async def _post(self, spans: list[bytes]) -> Verdict:
        endpoint, count = self._endpoint, len(spans)
        try:
            async with asyncio.timeout(_PATIENCE):
                tls = client_ssl_context(UpstreamTls(), Keyring()) if endpoint.is_secure else None
                where = await self._address(), endpoint.address.port
                head, body = await ask(where, self._request(spans), b"POST", tls=tls, name=endpoint.address.host)
        except TimeoutError:
            return Verdict(count, "it does not respond", again=True)
        except ssl.SSLError as error:
            return Verdict(count, of_peer(TlsError(*meaning(error)), endpoint.address.host), again=True)
        except (NoSuchName, LookupFailed, ContextError, ProtocolError, EOFError, OSError) as error:
            return Verdict(count, _clause(error), again=True)
        return verdict(head.status, get(head.fields, b"retry-after") or b"", body, count)

    async def _address(self) -> str:
        """Each of the collector's in turn."""
        peer = self._endpoint.address
        self._attempts += 1
        if not peer.is_name:
            return peer.host
        found = (await self._lookup.addresses(peer.host, peer.port))[0]
        return found[self._attempts % len(found)]

    def _request(self, spans: list[bytes]) -> bytes:
        endpoint, tracing = self._endpoint, self._tracing
        given = tracing.headers if tracing is not None else {}
        body = batch(_resource(tracing.service if tracing is not None else ""), spans)
        lines = [
            f"POST {endpoint.target} HTTP/1.1",
            f"Host: {endpoint.authority}",
            *(f"{name}: {value}" for name, value in ({"User-Agent": f"rsp/{__version__}"} | given).items()),
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _tell(self, said: Verdict) -> None:
        """When the collector begins to fail, and when that is over."""
        failing = bool(self._queue.failing)
        where = self._endpoint.address
        if failing and not self._was_failing:
            log.line(f"Tracing: the collector at {where} does not accept spans: {said.reason}", log.WARNING)
        elif failing != self._was_failing:
            log.line(f"Tracing: the collector at {where} accepts spans again")
        elif said.reason and not failing:
            log.once_a_second("tracing", f"Tracing: the collector at {where}: {said.reason}")
        self._was_failing = failing


def _resource(service: str) -> dict[str, Value]:
    """What made the spans."""
    return {
        "service.name": service[:256],
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}:{os.getppid()}",  # the master's number is the instance's
        "host.name": socket.gethostname(),
    }


def _clause(error: Exception) -> str:
    """Why there is no answer, on one line."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
