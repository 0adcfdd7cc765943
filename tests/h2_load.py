"""Clients of HTTP/2 that ask and ask, as ones that never lose a request: what GOAWAY and REFUSED_STREAM say was not
processed is asked again, on another connection.  Whatever else does not come is a failure."""

import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hyperframe.frame import PingFrame

from tests.h2_client import ACK, REFUSED_STREAM, Client, Response, ping
from tests.harness import wait_until


@dataclass
class H2Load:
    """``failures``: what has become of streams that may have been processed, and of connections."""

    port: int
    streams: int
    path: str
    tls: ssl.SSLContext | None
    pause: float = 0
    good: int = 0
    again: int = 0
    connections: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    def visit(self) -> None:
        """One client."""
        client: Client | None = None
        while not self.stopped:
            if client is None or client.goaways or client.closed:
                client = self._connect(client)
            if client is not None:
                self._ask(client)
            time.sleep(self.pause)
        if client is not None:
            client.close()

    def _connect(self, before: Client | None) -> Client | None:
        if before is not None:
            before.close()
        try:
            client = Client(self.port, tls=self.tls)
        except OSError as error:
            self.failures[f"connect: {error.strerror}"] += 1
            return None
        self.connections += 1
        return client

    def _ask(self, client: Client) -> None:
        """Several at once, and the answers to all."""
        asked = [client.open(self.path) for _ in range(self.streams)]
        while not all(self._is_settled(client, response) for response in asked) and client.read():
            last = client.frames.pop()
            if isinstance(last, PingFrame) and "ACK" not in last.flags:
                client.send(ping(last.opaque_data, ACK))
        for response in asked:
            if response.ended and response.status == 200:
                self.good += 1
            elif self._was_untouched(client, response):
                self.again += 1
            else:
                self.failures[f"status {response.status}, reset {response.reset}, closed {client.closed}"] += 1

    def _is_settled(self, client: Client, response: Response) -> bool:
        return response.over or self._was_untouched(client, response)

    def _was_untouched(self, client: Client, response: Response) -> bool:
        return response.reset == REFUSED_STREAM or any(last < response.number for last, _ in client.goaways)


@contextmanager
def h2_load(
    port: int,
    clients: int = 4,
    streams: int = 8,
    path: str = "/",
    at_least: int = 200,
    tls: ssl.SSLContext | None = None,
    pause: float = 0,
) -> Iterator[H2Load]:
    """``at_least``: so many answers before it begins, and as many before it ends."""
    load = H2Load(port, streams, path, tls, pause)
    threads = [threading.Thread(target=load.visit, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: load.good >= at_least, "answers")
        yield load
        enough = load.good + at_least
        wait_until(lambda: load.good >= enough, "answers afterwards")
    finally:
        load.stopped = True
        for thread in threads:
            thread.join(60)
