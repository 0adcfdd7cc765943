"""What Lua asks of Python, apart from requests: shared state, and tools from well-kept libraries.

Rules of this room: a service is given plain data and gives plain data, ``(None, message)`` where that fails, and never
an exception, because Lua code could catch it.  Nothing here waits for anything.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import importlib
import ipaddress
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, TypeVar

import msgspec

from rsp.auth import htpasswd
from rsp.auth.passwords import Users
from rsp.http.fields import flat
from rsp.http.paths import normalise_path
from rsp.ipc.shared_memory import Shared
from rsp.lua import patterns
from rsp.lua.regexes import Regexes

T = TypeVar("T")

_REMEMBERED: Final = 1024  # networks and addresses
_LONGEST: Final = 64  # bytes of one of them that is remembered
_VALUE: Final = 15  # instructions for a value in JSON, all that is done for it included
_DASHES: Final = bytes.maketrans(b"-_", b"+/")
AT_LOAD: Final = b"shared state is for hooks; on_start runs in each worker before it serves"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Services:
    """``store``: the instance's shared state; ``None`` while a configuration is only loaded.

    ``table``: makes a Lua table of a mapping or a list.
    """

    def __init__(self) -> None:
        self.store: Shared | None = None
        self.table: Callable[[Any], Any]
        self._sets: list[list[Network]] = []  # those of the file
        self._networks_known: dict[bytes, list[Network]] = {}
        self._addresses: dict[bytes, Address | None] = {}
        self.users: list[Users] = []
        self.stores: list[tuple[str, str]] = []  # as the file names them, and where

    def offered(self) -> dict[str, Callable[..., Any]]:
        """By the names that the rooms of words and ``objects.lua`` use."""
        names = (
            "shared_get", "shared_set", "shared_delete", "shared_keys", "json_decode",
            "base64_encode", "base64_decode", "jwt_verify", "networks", "in_networks", "htpasswd",
            "fields_of",
        )  # fmt: skip
        offered = {name: _guarded(getattr(self, f"_{name}")) for name in names}
        regexes = Regexes(lambda items: self.table(items), lambda: self.store is not None)
        offered.update({name: _guarded(service) for name, service in regexes.offered().items()})
        offered["search"], offered["find"] = _guarded(patterns.search), _guarded(patterns.find)
        offered["normalise"] = _guarded(normalise_path)
        offered["sha256"] = _guarded(lambda text: hashlib.sha256(text).hexdigest().encode())
        offered["hmac_sha256"] = _guarded(lambda key, text: hmac.new(key, text, "sha256").hexdigest().encode())
        offered["equal"] = _guarded(hmac.compare_digest)
        # On a request's way, so a worker has its own in their place (proxy/hooks.py); elsewhere there is no state.
        offered["shared_incr"] = offered["shared_rate"] = offered["cluster_rate"] = lambda *_: (None, AT_LOAD)
        offered["wrong_store"] = _guarded(self._store_named)
        offered["now"] = time.time
        offered["clock"] = time.thread_time
        offered["import"] = _guarded(_import)
        offered["monotonic"] = time.monotonic
        offered["http_date"] = _guarded(lambda at: formatdate(at, usegmt=True).encode())
        offered["share"] = _guarded(lambda key: int.from_bytes(hashlib.sha256(key).digest()[:6], "big") / 2**48)
        return offered

    # -- shared state

    def _in(self, store: Shared | None) -> Shared:
        if store is None:
            raise ValueError(AT_LOAD.decode())
        return store

    def _shared_get(self, key: bytes) -> Any:
        return self._in(self.store).get(key)

    def _shared_set(self, key: bytes, value: Any, ttl: float, only_new: bool) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        return self._in(self.store).put(key, value, ttl, only_new)

    def _shared_delete(self, key: bytes) -> Any:
        return self._in(self.store).delete(key)

    def _shared_keys(self, prefix: bytes, limit: float) -> Any:
        keys = self._in(self.store).keys(prefix, int(limit))
        return self.table([key[len(prefix) :] for key in sorted(keys)])

    def _store_named(self, said: bytes, file: bytes | None, line: float) -> bool:
        """Whether there is such a store is known when the whole file has been read."""
        place = f"{(file or b'').decode('utf-8', 'replace')}:{int(line)}"
        self.stores.append((said.decode("utf-8", "replace"), place))
        return True

    # -- codecs

    def _fields_of(self, block: bytes) -> Any:
        return self.table(flat(block))

    def _json_decode(self, source: bytes, left: float) -> Any:
        """The value for ``values.lua`` and its cost in instructions; false if that is more than ``left``.

        There are at most as many values as marks; what stands in strings counts too, which is on the safe side.
        """
        marks = source.count(b",") + source.count(b":") + source.count(b"[") + source.count(b"{")
        work = _VALUE * (marks + 1) + len(source) / 16
        if work > left:
            return False, work
        try:
            return _packed(msgspec.json.decode(source)), work
        except RecursionError:
            return None, b"nested too deep"
        except (msgspec.DecodeError, UnicodeError, OverflowError) as error:
            return None, str(error).encode()

    def _base64_encode(self, value: bytes, for_url: bool) -> Any:
        return base64.urlsafe_b64encode(value).rstrip(b"=") if for_url else base64.b64encode(value)

    def _base64_decode(self, value: bytes) -> Any:
        """Either alphabet, with or without its padding."""
        try:
            plain = value.rstrip(b"=").translate(_DASHES)
            return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
        except binascii.Error as error:
            return None, f"base64.decode: {error}".encode()

    def _jwt_verify(
        self, token: bytes, key: bytes, algorithms: bytes, audience: bytes, issuer: bytes, leeway: float
    ) -> Any:
        import jwt

        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms.decode().split(","),
                audience=audience.decode() or None,
                issuer=issuer.decode() or None,
                leeway=leeway,
                options={"verify_aud": bool(audience)},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            return None, str(error).encode()
        return _packed(claims)

    # -- addresses

    def _networks(self, text: bytes) -> Any:
        found = self._parsed(text)
        if self.store is not None:  # in a hook, where texts may be a client's
            return text
        self._sets.append(found)
        return len(self._sets) - 1

    def _parsed(self, text: bytes) -> list[Network]:
        found = self._networks_known.get(text)
        if found is None:
            found = [ipaddress.ip_network(part.strip().decode(), strict=False) for part in text.split(b",") if part]
            _remember(self._networks_known, text, found)
        return found

    def _in_networks(self, which: float | bytes, text: bytes) -> Any:
        networks = self._parsed(which) if isinstance(which, bytes) else self._sets[int(which)]
        if text in self._addresses:
            address = self._addresses[text]
        else:
            address = None
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(text.decode()) if len(text) <= _LONGEST else None
                address = getattr(address, "ipv4_mapped", None) or address
            _remember(self._addresses, text, address)
        return address is not None and any(address in network for network in networks)

    # -- users

    def _htpasswd(self, source: bytes) -> Any:
        try:
            htpasswd.check(source)
        except ValueError as error:
            raise ValueError(f"htpasswd: {error}") from None
        self.users.append(Users.of(source))
        return len(self.users) - 1


def _import(library: bytes) -> None:
    """When it is first used: a second of every start is too much for what few configurations need."""
    importlib.import_module(library.decode())


def _packed(value: Any) -> bytes:
    """For values.lua, whose numbers are floats."""
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:
        return msgspec.msgpack.encode(_floats(value))


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _remember(known: dict[bytes, T], text: bytes, value: T) -> None:
    """Within bounds, because clients may choose ``text``."""
    if len(text) <= _LONGEST:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[text] = value


def _guarded(service: Callable[..., T]) -> Callable[..., T | tuple[None, bytes]]:
    def guarded(*given: Any) -> T | tuple[None, bytes]:
        try:
            return service(*given)
        except Exception as error:  # whatever it is, Lua code must not get hold of it
            return None, (str(error) or type(error).__name__).encode()

    return guarded
