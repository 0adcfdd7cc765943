"""The keys of issuers of tokens (JWKS): fetched when a configuration names them, and again and again, for the master.

A server that fails is asked again, later and later, and the keys that it gave last stay in use.  Tokens with a key that
is not known have it asked sooner, but at a limited rate, because any client can make such tokens.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from rsp import __version__
from rsp.auth.key_sets import LARGEST, KeySet, reduced
from rsp.config.auth_rules import fetched, key_url
from rsp.config.filters import Jwt
from rsp.config.http_url import HttpUrl
from rsp.config.instance import Dns
from rsp.config.schema import Config
from rsp.config.tls import UpstreamTls
from rsp.control.asking import Where, ask
from rsp.http.errors import ProtocolError
from rsp.logs import log
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName
from rsp.tls.contexts import ContextError, client_ssl_context
from rsp.tls.material import Keyring
from rsp.tls.stdlib import TlsError, meaning
from rsp.tls.words import of_peer

_PATIENCE: Final = 10.0  # seconds for an answer, the name's look-up included
_AGAIN: Final = 1.0  # after a failure; twice as long each time
_AGAIN_LATEST: Final = 60.0
_AGAIN_WITHOUT: Final = 10.0  # the latest, while there are no keys
_LOOK: Final = 0.2  # between two looks at what workers want
_SPARE: Final = 2  # fetches out of turn that are had at once,
_SPARE_EVERY: Final = 10.0  # and how often there is one more
_AT_ONCE: Final = 8  # servers

Told = Callable[[str, bytes], None]


class Unfit(Exception):
    """Why there are no keys: a clause."""


class KeySets:
    """``told(source, keys)`` is called with what was fetched, whether it is new or not.

    ``wanted``: how many requests have ever had a key that was not known, in all workers.
    """

    def __init__(self, told: Told, wanted: Callable[[], int]) -> None:
        self._told = told
        self._wanted = wanted
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._watches: dict[str, tuple[_Watch, asyncio.Task[None]]] = {}
        self._config: Config | None = None

    def arrange(self, config: Config, considered: Config | None, keyring: Keyring) -> None:
        """Follow the keys that ``config`` names, and ``considered``, which is being tried, if anything is.

        With another configuration, what has failed is tried again at once.
        """
        anew, self._config = config is not self._config, config
        sources = fetched(config)
        if considered is not None:
            sources = {**fetched(considered), **sources}
        for source in set(self._watches) - set(sources):
            self._watches.pop(source)[1].cancel()
        for source, jwt in sources.items():
            if source not in self._watches:
                watch = _Watch(self._told, self._wanted, self._places)
                self._watches[source] = watch, asyncio.get_running_loop().create_task(watch.run())
            self._watches[source][0].use(jwt, config.settings.dns, keyring, anew=anew)

    def stop(self) -> None:
        for _, task in self._watches.values():
            task.cancel()
        self._watches.clear()


class _Watch:
    """Of one set."""

    def __init__(self, told: Told, wanted: Callable[[], int], places: asyncio.Semaphore) -> None:
        self._told = told
        self._wanted = wanted
        self._places = places
        self._jwt: Jwt
        self._url: HttpUrl
        self._lookup: Lookup
        self._keyring = Keyring()
        self._anew = False
        self._known = b""
        self._problem = ""
        self._failures = 0
        self._spare = float(_SPARE)
        self._spare_at = 0.0

    def use(self, jwt: Jwt, dns: Dns, keyring: Keyring, *, anew: bool) -> None:
        """How it is fetched from now on; at once, where that has failed: ``anew``, or there are other authorities."""
        anew = anew or keyring.authorities != self._keyring.authorities
        self._anew = self._anew or (anew and self._failures > 0)
        self._jwt = jwt
        self._url = key_url(jwt.jwks)
        self._lookup = Lookup(dns)
        self._keyring = keyring

    async def run(self) -> None:
        while True:
            seen = self._wanted()
            try:
                keys = reduced(await self._fetch())
            except (Unfit, ValueError) as error:
                self._fail(str(error))
            except ImportError as error:  # the process cannot read it any more
                self._fail(f"they cannot be read: {error}; restart rsp")
            else:
                self._take(keys)
            await self._rest(seen)

    # -- what came

    def _take(self, keys: bytes) -> None:
        if keys != self._known or self._problem:
            how = "have changed" if self._known and keys != self._known else "are there"
            count = len(KeySet(keys))
            log.line(f"Keys of {self._url} {how}: {count} {'key' if count == 1 else 'keys'}")
        self._known, self._problem, self._failures = keys, "", 0
        self._told(self._jwt.source, keys)

    def _fail(self, why: str) -> None:
        self._failures += 1
        if why != self._problem:
            text = f"Keys of {self._url} cannot be fetched: {why}; keys that were fetched before stay in use"
            log.line(text, log.WARNING)
        self._problem = why

    # -- time

    async def _rest(self, seen: int) -> None:
        """Until the next fetch is due, or wanted: more requests have had a key that is not known than ``seen``."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._pause()
        self._anew = False
        while (now := loop.time()) < due and not self._anew:
            if self._wanted() != seen and self._may_hurry(now):
                return
            await asyncio.sleep(min(_LOOK, due - now))

    def _pause(self) -> float:
        refresh = float(self._jwt.refresh)
        if not self._failures:
            return refresh
        latest = _AGAIN_LATEST if self._known else _AGAIN_WITHOUT
        return min(_AGAIN * 2.0 ** min(self._failures - 1, 20), latest, refresh)

    def _may_hurry(self, now: float) -> bool:
        """Whether there is a fetch out of turn left, which is used up then."""
        self._spare = min(float(_SPARE), self._spare + (now - self._spare_at) / _SPARE_EVERY)
        self._spare_at = now
        if self._spare < 1.0:
            return False
        self._spare -= 1.0
        return True

    # -- the fetch

    async def _fetch(self) -> bytes:
        """Raises :class:`Unfit`."""
        try:
            async with self._places, asyncio.timeout(_PATIENCE):
                return await self._asked()
        except TimeoutError:
            raise Unfit(f"no response within {_PATIENCE:g} s") from None
        except ssl.SSLError as error:
            raise Unfit(of_peer(TlsError(*meaning(error)), self._url.address.host)) from None
        except (NoSuchName, LookupFailed, ContextError, ProtocolError, EOFError, OSError) as error:
            text = (getattr(error, "strerror", None) or str(error) or "the connection broke off")[:200]
            raise Unfit("".join(letter if letter.isprintable() else "?" for letter in text)) from None

    async def _asked(self) -> bytes:
        url = self._url
        secure = UpstreamTls(ca=self._jwt.ca)
        tls = client_ssl_context(secure, self._keyring) if url.is_secure else None
        head = (
            f"GET {url.target} HTTP/1.1\r\nHost: {url.authority}\r\nUser-Agent: rsp/{__version__}\r\n"
            "Accept: application/jwk-set+json, application/json\r\nConnection: close\r\n\r\n"
        )
        where = await self._address()
        response, body = await ask(where, head.encode(), b"GET", tls=tls, name=url.address.host, body_limit=LARGEST + 1)
        if response.status != 200:
            hint = "; write the URL that it redirects to" if 300 <= response.status < 400 else ""
            raise Unfit(f"the response has status {response.status}{hint}")
        return body

    async def _address(self) -> Where:
        """Each of the server's in turn, while it fails."""
        peer = self._url.address
        if not peer.is_name:
            return peer.host, peer.port
        found = (await self._lookup.addresses(peer.host, peer.port))[0]
        return found[self._failures % len(found)], peer.port
