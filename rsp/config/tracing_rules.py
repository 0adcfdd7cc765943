"""What the types of the schema cannot say about ``tracing``, and its endpoint taken apart."""

import re
from collections.abc import Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.http_url import HttpUrl
from rsp.config.observe import Tracing
from rsp.config.struct import TOKEN
from rsp.config.units import show

_VALUE: Final = re.compile(r"[\t -~\x80-\uffff]*")
_OWN: Final = frozenset(("host", "connection", "content-length", "content-type", "content-encoding", "te", "trailer",
                         "transfer-encoding", "upgrade", "expect"))  # fmt: skip
_EXAMPLE: Final = '"http://127.0.0.1:4318/v1/traces"'


def endpoint_of(url: str) -> HttpUrl:
    """Where spans are sent.  Raises :class:`ValueError` saying what was expected."""
    credentials = 'a URL without credentials; write headers = { Authorization = "..." }'
    endpoint = HttpUrl.parse(url, f"a URL such as {_EXAMPLE}", credentials)
    if endpoint.target == "/":
        raise ValueError(f'the path is missing: most collectors take spans at "{str(endpoint)[:-1]}/v1/traces"')
    return endpoint


def mistakes(tracing: Tracing | None) -> Iterator[tuple[Path, str]]:
    if tracing is None:
        return
    try:
        endpoint_of(tracing.endpoint)
    except ValueError as error:
        yield ("tracing", "endpoint"), f"tracing: endpoint: {error}"
    for name, value in tracing.headers.items():
        if TOKEN.fullmatch(name) is None:
            yield ("tracing", "headers"), f"tracing: headers: {show(name)} is not a valid field name"
        elif name.lower() in _OWN:
            yield ("tracing", "headers"), f"tracing: headers: rsp sets {show(name)} itself; leave it out"
        elif _VALUE.fullmatch(value) is None:  # the value may be a secret, so it is not shown
            yield (
                ("tracing", "headers"),
                f"tracing: headers: the value of {show(name)} has characters that no field may have",
            )
