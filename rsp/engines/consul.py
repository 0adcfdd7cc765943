"""Consul's HTTP API: blocking queries, which answer when something has changed.

An index that goes backwards, as after a server was restored, begins again; one that is missing makes rsp ask every few
seconds instead (developer.hashicorp.com/consul/api-docs/features/blocking).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from rsp.config.engines import Access
from rsp.engines.credentials import token_of
from rsp.engines.failures import Unreachable, plain
from rsp.engines.web import Web
from rsp.tls.material import Keyring

_WAIT: Final = 10  # seconds that a query blocks, and until one that hangs is noticed; Consul adds up to a sixteenth
_LONGEST: Final = _WAIT * 17 / 16
_GAP: Final = 0.2  # seconds between two queries, whatever changes
_POLL: Final = 5.0  # without an index
_ANSWERS: Final = 32 << 20  # bytes; an instance of a service takes 1 to 2 KB
_REASONS: Final = 4 << 10
_FILTERED: Final = "X-Consul-Results-Filtered-By-ACLs"

Query = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """``body``: ``None`` where there is nothing at that path.  ``version``: its index, 0 if that cannot be used.

    ``filtered``: the token may not see all of it.
    """

    body: bytes | None
    version: int
    filtered: bool


class Consul:
    """With the token of ``access``, as :func:`authorise` says."""

    def __init__(self, web: Web, access: Access, keyring: Keyring) -> None:
        self._web = web
        self._patience = float(access.timeout)
        authorise(web, access, keyring)

    async def follow(self, path: str, query: Query = ()) -> AsyncIterator[Answer]:
        """What is at ``path`` now, and again whenever it changes.  Raises :class:`Unreachable`."""
        clock = asyncio.get_running_loop().time
        known: Answer | None = None
        index = 0
        while True:
            started = clock()
            answer = await self.read(path, query, index)
            if known is None or answer._replace(version=0) != known._replace(version=0):
                yield answer
                known = answer
            gap = _GAP if answer.version else _POLL
            index = answer.version if answer.version >= index else 0
            await asyncio.sleep(max(0.0, started + gap - clock()))

    async def read(self, path: str, query: Query = (), index: int = 0) -> Answer:
        """With ``index``: once something is newer than that, or after 10 s.  Raises :class:`Unreachable`.

        Such a query is not repeated when its connection breaks off: an engine that hangs then is noticed by one that
        has to be answered at once.
        """
        waiting = [("index", str(index)), ("wait", f"{_WAIT}s")] if index else []
        patience = self._patience + (_LONGEST if index else 0)
        target = _target(path, [*query, *waiting])
        async with self._web.stream("GET", target, timeout=patience, silence=patience, repeat=not index) as stream:
            if stream.status not in (200, 404):
                raise Unreachable(f"{stream.endpoint}: {_refusal(stream.status, await stream.read(_REASONS))}")
            body = await stream.read(_ANSWERS)
            filtered = stream.field(_FILTERED).lower() == "true"
            return Answer(body if stream.status == 200 else None, _index(stream.field("X-Consul-Index")), filtered)


def authorise(web: Web, access: Access, keyring: Keyring) -> None:
    """The token of ``access`` goes with each request.  Raises :class:`Unreachable` if its file has not been read."""
    token = token_of(access, keyring)
    if token:
        web.fields["X-Consul-Token"] = token


def _target(path: str, query: Query) -> str:
    text = urlencode([(name, value) for name, value in query if value])
    flags = "&".join(name for name, value in query if not value)  # "stale" has no value
    return f"{quote(path)}?{'&'.join(part for part in (text, flags) if part)}".rstrip("?")


def _index(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _refusal(status: int, said: bytes) -> str:
    reason = plain(said.decode("utf-8", "replace").strip(), 200)
    if status in (401, 403):
        return f"Consul refuses the token ({reason or status}); services require service:read and node:read"
    return f"Consul responds with status {status} ({reason or 'no reason given'})"
