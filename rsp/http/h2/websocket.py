"""WebSockets over HTTP/2 (RFC 8441), where the handshake of RFC 6455 has no key: made up and answered here, so that the
other side may speak HTTP/1.1."""

import base64
import hashlib
from os import urandom
from typing import Final

from rsp.http.message import RequestHead

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WEBSOCKET: Final = b"websocket"
KEY: Final = b"sec-websocket-key"
ACCEPT: Final = b"sec-websocket-accept"


def made_up_key() -> bytes:
    """For a peer that wants one."""
    return base64.b64encode(urandom(16))


def accepted(key: bytes) -> bytes:
    """What a client that has sent ``key`` wants to see (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def is_websocket(head: RequestHead) -> bool:
    """Whether it asks for one, as HTTP/1.1 does."""
    return head.method == b"GET" and head.framing == 0 and head.upgrade.lower() == WEBSOCKET
