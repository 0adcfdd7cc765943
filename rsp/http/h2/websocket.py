"""WebSockets over HTTP/2 (RFC 8441), where the handshake of RFC 6455 has no key: made up and answered here, so that the
other side may speak HTTP/1.1."""

import base64
import hashlib
from os import urandom
from typing import Final

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY: Final = b"sec-websocket-key"
ACCEPT: Final = b"sec-websocket-accept"


def made_up_key() -> bytes:
    """For a peer that wants one."""
    return base64.b64encode(urandom(16))


def accepted(key: bytes) -> bytes:
    """What a client that has sent ``key`` wants to see (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
