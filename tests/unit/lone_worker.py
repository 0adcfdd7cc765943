"""A worker, as far as a single connection needs one; the connection's other end is in the hands of a test."""

import asyncio
import socket

from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Transport


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        return listener.accept()[0], far


class LoneWorker:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.context = WorkerContext(Scoreboard(), 0, b"secret", Poller(self.loop))
        self._ends: list[socket.socket] = []

    def pair(self, pair=None) -> tuple[Transport, socket.socket]:
        """A transport, and the other end."""
        near, far = pair or socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self._ends.append(far)
        return Transport(self.context.poller, near.detach()), far

    def turn(self) -> None:
        for _ in range(4):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def close(self) -> None:
        """Both sides; every connection has ended afterwards."""
        for end in self._ends:
            end.close()
        self.turn()
        assert not self.context.connections
        assert not self.context.peer_connections
        self.context.poller.close()
        self.loop.close()
