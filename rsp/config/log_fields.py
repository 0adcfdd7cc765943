"""The fields of requests that logs, conditions and traces know, by name.

``exchange/fields.py`` says where each comes from.  Times are in seconds, sizes in bytes.
"""

import re
from typing import Final, Literal, NamedTuple

from rsp.config import field_words
from rsp.config.errors import suggest
from rsp.config.value_words import ALIASES

Kind = Literal["text", "number"]


class Field(NamedTuple):
    """``help``: for the documentation."""

    kind: Kind
    help: str


def _text(help_: str) -> Field:
    return Field("text", help_)


def _number(help_: str) -> Field:
    return Field("number", help_)


FIELDS: Final[dict[str, Field]] = {
    "time": _text("When the response was complete: `2026-11-23T12:59:00.123Z`."),
    "time_local": _text("The same in local time, as `combined` has it: `23/Nov/2026:12:59:00 +0000`."),
    "client": _text("The client's address, as a `trusted` proxy tells it."),
    "method": _text("Empty if the request could not be read."),
    "target": _text("Path and query, as received; values of secret keys masked."),
    "path": _text("The target without its query."),
    "query": _text("The target's query, without `?`; values of secret keys masked."),
    "uri": _text("The same as `target`, which placeholders call so."),
    "request": _text("`method`, `target` and `protocol`: `GET /x HTTP/1.1`."),
    "host": _text("The host that the request is for, without the port."),
    "authority": _text("The host with its port, as the request has it."),
    "scheme": _text("`http` or `https`, as a `trusted` proxy tells it."),
    "protocol": _text("`HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`."),
    "listener": _text("The address of the listener, as the configuration has it."),
    "status": _number("Status of the response; 499 if the client left before there was one."),
    "grpc_status": _number("Status of a gRPC call: 0 is OK. Empty for other requests, and where the call has none."),
    "bytes": _number("Bytes of the response's body that were sent."),
    "bytes_received": _number("Bytes of the request's body that were received."),
    "duration": _number("From the request's head to the end of the response."),
    "wait": _number("From the request's head until the last try began: hooks, the queue, failed tries."),
    "connect": _number("For connecting to peers, all tries together; 0 if an open connection was used."),
    "first_byte": _number("From the request's head to the head of the response."),
    "upstream": _text("The peers that were tried, with commas between; the last one answered."),
    "peer": _text("The peer that answered, or was asked last."),
    "upstream_name": _text("The upstream that the request went to."),
    "upstream_time": _number("What the peers took."),
    "retries": _number("Tries after the first one."),
    "route": _text("The route's name; empty if there is none."),
    "user": _text("The user that `auth` has found: of a password, a token, or a service; empty if there is none."),
    "request_id": _text("Its X-Request-Id."),
    "user_agent": _text("The request's User-Agent."),
    "referer": _text("The request's Referer; values of secret keys masked."),
    "tls_version": _text("`TLSv1.2` or `TLSv1.3`; empty without TLS, as those that follow."),
    "tls_cipher": _text("The cipher, as OpenSSL calls it."),
    "tls_resumed": _number("1 if the handshake resumed an earlier session, else 0."),
    "sni": _text("The name that the client asked for in the handshake."),
    "client_cert_subject": _text("The subject of the client's certificate, if it is verified."),
    "client_cert_fingerprint": _text("Its SHA-256 fingerprint."),
    "trace_id": _text("The trace that the request belongs to, with `tracing`."),
}

# Families of fields: what comes behind the prefix is a name of the user's.
PREFIXES: Final[dict[str, Field]] = {
    "request.header.": _text("A field of the request; credentials are masked."),
    "response.header.": _text("A field of the response; cookies are masked."),
    "header.": _text("The same as `request.header.`, as in placeholders."),
    "query.": _text("A value in the query; that of a secret key is masked."),
    "cookie.": _text("`***` if the request has such a cookie."),
    "capture.": _text("What a group of the route's `regex` has found, by number or name."),
    "log.": _text("What a hook has assigned: `req.log.user = ...`."),
}

DEFAULT_JSON: Final = (
    "time", "client", "method", "target", "protocol", "status", "bytes", "duration", "upstream", "upstream_time",
    "route", "request_id",
)  # fmt: skip

_LONGEST: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9_.!#$%&'*+^`|~-]+")


def field(name: str) -> Field:
    """Raises :class:`ValueError`."""
    name = ALIASES.get(name, name)
    if name in FIELDS:
        return FIELDS[name]
    prefix = prefix_of(name)
    if not prefix:
        own = field_words.said(name)
        near = f" (in rsp: {own})" if own else suggest(name, (*FIELDS, *PREFIXES))
        raise ValueError(f'there is no field "{_short(name)}"{near}')
    rest = name.removeprefix(prefix)
    if not rest:
        raise ValueError(f'"{prefix}" requires a name after it: {prefix}{_EXAMPLES[prefix]}')
    if len(rest) > _LONGEST or _NAME.fullmatch(rest) is None:
        raise ValueError(f'"{_short(name)}" is not a valid field name')
    return PREFIXES[prefix]


def kind(name: str) -> Kind:
    """Raises :class:`ValueError` where there is no such field."""
    return field(name).kind


def prefix_of(name: str) -> str:
    """Of the family that it belongs to; empty: it is a field by itself, or none."""
    return next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "..."


_EXAMPLES: Final = {
    "request.header.": "user-agent", "response.header.": "content-type", "query.": "page", "cookie.": "session",
    "header.": "user-agent", "capture.": "1", "log.": "user",
}  # fmt: skip
