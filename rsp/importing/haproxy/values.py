"""HAProxy's times, sizes and log formats in rsp's words."""

import re
from typing import Final

from rsp.importing import units
from rsp.importing.ordered.condition import Inexpressible

_TIME: Final = re.compile(r"([0-9]+)(us|ms|s|m|h|d)?")
_SIZE: Final = re.compile(r"([0-9]+)([kmg])?b?", re.IGNORECASE)
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FACTORS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_ITEM: Final = re.compile(r"%%|%\{[^}]*\}(?:\[[^\]]*\]|\w+)|%\[((?:[^\[\]]|\[[^\]]*\])*)\]|%([A-Za-z]+)")
_SAMPLES: Final = {
    "src": "{client}",
    "path": "{path}",
    "pathq": "{uri}",
    "url": "{uri}",
    "capture.req.uri": "{uri}",
    "query": "{query}",
    "unique-id": "{request_id}",
    "ssl_fc_sni": "{tls.sni}",
    "ssl_fc_protocol": "{tls.version}",
    "ssl_fc_cipher": "{tls.cipher}",
    "ssl_c_s_dn": "{client_cert_subject}",
    "base": "{host}{path}",
}
_ALIASES: Final = {"ci": "{client}", "ID": "{request_id}", "HP": "{path}", "HQ": "{query}", "HU": "{uri}"}
_FIELD: Final = re.compile(r"(?:req\.)?f?hdr\(([\w-]+)(?:,-?[0-9]+)?\)")
_COOKIE: Final = re.compile(r"(?:req\.)?cook\(([\w.-]+)\)")


def seconds(text: str, unit: str = "ms") -> float:
    """Raises :class:`Inexpressible`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Inexpressible(f'"{text}" is not a time')
    return int(match[1]) * _SECONDS[match[2] or unit]


def is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


def duration(text: str, unit: str = "ms") -> str:
    return units.duration(seconds(text, unit))


def size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Inexpressible(f'"{text}" is not a size')
    return int(match[1]) * _FACTORS[(match[2] or "").lower()]


def placeholders(text: str, ports: frozenset[str] = frozenset()) -> str:
    """A log format as a text of rsp's.  ``ports``: those of the listeners.  Raises :class:`Inexpressible`."""
    found: list[str] = []
    end = 0
    for match in _ITEM.finditer(text):
        found.append(_literal(text[end : match.start()]))
        found.append("%" if match[0] == "%%" else _sample(match, ports))
        end = match.end()
    return "".join(found) + _literal(text[end:])


def _literal(text: str) -> str:
    if "%" in text:
        raise Inexpressible("a % in it that is no item of a log format")
    return re.sub(r"\{([\w.-]+)\}", r"{{\1}}", text)


def _sample(match: "re.Match[str]", ports: frozenset[str]) -> str:
    if match[2] is not None:
        name = match[2]
        if name in _ALIASES:
            return _ALIASES[name]
        raise Inexpressible(f"rsp has no placeholder for %{name}")
    name = (match[1] or match[0]).strip()
    name = re.sub(r",(?:lower|url_dec|field\(1,:\)|word\(1,:\)|host_only)$", "", name) if _host(name) else name
    if name in _SAMPLES:
        return _SAMPLES[name]
    if _host(name):
        return "{authority}" if name == (match[1] or "").strip() else "{host}"
    if name in ("dst_port", "fc_dport") and len(ports) == 1:
        return next(iter(ports))
    if (plain := re.fullmatch(r"str\((.*)\)", name)) is not None:
        return _literal(plain[1].strip("'\""))
    if (header := _FIELD.fullmatch(name)) is not None:
        return f"{{header.{header[1]}}}"
    if (cookie := _COOKIE.fullmatch(name)) is not None:
        return f"{{cookie.{cookie[1]}}}"
    raise Inexpressible(f"rsp has no placeholder for %[{name}]")


def _host(name: str) -> bool:
    return re.match(r"(?:req\.)?f?hdr\(host\)", name, re.IGNORECASE) is not None
