"""The fields of ``config/log_fields.py``, read at the end of an exchange: for logs, conditions, traces.

A reader is looked up once, by name, and called with each exchange and the moment of its end.  It gives bytes, a
number, or ``None`` for what there is not.  Secrets are masked, unless a condition compares them.
"""

import time
from collections.abc import Callable
from typing import Final

from rsp.config.log_fields import field, prefix_of
from rsp.config.value_words import ALIASES
from rsp.exchange.filters.forwarded import name_of
from rsp.exchange.grpc import code_told
from rsp.exchange.subject import Subject
from rsp.exchange.tls import tls_told
from rsp.exchange.told import scheme_of, user_of
from rsp.http.apart import request_field, response_field
from rsp.http.lines import get
from rsp.http.names import APART
from rsp.logs.json_line import moment

Value = bytes | float | None
Reader = Callable[[Subject, float], Value]


def reader(name: str, *, raw: bool = False) -> Reader:
    """``raw``: values of secrets as they are.  Raises :class:`ValueError` where there is no such field."""
    field(name)
    name = ALIASES.get(name, name)
    if raw and name in _RAW:
        return _RAW[name]
    if name in _READERS:
        return _READERS[name]
    prefix = prefix_of(name)
    return _FAMILIES[prefix](name.removeprefix(prefix), raw)


def reader_or_group(name: str) -> Reader:
    """As :func:`reader`; what is no field is a group of the route's ``regex``."""
    try:
        return reader(name)
    except ValueError:
        return _of_group(name, False)


# -- the request


def _target(exchange: Subject, _ended: float) -> bytes:
    return exchange.config.secrets.target(exchange.head.target)


def _raw_target(exchange: Subject, _ended: float) -> bytes:
    return exchange.head.target


def _path(exchange: Subject, _ended: float) -> bytes:
    return exchange.head.target.partition(b"?")[0]


def _raw_query(exchange: Subject, _ended: float) -> bytes:
    return exchange.head.target.partition(b"?")[2]


def _query(exchange: Subject, ended: float) -> bytes:
    return exchange.config.secrets.query(_raw_query(exchange, ended))


def _protocol(exchange: Subject, _ended: float) -> bytes:
    return b"HTTP/" + exchange.head.version if exchange.head.method else b""


def _request(exchange: Subject, ended: float) -> bytes:
    return _line(exchange, _target(exchange, ended))


def _raw_request(exchange: Subject, _ended: float) -> bytes:
    return _line(exchange, exchange.head.target)


def _line(exchange: Subject, target: bytes) -> bytes:
    head = exchange.head
    return b"%b %b HTTP/%b" % (head.method, target, head.version) if head.method else b""


def _raw_referer(exchange: Subject, _ended: float) -> bytes:
    return exchange.head.referer


def _referer(exchange: Subject, _ended: float) -> bytes:
    return exchange.config.secrets.url(exchange.head.referer)


def _of_request(name: str, raw: bool) -> Reader:
    wanted = name.lower().encode()

    def read(exchange: Subject, _ended: float) -> Value:
        found = get(exchange.head.fields, wanted)
        if found is None and wanted in APART:
            found = request_field(exchange.head, wanted)
        return found if found is None or raw else exchange.config.secrets.field(wanted, found)

    return read


def _of_query(name: str, raw: bool) -> Reader:
    key = name.encode()

    def read(exchange: Subject, _ended: float) -> Value:
        for pair in exchange.head.target.partition(b"?")[2].split(b"&"):
            found, _, text = pair.partition(b"=")
            if found == key:
                secrets = exchange.config.secrets
                return text if raw else b"***" if secrets.is_secret(key) else secrets.url(text)
        return None

    return read


def _of_cookie(name: str, raw: bool) -> Reader:
    key = name.encode()

    def read(exchange: Subject, _ended: float) -> Value:
        for pair in (get(exchange.head.fields, b"cookie") or b"").split(b";"):
            found, equals, text = pair.strip().partition(b"=")
            if found == key and equals:
                return text if raw else b"***"
        return None

    return read


def _of_group(name: str, _raw: bool) -> Reader:
    def read(exchange: Subject, _ended: float) -> Value:
        return exchange.captures.get(name) if exchange.captures is not None else None

    return read


# -- the response


def _of_response(name: str, raw: bool) -> Reader:
    wanted = name.lower().encode()

    def read(exchange: Subject, _ended: float) -> Value:
        head = exchange.response_head
        if head is None:
            return None
        found = get(head.fields, wanted) or response_field(head, wanted)
        return found if found is None or raw else exchange.config.secrets.field(wanted, found)

    return read


def _grpc_status(exchange: Subject, _ended: float) -> int | None:
    code = code_told(exchange.grpc_status, exchange.response_head) if exchange.head.grpc else -1
    return code if code >= 0 else None


# -- its way


def _time(exchange: Subject, ended: float) -> bytes:
    return moment(time.time() - (exchange.context.clock() - ended))


def _time_local(exchange: Subject, ended: float) -> bytes:
    then = time.localtime(time.time() - (exchange.context.clock() - ended))
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", then).encode()


def _wait(exchange: Subject, ended: float) -> float:
    return (exchange.responder.started or ended) - exchange.started


def _first_byte(exchange: Subject, _ended: float) -> float | None:
    came = exchange.responder.first_byte
    return came - exchange.started if came else None


def _upstream_name(exchange: Subject, _ended: float) -> bytes:
    return exchange.upstream.name.encode() if exchange.upstream is not None else b""


def _peer(exchange: Subject, _ended: float) -> bytes:
    return exchange.responder.peers_tried.rpartition(b",")[2]


def _retries(exchange: Subject, _ended: float) -> int:
    return max(0, exchange.responder.tries - 1)


def _trace_id(exchange: Subject, _ended: float) -> Value:
    journal = exchange.journal
    return journal.trace.trace_id if journal is not None and journal.trace is not None else None


def _of_hook(name: str, _raw: bool) -> Reader:
    def read(exchange: Subject, _ended: float) -> Value:
        return exchange.logged.get(name) if exchange.logged is not None else None

    return read


def _of_tls(name: str) -> Reader:
    def read(exchange: Subject, _ended: float) -> bytes:
        return tls_told(exchange, name)

    return read


def _resumed(exchange: Subject, _ended: float) -> int:
    tls = exchange.session.tls
    return int(tls is not None and tls.resumed)


_RAW: Final[dict[str, Reader]] = {
    "target": _raw_target,
    "uri": _raw_target,
    "request": _raw_request,
    "query": _raw_query,
    "referer": _raw_referer,
}

_READERS: Final[dict[str, Reader]] = {
    "time": _time,
    "time_local": _time_local,
    "client": lambda exchange, ended: exchange.client,
    "method": lambda exchange, ended: exchange.head.method,
    "target": _target,
    "path": _path,
    "query": _query,
    "uri": _target,
    "request": _request,
    "host": lambda exchange, ended: name_of(exchange.head.host),
    "authority": lambda exchange, ended: exchange.head.host,
    "scheme": lambda exchange, ended: scheme_of(exchange),
    "protocol": _protocol,
    "listener": lambda exchange, ended: exchange.session.listener.encode(),
    "status": lambda exchange, ended: exchange.status,
    "grpc_status": _grpc_status,
    "bytes": lambda exchange, ended: exchange.sent,
    "bytes_received": lambda exchange, ended: exchange.received,
    "duration": lambda exchange, ended: ended - exchange.started,
    "wait": _wait,
    "connect": lambda exchange, ended: exchange.responder.connect_seconds,
    "first_byte": _first_byte,
    "upstream": lambda exchange, ended: exchange.responder.peers_tried,
    "peer": _peer,
    "upstream_name": _upstream_name,
    "upstream_time": lambda exchange, ended: exchange.responder.seconds,
    "retries": _retries,
    "route": lambda exchange, ended: exchange.route.name.encode(),
    "user": lambda exchange, ended: user_of(exchange),
    "request_id": lambda exchange, ended: exchange.request_id,
    "user_agent": lambda exchange, ended: exchange.head.user_agent,
    "referer": _referer,
    "tls_version": _of_tls("tls_version"),
    "tls_cipher": _of_tls("tls_cipher"),
    "tls_resumed": _resumed,
    "sni": _of_tls("sni"),
    "client_cert_subject": _of_tls("client_cert_subject"),
    "client_cert_fingerprint": _of_tls("client_cert_fingerprint"),
    "trace_id": _trace_id,
}

_FAMILIES: Final[dict[str, Callable[[str, bool], Reader]]] = {
    "request.header.": _of_request,
    "response.header.": _of_response,
    "header.": _of_request,
    "capture.": _of_group,
    "query.": _of_query,
    "cookie.": _of_cookie,
    "log.": _of_hook,
}
