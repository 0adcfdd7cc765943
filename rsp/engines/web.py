"""HTTP to an engine: one endpoint after the other while they fail, with limits of time and of bytes.

Rules of this room: messages never have a request's target, fields or body, which may be secrets.  Redirects are not
followed, proxies of the environment not used; names are looked up as those of peers.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Self, TypeVar

import aiohttp
from aiohttp import StreamReader
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage

from rsp import __version__
from rsp.config.engines import Access, EngineUrl
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.config.units import Address
from rsp.engines.failures import Broken, Oversized, Unreachable, is_crowded
from rsp.engines.web_failures import failures
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName
from rsp.tls.contexts import ContextError, client_ssl_context
from rsp.tls.material import Keyring

_CONNECTING: Final = 2.0  # seconds for a connection: an endpoint that is cut off must not hold up the others
_CONNECTIONS: Final = 8
_MOST_INTERIM: Final = 16  # answers, before the one that counts
_AT_ONCE: Final = 64 << 10
_ANSWERS: Final = 1 << 20  # bytes
# When nothing comes, the kernel asks whether the other side is still there: the seconds before
# the first probe, the seconds between probes, and their number.
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))

Fields = Mapping[str, str]
Result = TypeVar("Result")


class Stream:
    """A response whose body comes as things happen.  ``endpoint``: the one that answers."""

    def __init__(
        self, response: aiohttp.ClientResponse, endpoint: str, host: str, silence: float | None = None
    ) -> None:
        self._response = response
        self._host = host
        self._silence = silence
        self.endpoint = endpoint
        self.status = response.status

    def field(self, name: str) -> str:
        """Of the response's head; empty where there is none."""
        return self._response.headers.get(name, "")

    def close(self) -> None:
        """The connection stays usable if the whole body has been read."""
        self._response.close()

    async def read(self, limit: int = _ANSWERS) -> bytes:
        """The whole body."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise Oversized(f"{self.endpoint}: the answer has more than {limit >> 10} KB")
        return self._sparse(bytes(found), limit)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of at most 64 KB."""
        while True:
            with failures(self.endpoint, self._host, 0):
                piece = await self._piece()
            if not piece:
                return
            yield piece

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(self._silence):
                return await self._response.content.read(_AT_ONCE)
        except TimeoutError:
            raise Unreachable(f"{self.endpoint}: it has been silent for {self._silence:g} s") from None

    async def lines(self, limit: int = _ANSWERS) -> AsyncIterator[bytes]:
        """Each line as it comes, without its end."""
        rest = bytearray()
        async for piece in self.pieces():
            rest += piece
            if b"\n" in piece:
                *whole, last = rest.split(b"\n")
                rest = last
                for line in whole:
                    yield self._sparse(bytes(line), limit)
            if len(rest) > limit:
                raise Oversized(f"{self.endpoint}: a line of the answer has more than {limit >> 10} KB")
        if rest:
            yield self._sparse(bytes(rest), limit)

    def _sparse(self, data: bytes, limit: int) -> bytes:
        if is_crowded(data, limit):
            raise Oversized(f"{self.endpoint}: the answer has too many values")
        return data


class Web:
    """A session with the endpoints of ``url``, or with a local socket at ``path``.

    ``fields`` go with each request; they may be changed at any time.
    """

    def __init__(self, access: Access, url: EngineUrl, dns: Dns, keyring: Keyring, path: str | None = None) -> None:
        self.patience = float(access.timeout)  # seconds
        self._tls = (access.tls or UpstreamTls()) if url.is_secure and path is None else None
        self._endpoints = (path,) if path is not None else url.hosts
        self._path = path
        self._dns = dns
        self._keyring = keyring
        self._first = 0  # the endpoint that is asked first: the one that answered last
        self._session: aiohttp.ClientSession
        self.fields: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Raises :class:`Unreachable` for files of TLS that cannot be used."""
        connector = self._connector()
        # There is no public way to say how answers are read either.
        connector._factory = partial(_Answers, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": f"rsp/{__version__}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # an answer of a few bytes could become any number
            trust_env=False,
        )
        # aiohttp sends GET, PUT and DELETE again when a connection breaks off; there is no public way to forbid it.
        # A conditional write that had arrived would fail then, because of itself.
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def _connector(self) -> aiohttp.BaseConnector:
        if self._path is not None:
            return aiohttp.UnixConnector(self._path, limit=_CONNECTIONS)
        try:
            context = client_ssl_context(self._tls, self._keyring) if self._tls is not None else True
        except ContextError as error:
            raise Unreachable(f"TLS cannot be set up: {error}") from None
        return aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            ssl=context,
            resolver=_Resolver(self._dns),
            use_dns_cache=False,  # the resolver knows how long an answer holds
            socket_factory=_kept_alive,
        )

    # -- what is asked

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        limit: int = _ANSWERS,
        *,
        fields: Fields | None = None,
        timeout: float | None = None,
        repeat: bool = True,
    ) -> tuple[int, bytes]:
        """Status and body.  ``timeout``: of each endpoint, instead of the configured one.

        The next endpoint is asked when one fails or answers with 500 or above; the last such answer counts.  Without
        ``repeat``: only when no connection could be made.  Raises :class:`Unreachable`.
        """
        patience = timeout or self.patience

        async def once(at: int) -> tuple[int, bytes]:
            with failures(*self._names(at), patience):
                async with asyncio.timeout(patience):
                    stream = await self._request(at, method, target, body, fields, None)
                    try:
                        return stream.status, await stream.read(limit)
                    finally:
                        stream.close()

        return await self._over_all(once, lambda answer: answer[0], repeat)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        fields: Fields | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        repeat: bool = True,
    ) -> AsyncIterator[Stream]:
        """As :meth:`ask`, but only the head has to come in time; the body is read inside, for as long as it takes.

        ``silence``: the longest time without a byte of the body; default: any.
        """
        patience = timeout or self.patience

        async def once(at: int) -> Stream:
            with failures(*self._names(at), patience):
                async with asyncio.timeout(patience):
                    return await self._request(at, method, target, body, fields, silence)

        stream = await self._over_all(once, lambda stream: stream.status, repeat)
        try:
            yield stream
        except Unreachable:
            if self.endpoint == stream.endpoint:  # else another one has answered since
                self.turn()
            raise
        finally:
            stream.close()

    @property
    def endpoint(self) -> str:
        """The one that answered last."""
        return self._endpoints[self._first]

    def turn(self) -> None:
        """The endpoint that answered last is not to be trusted: begin with the next one."""
        self._first = (self._first + 1) % len(self._endpoints)

    # -- endpoints

    async def _over_all(
        self, once: Callable[[int], Awaitable[Result]], status: Callable[[Result], int], repeat: bool
    ) -> Result:
        problems: list[Unreachable] = []
        count = len(self._endpoints)
        order = [(self._first + step) % count for step in range(count)]
        for at in order:
            try:
                answer = await self._persistent(once, at, repeat)
            except Oversized:
                raise
            except Unreachable as error:
                problems.append(error)
                if not (repeat or error.untouched):
                    break
                continue
            if status(answer) >= 500 and repeat and at != order[-1]:
                if isinstance(answer, Stream):
                    answer.close()
                continue
            self._first = at
            return answer
        self.turn()
        raise Unreachable("; ".join(map(str, problems)), untouched=all(each.untouched for each in problems))

    async def _persistent(self, once: Callable[[int], Awaitable[Result]], at: int, repeat: bool) -> Result:
        """A connection that was kept may be gone when it is used: then once more."""
        try:
            return await once(at)
        except Broken:
            if not repeat:
                raise
            return await once(at)

    def _names(self, at: int) -> tuple[str, str]:
        """Of an endpoint: in messages, and in its certificate."""
        endpoint = self._endpoints[at]
        return endpoint, self._tls.name or Address(endpoint).host if self._tls is not None else ""

    async def _request(
        self, at: int, method: str, target: str, body: bytes | None, fields: Fields | None, silence: float | None
    ) -> Stream:
        endpoint, host = self._names(at)
        scheme = "https" if self._tls is not None else "http"
        patience = min(self.patience, _CONNECTING)
        options: dict[str, Any] = {"server_hostname": self._tls.name} if self._tls and self._tls.name else {}
        response = await self._session.request(
            method,
            f"{scheme}://{endpoint if self._path is None else 'localhost'}{target}",
            data=body,
            headers={**self.fields, **(fields or {})},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience),
            **options,
        )
        return Stream(response, endpoint, host, silence)


class _Answers(ResponseHandler):
    """On one connection.  aiohttp takes any number of interim ones (1xx), tens of thousands in a turn of the loop."""

    _interim = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        self._interim = self._interim + 1 if 100 <= data[0].code < 200 else 0
        if self._interim <= _MOST_INTERIM:
            super().feed_data(data, size)
        elif self._interim == _MOST_INTERIM + 1:
            self.set_exception(HttpProcessingError(message="too many interim answers"))
            if self.transport is not None:
                self.transport.abort()


class _Resolver(AbstractResolver):
    """Names as those of peers are looked up: ``/etc/hosts``, then the configured servers."""

    def __init__(self, dns: Dns) -> None:
        self._lookup = Lookup(dns)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = (await self._lookup.addresses(host, port))[0]
        except (NoSuchName, LookupFailed) as error:
            raise OSError(str(error)) from None
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing is kept open."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def _kept_alive(info: Any) -> socket.socket:
    made = socket.socket(*info[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
