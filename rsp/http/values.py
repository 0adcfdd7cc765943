"""What single values may be, whatever protocol brought them."""

import re
from http import HTTPStatus
from typing import Final

SOUND_ID: Final = re.compile(rb"[A-Za-z0-9._:@/+=\-]{1,128}")
PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}
_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_~!$&'()*+,;=%]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?")
# Longer than a DNS name with a port (RFC 1035 section 2.3.4): it could only fill the memory of what remembers hosts.
_HOST_SIZE: Final = 261


def quoted(text: str) -> bytes:
    """As a quoted-string, with its marks (RFC 9110 section 5.6.4)."""
    return b'"%b"' % text.replace("\\", "\\\\").replace('"', '\\"').encode()


def is_authority(value: bytes) -> bool:
    """Whether ``value`` can be the value of Host (RFC 9110 section 7.2)."""
    return len(value) <= _HOST_SIZE and _HOST.fullmatch(value) is not None
