"""Caddy's placeholders, durations and sizes in rsp's words."""

import re
from typing import Final

from rsp.importing import units
from rsp.importing.ordered.condition import Inexpressible

_PLACEHOLDER: Final = re.compile(r"\{([\w.-]+(?:\[[0-9]+\])?)\}")
_NAMES: Final = {
    "host": "{host}", "http.request.host": "{host}", "hostport": "{authority}", "http.request.hostport": "{authority}",
    "path": "{path}", "http.request.uri.path": "{path}", "http.request.orig_uri.path": "{path}",
    "orig_path": "{path}", "query": "{query}", "http.request.uri.query": "{query}", "orig_uri": "{uri}",
    "uri": "{uri}", "http.request.uri": "{uri}", "http.request.orig_uri": "{uri}",
    "scheme": "{scheme}", "http.request.scheme": "{scheme}",
    "remote_host": "{client}", "http.request.remote.host": "{client}", "client_ip": "{client}",
    "http.vars.client_ip": "{client}", "remote": "{client}", "http.request.remote": "{client}",
    "tls_version": "{tls.version}", "http.request.tls.version": "{tls.version}",
    "tls_cipher": "{tls.cipher}", "http.request.tls.cipher_suite": "{tls.cipher}",
    "http.request.tls.server_name": "{tls.sni}",
    "tls_client_subject": "{client_cert_subject}", "http.request.tls.client.subject": "{client_cert_subject}",
    "tls_client_fingerprint": "{client_cert_fingerprint}",
    "http.request.tls.client.fingerprint": "{client_cert_fingerprint}",
    "http.request.uuid": "{request_id}", "uuid": "{request_id}", "http.auth.user.id": "{user}",
}  # fmt: skip
_FAMILIES: Final = (
    (re.compile(r"(?:http\.request\.)?header\.([\w-]+)"), "{{header.{}}}"),
    (re.compile(r"(?:http\.request\.)?cookie\.([\w.-]+)"), "{{cookie.{}}}"),
    (re.compile(r"(?:http\.regexp|re)\.(?:\w+\.)?([1-9])"), "{{{}}}"),
)
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def placeholders(text: str) -> str:
    """Raises :class:`Inexpressible`.  Variables of the environment stay as they are."""

    def change(match: "re.Match[str]") -> str:
        name = match[1]
        if name in _NAMES:
            return _NAMES[name]
        for pattern, form in _FAMILIES:
            if (found := pattern.fullmatch(name)) is not None:
                return form.format(found[1])
        if name.startswith("env."):
            return match[0]
        raise Inexpressible(f"rsp has no placeholder for {match[0]}")

    return _PLACEHOLDER.sub(change, text)


def seconds(text: str) -> float:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Inexpressible(f'"{text}" is not a duration')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def duration(text: str) -> str:
    return units.duration(seconds(text))


def size(text: str) -> int:
    """Bytes: MB are 1,000,000 of them, MiB 1,048,576."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Inexpressible(f'"{text}" is not a size')
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** ("", "k", "m", "g", "t").index(match[2].lower()))
