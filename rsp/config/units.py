"""Durations, sizes and addresses as people write them in a configuration."""

import re
from contextlib import suppress
from ipaddress import ip_network
from typing import Final

MOST_WORKERS: Final = 128  # of one instance, whichever way they are asked for
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)?")
_WORDS: Final = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)\s*(?:(?P<us>[uµ]s(?:ec)?s?|micros(?:econd)?s?)|(?P<ms>ms(?:ec)?s?|millis(?:econd)?s?)"
    r"|(?P<m>min(?:ute)?s?)|(?P<s>s(?:ec(?:ond)?)?s?)|(?P<h>h(?:(?:ou)?r)?s?)|(?P<d>d(?:ay)?s?))",
    re.IGNORECASE,
)
_SECONDS: Final = {"us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_LONGEST: Final = 1e10  # seconds
_LARGEST: Final = 1 << 60  # bytes: twice of that is still a number in C
_SIZE = re.compile(r"(\d+)\s*([kmg]?)i?b?", re.IGNORECASE)
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,15}://")
_BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:?/+")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?")
_PASSED = re.compile(r"[!-9;-~]{1,255}")  # sd_listen_fds_with_names(3)
_DISCOVERED = re.compile(r"discover:.+#[0-9a-f]{16}", re.DOTALL)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?")


class Duration(float):
    """Seconds.  Written as a number of seconds or as ``"50us"``, ``"5ms"``, ``"5s"``, ``"2m"``, ``"1h"``, ``"1d"``."""

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Raises :class:`ValueError` saying what was expected."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST:
            return cls(value)
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f'expected a duration such as "500ms", "5s" or "2m", got {show(value)}{_in_words(value)}')
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds >= _LONGEST:
            raise ValueError(f"expected less than {_LONGEST:.0e} seconds, got {show(value)}")
        return cls(seconds)

    def __str__(self) -> str:
        if self and self < 0.001:
            return f"{self * 1e6:g}us"
        if self and self < 1:
            return f"{self * 1000:g}ms"
        return f"{float(self):.10g}s"


def _in_words(given: object) -> str:
    """What to write instead of ``"5 sec"`` or ``"2 minutes"``."""
    found = _WORDS.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        return ""
    unit = next(unit for unit in ("us", "ms", "m", "s", "h", "d") if found[unit])
    return f'; write "{found["number"]}{unit}"'


class Size(int):
    """Bytes.  Written as a number of bytes or as ``"64KB"``, ``"10MB"``, ``"1GB"`` (powers of 1024)."""

    @classmethod
    def parse(cls, value: object) -> "Size":
        """Raises :class:`ValueError` saying what was expected."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            size = value
        else:
            match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 32 else None
            if match is None:
                raise ValueError(f'expected a size such as "64KB" or "10MB", got {show(value)}')
            size = int(match[1]) * _BYTES[match[2].lower()]
        if size > _LARGEST:
            raise ValueError(f"expected at most {cls(_LARGEST)}, got {show(value)}")
        return cls(size)

    def __str__(self) -> str:
        for suffix, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
            if self and self % factor == 0:
                return f"{self // factor}{suffix}"
        return str(int(self))


class Function(str):
    """A function of the configuration, by where it begins: ``site.lua:12``.  Lua's come with ``MARK`` before it."""

    MARK: Final = "\0function "

    @classmethod
    def parse(cls, value: object) -> "Function":
        """Raises :class:`ValueError` saying what was expected."""
        if isinstance(value, str) and value.startswith(cls.MARK):
            return cls(value.removeprefix(cls.MARK))
        if type(value) is cls:
            return value
        raise ValueError(f"expected a function, got {show(value)}")


class Secret(str):
    """A text that ``rsp -T`` does not show, and no message does either."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Secret":
        """Raises :class:`ValueError` saying what was expected."""
        if isinstance(value, str):
            return cls(value)
        raise ValueError("expected a text")

    def __repr__(self) -> str:
        return '"***"'


def without_credentials(url: str) -> str:
    """As messages may repeat it: without a user, a password and a query, however the rest is written."""
    if url.startswith("unix:/") and url[6:7] != "/":
        return url
    user, at, rest = url.rpartition("@")
    found = _BEGINNING.match(user) if at else None
    return (found[0] if found is not None else "") + rest.partition("?")[0]


def _without_scheme(url: str) -> str:
    """How to write the address in ``url``."""
    scheme, _, rest = url.partition("://")
    if rest.startswith("unix:"):
        return f'write "unix:/{rest[5:].strip("/").partition(":")[0]}"'
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    secure = scheme.lower() in ("https", "wss", "h2")
    if not re.search(r":\d+$", host):
        host = f"{host.removesuffix(':')}:{443 if secure else 80}"
    advice = f'an address has no "{scheme}://"; write "{host}"'
    if path:
        advice += f' (for the path: rewrite = "{slash}{path}" in a route)'
    return f"{advice}; for TLS, say tls = true in the listener or the upstream" if secure else advice


def _option(address: str, words: str) -> str:
    """What to say of the ``words`` behind an address."""
    if option := re.fullmatch(r"(weight|max_conns)=(\d+)", words):
        return f': {{ "{address}", {option[1]} = {option[2]} }}'
    if re.search(r"\b(?:proxy_protocol|accept-proxy)\b", words):
        return f': {{ "{_with_port(address)}", proxy_protocol = {{ from = {{ "10.0.0.0/8" }} }} }}'
    if re.search(r"\bsend-proxy", words):
        return ': send_proxy = "v2" of the upstream'
    if re.search(r"\b(?:ssl|tls|https)\b", words):
        return f': {{ "{_with_port(address)}", tls = true }}'
    if re.search(r"\b(?:quic|http3|h3)\b", words):
        return "; rsp does not speak HTTP/3 yet"
    if re.search(r"\b(?:http2|h2c?)\b", words):
        return f': {{ "{_with_port(address)}", http2 = "prior-knowledge" }}, or tls = true for HTTP/2 over TLS'
    return ""


def _with_port(address: str) -> str:
    return address if ":" in address else f"0.0.0.0:{address}"


class Address(str):
    """``"host:port"``, ``"[v6]:port"`` or ``"unix:/path"``, checked.  ``host`` is empty for a unix socket."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Address":
        """Raises :class:`ValueError` saying what was expected."""
        if not isinstance(value, str):
            raise ValueError(f'expected an address such as "127.0.0.1:8000" or "unix:/run/app.sock", got {show(value)}')
        if value.startswith("unix:"):
            if not value.startswith("unix:/") or len(value.encode()) > 107 + 5 or "\0" in value:
                raise ValueError(f'"{value}": expected unix: and an absolute path of at most 107 bytes')
            return cls(value)
        if "@" in value or _URL.match(value):
            value = without_credentials(value)
            way = _without_scheme(value) if _URL.match(value) else 'write "host:port", without credentials'
            raise ValueError(f'"{value}": {way}')
        host, colon, port = value.rpartition(":")
        wrong = re.search(r"[\s,;]+", value)
        if wrong and wrong.start() and (host or value[: wrong.start()].isdigit()):
            first, rest = value[: wrong.start()], value[wrong.end() :]
            raise ValueError(
                f'"{value}": expected one address; write "{first}", and options as keys behind it{_option(first, rest)}'
            )
        if not colon or not host or (":" in host and not host.startswith("[")):
            hint = f' (an IPv6 address goes in brackets: "[{value}]:80")' if value.count(":") > 1 else ""
            if not colon and _NAME.fullmatch(value):
                hint = f' (the port is missing: "{value}:80")'
            raise ValueError(f'"{value}": expected "host:port", "[v6]:port" or "unix:/path"{hint}')
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
            raise ValueError(f'"{value}": expected a port from 0 to 65535, got "{port}"')
        good = _IPV6.fullmatch(host[1:-1]) if host[0] == "[" and host[-1] == "]" else _NAME.fullmatch(host)
        if good is None:
            raise ValueError(f'"{value}": "{host}" is not a host name or address')
        return cls(value)

    @property
    def is_unix(self) -> bool:
        return self.startswith("unix:")

    @property
    def is_passed(self) -> bool:
        """Whether it stands for a socket that a service manager passes."""
        return self.startswith("systemd:")

    @property
    def name(self) -> str:
        """Of a socket that is passed."""
        return self[8:]

    @property
    def path(self) -> str:
        """Of a unix socket."""
        return self[5:]

    @property
    def host(self) -> str:
        return "" if self.is_unix else self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return 0 if self.is_unix or self.is_passed else int(self.rpartition(":")[2])


class Listen(Address):
    """An address to listen on; a port alone means every IPv4 address.  ``"systemd:web"``: the sockets that a service
    manager passes under the name ``web``."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Listen":
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str):
            if value.isdigit():
                value = "0.0.0.0:" + value
            elif value.startswith(("*:", ":")):
                value = "0.0.0.0:" + value.rpartition(":")[2]
            elif value.startswith("systemd:"):
                if not _PASSED.fullmatch(value[8:]):
                    raise ValueError(f'"{value}": expected the name of a passed socket, as in "systemd:web"')
                return cls(value)
        return cls(Address.parse(value))


class Peer(Address):
    """A backend's address, its port not 0, or ``"srv:name"``: where the SRV records of ``name`` lead."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Peer":
        if isinstance(value, str) and value.startswith("srv:"):
            if not _NAME.fullmatch(value[4:].rstrip(".")):
                raise ValueError(f'"{value}": expected a name as in "srv:_http._tcp.example.com"')
            return cls(value)
        if isinstance(value, str) and _DISCOVERED.fullmatch(value):  # which rules refuse where a file says it
            return cls(value)
        address = Address.parse(value)
        if not address.is_unix and address.port == 0:
            raise ValueError(f'"{address}": a peer\'s port is from 1 to 65535')
        return cls(address)

    @classmethod
    def discovered(cls, source: str) -> "Peer":
        """What stands for the peers of an upstream that are discovered at ``source``."""
        return cls(f"discover:{source}")

    @property
    def is_discovered(self) -> bool:
        return self.startswith("discover:")

    @property
    def port(self) -> int:
        """0: it is known where it is looked up."""
        return 0 if self.is_srv or self.is_discovered else super().port

    @property
    def is_srv(self) -> bool:
        return self.startswith("srv:")

    @property
    def is_name(self) -> bool:
        """Whether it has to be looked up."""
        if self.is_srv or self.is_discovered:
            return True
        host = self.host
        return not self.is_unix and ":" not in host and not host.replace(".", "").isdigit()


def _network(given: object) -> str:
    """What to write instead of ``given``, which is no network."""
    if isinstance(given, str) and given[:5] == "file:":
        return '; files are for "allow" and "deny"'
    with suppress(ValueError):
        return f'; write "{ip_network(str(given), strict=False)}" for the network, or the address alone'
    return ""


class Network(str):
    """``"10.0.0.0/8"``, a single address, or ``"unix:"`` for clients of unix sockets."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Network":
        """Raises :class:`ValueError` saying what was expected."""
        try:
            if not isinstance(value, str):
                raise ValueError
            return cls(value if value == "unix:" else ip_network(value))
        except ValueError:
            raise ValueError(f'expected a network such as "10.0.0.0/8", got {show(value)}{_network(value)}') from None


def show(value: object) -> str:
    """A value as a message names it."""
    if isinstance(value, str):
        return f'"{value if len(value) < 60 else value[:57] + "..."}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return "nil" if value is None else str(value)


def spoken(value: object) -> str:
    """``"; write true"`` for a word that means it elsewhere, or ``""``."""
    return (
        "; write true"
        if value in ("on", "yes", "true")
        else "; leave it out"
        if value in ("off", "no", "false")
        else ""
    )
