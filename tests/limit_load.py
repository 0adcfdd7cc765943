"""Requests at random moments, whatever becomes of those before, to several instances that share a limit.

``python -m tests.limit_load SECONDS RATE HOST:PORT...`` writes ``begins``, and at the end JSON: statuses and longest
time of requests to the limit, and how many one bucket of 1,000/s would have let pass.
"""

import asyncio
import json
import random
import socket
import sys
import time
from collections import Counter


class Load:
    """``statuses``, ``times``: of responses, by path; ``sent``: when requests were sent to the limit; ``passed``: when
    they have passed it."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[int]] = {"/free": Counter(), "/limited": Counter()}
        self.times: dict[str, list[float]] = {"/free": [], "/limited": []}
        self.sent: list[float] = []
        self.passed: list[float] = []

    def ideal(self, interval: float, depth: float) -> int:
        """How many would have passed if one bucket had been asked when they were sent."""
        passed, full = 0, 0.0
        for moment in sorted(self.sent):
            full = max(full, moment)
            if full - moment <= depth:
                full += interval
                passed += 1
        return passed

    async def _client(self, where: tuple[str, int], rate: float, end: float) -> None:
        """One connection: requests at random moments, one after the other."""
        reader, writer = await asyncio.open_connection(*where)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.perf_counter()
        while due < end:
            due += random.expovariate(rate)
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            for path in random.sample(("/free", "/limited"), 2):
                begun = time.perf_counter()
                if path == "/limited":
                    self.sent.append(begun)
                writer.write(b"GET %b HTTP/1.1\r\nHost: bench\r\n\r\n" % path.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"
                )
                await reader.readexactly(length)
                ended = time.perf_counter()
                self.times[path].append(ended - begun)
                status = int(head[9:12])
                self.statuses[path][status] += 1
                if path == "/limited" and status == 200:
                    self.passed.append(ended)
        writer.close()

    async def run(self, places: list[tuple[str, int]], rate: float, seconds: float, connections: int = 4) -> None:
        """``rate``: requests a second to ``/limited``, and as many to ``/free``, over all connections."""
        end, each = time.perf_counter() + seconds, rate / len(places) / connections
        await asyncio.gather(*[self._client(place, each, end) for place in places for _ in range(connections)])


def main() -> None:
    seconds, rate, *names = sys.argv[1:]
    load, places = Load(), [(host, int(port)) for host, _, port in (name.partition(":") for name in names)]
    print("begins", flush=True)
    asyncio.run(load.run(places, float(rate), float(seconds)))
    told = {
        "statuses": load.statuses["/limited"], "longest": max(load.times["/limited"]),
        "ideal": load.ideal(0.001, 0.04),
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
