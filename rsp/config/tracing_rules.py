"""What the types of the schema cannot say about ``tracing``, and its endpoint taken apart."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from rsp.config.errors import Path
from rsp.config.observe import Tracing
from rsp.config.units import Peer, show

_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"[!-~]*")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\uffff]*")
_OWN: Final = frozenset(("host", "connection", "content-length", "content-type", "content-encoding", "te", "trailer",
                         "transfer-encoding", "upgrade", "expect"))  # fmt: skip
_EXAMPLE: Final = '"http://127.0.0.1:4318/v1/traces"'


class Endpoint(NamedTuple):
    """Where spans are sent.  ``authority``: the host as a request names it."""

    is_secure: bool
    address: Peer
    authority: str
    target: str

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Raises :class:`ValueError` saying what was expected."""
        found = _URL.fullmatch(url)
        if found is None or _VISIBLE.fullmatch(url) is None:
            raise ValueError(f"expected a URL such as {_EXAMPLE}, got {show(url.rpartition('@')[2])}")
        is_secure, authority, target = found[1].lower() == "https", found[2], found[3]
        if "@" in authority:
            raise ValueError('credentials in the URL; write headers = { Authorization = "..." }')
        if target in ("", "/"):
            raise ValueError(f'the path is missing: most collectors take spans at "{found[1]}://{authority}/v1/traces"')
        has_port = re.search(r":\d+$", authority) is not None
        address = Peer.parse(authority if has_port else f"{authority}:{443 if is_secure else 80}")
        if address.is_unix or address.is_srv:
            raise ValueError(f"expected a URL such as {_EXAMPLE}, got {show(url)}")
        return cls(is_secure, address, authority, target if target[0] == "/" else "/" + target)


def mistakes(tracing: Tracing | None) -> Iterator[tuple[Path, str]]:
    if tracing is None:
        return
    try:
        Endpoint.parse(tracing.endpoint)
    except ValueError as error:
        yield ("tracing", "endpoint"), f"tracing: endpoint: {error}"
    for name, value in tracing.headers.items():
        if _NAME.fullmatch(name) is None:
            yield ("tracing", "headers"), f"tracing: headers: {show(name)} is not a field name"
        elif name.lower() in _OWN:
            yield ("tracing", "headers"), f"tracing: headers: rsp writes {show(name)} itself; leave it out"
        elif _VALUE.fullmatch(value) is None:  # the value may be a secret, so it is not shown
            yield (
                ("tracing", "headers"),
                f"tracing: headers: the value of {show(name)} has characters that no field may have",
            )
