"""What Lua asks of Python, apart from requests: shared state, and tools from well-kept libraries.

Rules of this room: a service is given plain data and gives plain data, ``(None, message)`` where that fails, and never
an exception, because Lua code could catch it.  Nothing here waits for anything.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, TypeVar

import msgspec

from rsp.http1.fields import flat
from rsp.lua import patterns
from rsp.lua.passwords import Users
from rsp.lua.regexes import Regexes
from rsp.route import normalise_path
from rsp.shared import Shared

T = TypeVar("T")

_REMEMBERED: Final = 1024  # networks
AT_LOAD: Final = b"shared state is for hooks; on_start runs in each worker before it serves"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Services:
    """``store``: the instance's shared state; ``None`` while a configuration is only loaded.

    ``table``: makes a Lua table of a mapping or a list.
    """

    def __init__(self) -> None:
        self.store: Shared | None = None
        self.table: Callable[[Any], Any]
        self._sets: list[list[Network]] = []
        self._network_numbers: dict[bytes, int] = {}
        self._addresses: dict[bytes, ipaddress.IPv4Address | ipaddress.IPv6Address | None] = {}
        self.users: list[Users] = []

    def offered(self) -> dict[str, Callable[..., Any]]:
        """By the names that the rooms of words and ``objects.lua`` use."""
        names = (
            "shared_get", "shared_set", "shared_delete", "shared_keys", "json_decode",
            "base64_encode", "base64_decode", "jwt_verify", "networks", "in_networks", "htpasswd",
            "fields_of",
        )  # fmt: skip
        offered = {name: _guarded(getattr(self, f"_{name}")) for name in names}
        regexes = Regexes(lambda items: self.table(items))
        offered.update({name: _guarded(service) for name, service in regexes.offered().items()})
        offered["search"], offered["find"] = _guarded(patterns.search), _guarded(patterns.find)
        offered["normalise"] = _guarded(normalise_path)
        offered["sha256"] = _guarded(lambda text: hashlib.sha256(text).hexdigest().encode())
        offered["hmac_sha256"] = _guarded(lambda key, text: hmac.new(key, text, "sha256").hexdigest().encode())
        offered["equal"] = _guarded(hmac.compare_digest)
        # On a request's way, so a worker has its own in their place (proxy/hooks.py); elsewhere there is no state.
        offered["shared_incr"] = offered["shared_rate"] = lambda *_: (None, AT_LOAD)
        offered["now"] = time.time
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

    # -- codecs

    def _fields_of(self, block: bytes) -> Any:
        return self.table(flat(block))

    def _json_decode(self, source: bytes, null: Any) -> Any:
        try:
            value = msgspec.json.decode(source)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return None, f"json.decode: {error}".encode()
        return self.to_lua(value, null)

    def to_lua(self, value: Any, null: Any = None) -> Any:
        """Plain data as Lua values; ``null``: what stands for it in lists."""
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            return self.table({self.to_lua(key): self.to_lua(item, null) for key, item in value.items()})
        if isinstance(value, list):
            return self.table([null if item is None else self.to_lua(item, null) for item in value])
        return value

    def _base64_encode(self, value: bytes, for_url: bool) -> Any:
        return base64.urlsafe_b64encode(value).rstrip(b"=") if for_url else base64.b64encode(value)

    def _base64_decode(self, value: bytes) -> Any:
        """Either alphabet, with or without its padding."""
        try:
            plain = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
            return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except binascii.Error as error:
            return None, f"base64.decode: {error}".encode()

    def _jwt_verify(
        self, token: bytes, key: bytes, algorithms: bytes, audience: bytes, issuer: bytes, leeway: float
    ) -> Any:
        import jwt  # a second of everybody's start is too much for what few use

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
        return self.to_lua(claims)

    # -- addresses

    def _networks(self, text: bytes) -> Any:
        number = self._network_numbers.get(text)
        if number is None:
            found = [ipaddress.ip_network(one.strip().decode(), strict=False) for one in text.split(b",") if one]
            if len(self._sets) >= _REMEMBERED:
                raise ValueError("ip: too many sets of networks; make them while the configuration is loaded")
            self._sets.append(found)
            number = self._network_numbers[text] = len(self._sets) - 1
        return number

    def _in_networks(self, number: float, address: bytes) -> Any:
        if address in self._addresses:
            known = self._addresses[address]
        else:
            try:
                known = ipaddress.ip_address(address.decode())
                known = getattr(known, "ipv4_mapped", None) or known
            except ValueError:
                known = None
            if len(self._addresses) >= _REMEMBERED:
                self._addresses.clear()
            self._addresses[address] = known
        return known is not None and any(known in network for network in self._sets[int(number)])

    # -- users

    def _htpasswd(self, source: bytes) -> Any:
        self.users.append(Users(source))
        return len(self.users) - 1


def _guarded(service: Callable[..., T]) -> Callable[..., T | tuple[None, bytes]]:
    def guarded(*given: Any) -> T | tuple[None, bytes]:
        try:
            return service(*given)
        except Exception as error:  # whatever it is, Lua code must not get hold of it
            return None, (str(error) or type(error).__name__).encode()

    return guarded
