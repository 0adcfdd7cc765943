"""Health checks by gRPC's own protocol: ``grpc.health.v1.Health/Check``, with its two messages by hand.

Each has one field: the name of a service (``string service = 1``), and how it is (``ServingStatus status = 1``).
"""

import ssl
from typing import Final

from rsp.control.asking import Where
from rsp.control.asking_http2 import Answer, Asked, ask
from rsp.http.errors import ProtocolError
from rsp.http.grpc import CODES, NO_STATUS, TYPE, status_in, status_of

_PATH: Final = b"/grpc.health.v1.Health/Check"
_SERVING: Final = 1
_SERVING_STATUS: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_NAMES: Final = {code: name.upper() for name, code in CODES.items()}
_FIELD: Final = 1 << 3  # number 1: a varint
_TEXT: Final = _FIELD | 2  # number 1: a length and so many bytes
_MOST: Final = 4 << 10  # bytes of an answer


async def fault(where: Where, authority: bytes, service: str, tls: ssl.SSLContext | None = None, name: str = "") -> str:
    """Why ``service`` does not serve: a clause; empty if it does.  Without a name it is the server as a whole.

    Raises as :func:`rsp.control.asking_http2.ask`.
    """
    fields = b"content-type: %b\r\nte: trailers\r\nuser-agent: rsp health check\r\n" % TYPE
    asked = Asked(b"POST", authority, _PATH, fields, question(service), _MOST)
    return verdict(await ask(where, asked, tls, name), service)


def question(service: str) -> bytes:
    """A HealthCheckRequest, with the five bytes that stand before each message of gRPC."""
    name = service.encode()
    text = bytes((_TEXT,)) + _varint(len(name)) + name if name else b""
    return b"\0" + len(text).to_bytes(4) + text


def verdict(answer: Answer, service: str) -> str:
    """What :func:`fault` returns.  Raises :class:`ProtocolError`."""
    if answer.head.status != 200:
        return f"answered {answer.head.status}, which is not gRPC"
    code = status_of(answer.trailers) if answer.trailers else status_in(answer.head.fields)
    if code == CODES["unimplemented"]:
        return "has no health service (grpc.health.v1.Health)"
    if code == CODES["not_found"]:
        return f'its health service does not know the service "{service}"'
    if code == NO_STATUS:
        return "answered without a grpc-status"
    if code != CODES["ok"]:
        return f"answered with grpc-status {code} ({_NAMES[code]})"
    status = _status_in(answer.body)
    if status == _SERVING:
        return ""
    return f"answered {_SERVING_STATUS[status] if status < len(_SERVING_STATUS) else status}"


def _status_in(body: bytes) -> int:
    """Of a HealthCheckResponse.  0 is not sent, so that an empty message is one."""
    if len(body) < 5 or body[0] or int.from_bytes(body[1:5]) != len(body) - 5:
        raise ProtocolError("not one plain message of gRPC")
    at, status = 5, 0
    while at < len(body):
        key, at = _read_varint(body, at)
        if key & 7 == 0:
            value, at = _read_varint(body, at)
            status = value if key == _FIELD else status
        else:
            at = _skip(body, key & 7, at)
    return status


def _skip(body: bytes, wire: int, at: int) -> int:
    """Behind a field that is not known."""
    if wire == 2:
        size, at = _read_varint(body, at)
        at += size
    elif wire in (1, 5):
        at += 8 if wire == 1 else 4
    else:
        raise ProtocolError("a message that is not protobuf")
    if at > len(body):
        raise ProtocolError("a message that breaks off")
    return at


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    """The number, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(body):
            break
        byte = body[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
    raise ProtocolError("a message that breaks off")
