"""``GET /watch?kind=line&where=status+>=+500&most=20``: requests as they end, one JSON object a line, until the client
hangs up.  ``{"dropped": 12}`` stands where so many requests are missing: a worker, this process or the client was too
slow for them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from rsp.control.state import Mistake
from rsp.control.watching import Watching
from rsp.control.web import Handler, Refused, Request, Response
from rsp.ipc.watches import Kind

_HELD: Final = 4 << 20  # bytes that wait for the client
_PIECE: Final = 64 << 10
_MOST: Final = 1_000_000
_KINDS: Final[dict[str, Kind]] = {"line": "line", "trace": "trace"}


def watch_handler(watching: Watching) -> Handler:
    """For a site of operators: it shows what clients send."""

    async def answer(request: Request) -> Response:
        query = request.query
        kind, most = _KINDS.get(query.get("kind", "line")), query.get("most", "0")
        if kind is None:
            raise Refused(400, 'kind: expected "line" or "trace"')
        if not (most.isascii() and most.isdigit() and int(most[:10]) <= _MOST):
            raise Refused(400, f"most: expected a number from 0 to {_MOST}")
        try:
            watching.check(query.get("where", ""))
        except Mistake as error:
            raise Refused(400, str(error)) from None
        pieces = _Stream(watching, kind, query.get("where", ""), int(most)).pieces()
        return Response(200, "application/x-ndjson", pieces, live=True)

    return answer


class _Stream:
    def __init__(self, watching: Watching, kind: Kind, where: str, most: int) -> None:
        self._watching = watching
        self._wanted = kind, where, most
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._there = asyncio.Event()

    def _take(self, line: bytes, dropped: int) -> None:
        self._dropped += dropped
        if line and self._size + len(line) <= _HELD:
            self._lines.append(line)
            self._size += len(line)
        elif line:
            self._dropped += 1
        self._there.set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """As long as it runs, the watch is open."""
        kind, where, most = self._wanted
        try:
            handle = self._watching.open(kind, where, self._take, most)
        except Mistake as error:  # others were faster
            yield msgspec.json.encode({"error": str(error)}) + b"\n"
            return
        try:
            while True:
                await self._there.wait()
                self._there.clear()
                while self._lines or self._dropped:
                    yield self._piece()
        finally:
            handle.close()

    def _piece(self) -> bytes:
        lines, size = [], 0
        if self._dropped:
            lines.append(b'{"dropped":%d}\n' % self._dropped)
            self._dropped = 0
        while self._lines and size < _PIECE:
            line = self._lines.popleft()
            size += len(line)
            lines.append(line if line.endswith(b"\n") else line + b"\n")
        self._size -= size
        return b"".join(lines)
