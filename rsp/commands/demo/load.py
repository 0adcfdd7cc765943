"""Requests to rsp at an even rate, each on a connection of its own, and the count of their outcomes."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import Final

USER_AGENT: Final = "rsp-demo/1"
RATE: Final = 20.0  # requests a second
_PATIENCE: Final = 10.0  # seconds for an answer
_KEPT: Final = 400  # outcomes
FAILED: Final = "failed"
TRIAL: Final = "trial"
OTHER: Final = "other"  # answered, but by no backend of the demo


class Load:
    """``outcomes``: of the last requests, the newest last: the name of the backend that answered,
    ``FAILED``, or ``TRIAL`` for an error of the configuration that one worker tried.  ``total``: of those ever."""

    def __init__(self, address: tuple[str, int]) -> None:
        host, port = self._address = address
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.url = f"http://{self._authority}/"
        self._tasks: set[asyncio.Task[None]] = set()
        self.sent = 0
        self.total = 0
        self.counts: Counter[str] = Counter()
        self.outcomes: deque[str] = deque(maxlen=_KEPT)
        self.wanted = asyncio.Event()

    @property
    def running(self) -> int:
        return self.sent - self.total

    async def run(self) -> None:
        """For ever; requests are sent while ``wanted`` is set."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wanted.wait()
            due = loop.time() + 1 / RATE
            task = loop.create_task(self._send())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _send(self) -> None:
        self.sent += 1
        outcome = FAILED
        with suppress(OSError, ValueError, IndexError, EOFError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                outcome = await self._outcome(self.sent)
        self.total += 1
        self.counts[outcome] += 1
        self.outcomes.append(outcome)

    async def _outcome(self, number: int) -> str:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            head = f"GET /?request={number} HTTP/1.1\r\nHost: {self._authority}\r\nUser-Agent: {USER_AGENT}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await _read_body(reader, _fields(answer).get("content-length"))
        finally:
            writer.close()
        return outcome_of(int(answer.split(" ", 2)[1]), _fields(answer).get("x-backend", OTHER))


def outcome_of(status: int, backend: str) -> str:
    """No backend of the demo answers with 500: it is a failed hook's."""
    if status < 500:
        return backend
    return TRIAL if status == 500 else FAILED


async def _read_body(reader: asyncio.StreamReader, length: str | None) -> None:
    """All of it, or the request has failed: raises :class:`EOFError`."""
    if length is not None:
        await reader.readexactly(int(length))
    else:
        await reader.read(-1)


def _fields(head: str) -> dict[str, str]:
    lines = (line.partition(":") for line in head.split("\r\n")[1:-2])
    return {name.lower(): value.strip() for name, _, value in lines}
