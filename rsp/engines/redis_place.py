"""The way to the Redis server of a store: its endpoints, Sentinel, TLS, credentials, the database.

Rules of this room: one attempt, no repetition; nothing is kept between attempts but which endpoint is asked first.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Final

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.config.store_rules import StoreUrl
from rsp.config.tls import UpstreamTls
from rsp.config.units import Address
from rsp.engines.credentials import password_of
from rsp.engines.failures import Unreachable
from rsp.engines.redis_link import Link, Unavailable, reason
from rsp.engines.resp import ErrorReply
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName
from rsp.tls.contexts import ContextError, client_ssl_context
from rsp.tls.material import Keyring

_SENTINEL_REPLY: Final = 1 << 12
_MOST_ADDRESSES: Final = 8  # of one name
_NAME: Final = "rsp"  # in CLIENT LIST
_FULL: Final = "max number of clients reached"
_REPLICAS: Final = (b"slave", b"replica")


class RedisPlace:
    """``dns``, ``keyring``: how names are looked up, and the content of files that ``store`` names; replaced when they
    change."""

    def __init__(self, store: Store, dns: Dns, keyring: Keyring, limit: int) -> None:
        self._store = store
        self.dns = dns
        self._limit = limit
        self._turn = 0
        self.keyring = keyring
        self.url = StoreUrl.parse(store.url)
        if self.url.service is not None or not all(_is_ip(Address.parse(host).host) for host in self.url.hosts):
            _warm_up()

    async def connect(self, lost: Callable[[str], None]) -> Link:
        """A connection that has been let in.  Raises :class:`Unavailable`."""
        timeout = float(self._store.timeout)
        try:
            async with asyncio.timeout(timeout):
                return await self._first(lost)
        except TimeoutError:
            raise Unavailable(f"no connection within {timeout:g} s") from None

    async def _first(self, lost: Callable[[str], None]) -> Link:
        """By the first endpoint that answers, from that which answered last.  Each gets its share of the time."""
        hosts: tuple[str | None, ...] = self.url.hosts or (None,)
        share = float(self._store.timeout) / len(hosts)
        problems: list[str] = []
        for turn in range(len(hosts)):
            number = (self._turn + turn) % len(hosts)
            host = hosts[number]
            try:
                async with asyncio.timeout(share):
                    link = await self._try(host, lost)
            except (Unavailable, TimeoutError) as error:
                problems.append(f"{host}: {reason(error)}" if len(hosts) > 1 else reason(error))
            else:
                self._turn = number
                return link
        raise Unavailable("; ".join(problems)[:500])

    async def _try(self, host: str | None, lost: Callable[[str], None]) -> Link:
        if self.url.service is None or host is None:
            return await self._enter(host, lost)
        master = await self._master(host, self.url.service)
        try:
            return await self._enter(master, lost)
        except Unavailable as error:
            raise Unavailable(f"{master}, which Sentinel names: {error}") from None

    # -- Sentinel

    async def _master(self, sentinel: str, service: str) -> str:
        async with self._opened(sentinel, _SENTINEL_REPLY, _ignore) as link:
            try:
                found = await self._ask_sentinel(link, service)
            finally:
                link.close()
        match found:
            case [bytes(host), bytes(port)]:
                return _address(host, port)
            case None:
                raise Unavailable(f'Sentinel knows no service "{service}"')
        raise Unavailable("the reply of Sentinel is not an address")

    async def _ask_sentinel(self, link: Link, service: str) -> Any:
        """It gets the credentials only if it asks for some."""
        try:
            return await link.call("SENTINEL", "get-master-addr-by-name", service)
        except ErrorReply as error:
            if error.code != "NOAUTH":
                raise Unavailable(f"Sentinel answers {error}") from None
        try:
            await self._authenticate(link)
            return await link.call("SENTINEL", "get-master-addr-by-name", service)
        except ErrorReply as error:
            raise Unavailable(f"Sentinel answers {error}") from None

    # -- the server

    async def _enter(self, host: str | None, lost: Callable[[str], None]) -> Link:
        async with self._opened(host, self._limit, lost) as link:
            await self._authenticate(link)
            await self._greet(link)
            if self.url.database:
                await _expect(link, "SELECT", self.url.database)
            if self.url.service is not None or len(self.url.hosts) > 1:
                await _be_primary(link)
            return link

    @asynccontextmanager
    async def _opened(self, host: str | None, limit: int, lost: Callable[[str], None]) -> AsyncIterator[Link]:
        """Closed again if what is done with it fails."""
        link = Link(float(self._store.timeout), limit, lost)
        try:
            await self._open(link, host)
            yield link
        except (OSError, ssl.SSLError) as error:
            link.close()
            raise Unavailable(reason(error)) from None
        except BaseException:
            link.close()
            raise

    async def _open(self, link: Link, host: str | None) -> None:
        loop, context = asyncio.get_running_loop(), self._context()
        tls = self._store.tls
        name = tls.name if tls is not None else None
        if host is None:
            await loop.create_unix_connection(lambda: link, self.url.path)
            return
        address = Address.parse(host)
        problem: Exception = Unavailable("it has no address")
        for found in await self._addresses(address):
            try:
                await loop.create_connection(
                    lambda: link, found, address.port, ssl=context,
                    server_hostname=(name or address.host) if context is not None else None,
                )  # fmt: skip
                return
            except (OSError, ssl.SSLError) as error:
                problem = error
        raise problem

    async def _addresses(self, address: Address) -> list[str]:
        if _is_ip(address.host):
            return [address.host]
        try:
            found, _ = await Lookup(self.dns).addresses(address.host)
        except (LookupFailed, NoSuchName) as error:
            raise Unavailable(str(error)) from None
        return found[:_MOST_ADDRESSES]

    def _context(self) -> ssl.SSLContext | None:
        if not self.url.secure:
            return None
        try:
            return client_ssl_context(self._store.tls or UpstreamTls(), self.keyring)
        except ContextError as error:
            raise Unavailable(f"tls: {error}") from None

    async def _authenticate(self, link: Link) -> None:
        try:
            password = password_of(self._store, self.keyring)
        except Unreachable as error:
            raise Unavailable(f"password_file {error}") from None
        if password is None:
            return
        user = self._store.username
        try:
            await link.call("AUTH", *((user, password) if user is not None else (password,)))
        except ErrorReply as error:  # not its text, which may repeat what was sent
            full = _FULL in str(error)
            raise Unavailable(_FULL if full else f"it refuses the credentials ({error.code})") from None

    async def _greet(self, link: Link) -> None:
        """Whether commands are taken; a user without the right to this command may have the rights that are needed."""
        try:
            await link.call("CLIENT", "SETNAME", _NAME)
        except ErrorReply as error:
            if error.code in ("NOAUTH", "LOADING", "MASTERDOWN", "DENIED") or _FULL in str(error):
                raise Unavailable(_spoken(error)) from None


async def _expect(link: Link, *given: str | int) -> None:
    try:
        await link.call(*given)
    except ErrorReply as error:
        raise Unavailable(f"{given[0]}: {error}") from None


async def _be_primary(link: Link) -> None:
    try:
        found = await link.call("ROLE")
    except ErrorReply:  # no right to ask; then writing will tell
        return
    if isinstance(found, list) and found and found[0] in _REPLICAS:
        raise Unavailable("it is a replica")


def _warm_up() -> None:
    """What look-ups need: after the start, rsp's user may not be able to read it."""
    import dns.asyncresolver
    import dns.nameserver  # noqa: F401


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _spoken(error: ErrorReply) -> str:
    if error.code == "NOAUTH":
        return "it requires a password: set password or password_file, and username if necessary"
    return str(error)


def _address(host: bytes, port: bytes) -> str:
    try:
        text = host.decode("ascii")
        found = Address.parse(f"[{text}]:{port.decode('ascii')}" if ":" in text else f"{text}:{port.decode('ascii')}")
    except ValueError:
        raise Unavailable("the reply of Sentinel is not an address") from None
    if found.is_unix:
        raise Unavailable("the reply of Sentinel is not an address")
    return str(found)


def _ignore(_why: str) -> None:
    pass
