"""``leading.py NAME``: a process whose poller leads does what its name says, and ends; test_leading.py runs it.

Nothing else wakes the process up: what is not noticed at once is never noticed.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

import uvloop

from rsp.net.poller import IN, Poller, Watched


class Tap(Watched):
    """Calls ``action`` when a byte arrives."""

    def __init__(self, poller: Poller, action: Callable[[], object]) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        super().__init__(self._near.fileno())
        self.action = action
        self.log: list[str] = []
        poller.want(self, IN)

    def touch(self) -> None:
        self._far.send(b"x")

    def ready(self, events: int) -> None:
        self._near.recv(10)
        self.action()

    def turn(self) -> None:
        self.action()

    flush = closed = turn


async def timer(poller: Poller) -> None:
    """Without any socket."""
    await asyncio.sleep(0.01)


async def callback(poller: Poller) -> None:
    """A socket's event asks for a call by the loop."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    tap = Tap(poller, lambda: loop.call_soon(called.set))
    tap.touch()
    await called.wait()


async def cancelled(poller: Poller) -> None:
    """The loop's only timer is taken back; sockets have events still."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    handle = loop.call_later(1000, called.set)
    tap = Tap(poller, lambda: (handle.cancel(), loop.call_soon(second.touch)))
    second = Tap(poller, called.set)
    tap.touch()
    await called.wait()


async def stolen(poller: Poller) -> None:
    """What the loop's descriptor had to read is gone when the loop looks."""
    near, far = socket.socketpair()
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(near.fileno(), near.recv, 1)
    for _ in range(3):
        await asyncio.sleep(0)  # then the loop has nothing left to do
    first = Tap(poller, lambda: (far.send(b"x"), thief.touch()))
    thief = Tap(poller, lambda: (near.recv(1), last.touch()))
    last = Tap(poller, lambda: loop.call_soon(called.set))
    first.touch()
    await called.wait()
    loop.remove_reader(near.fileno())


async def due_meanwhile(poller: Poller) -> None:
    """A socket that always has something to read keeps no timer from its time."""
    tap = Tap(poller, lambda: tap.touch())
    tap.touch()
    await asyncio.sleep(0.02)


async def thread(poller: Poller) -> None:
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 0.01)


async def signalled(poller: Poller) -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, called.set)
    tap = Tap(poller, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    tap.touch()
    await called.wait()


async def written(poller: Poller) -> None:
    """A socket's event writes to a transport of the loop."""
    near, far = socket.socketpair()
    far.setblocking(False)
    called = asyncio.Event()
    _, writer = await asyncio.open_connection(sock=near)
    other = Tap(poller, called.set)
    receiving = Received(poller, far, other)
    tap = Tap(poller, lambda: writer.write(b"hello"))
    tap.touch()
    await called.wait()
    assert receiving.data == b"hello"


class Received(Watched):
    def __init__(self, poller: Poller, sock: socket.socket, other: Tap) -> None:
        super().__init__(sock.fileno())
        self._sock, self._other, self.data = sock, other, b""
        poller.want(self, IN)

    def ready(self, events: int) -> None:
        self.data += self._sock.recv(100)
        self._other.action()
        asyncio.get_running_loop().call_soon(bool)


async def reader_added(poller: Poller) -> None:
    """A socket's event has the loop watch a descriptor."""
    near, far = socket.socketpair()
    far.send(b"x")
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    tap = Tap(poller, lambda: loop.add_reader(near.fileno(), called.set))
    tap.touch()
    await called.wait()
    loop.remove_reader(near.fileno())


async def promised(poller: Poller) -> None:
    """What the loop's own callbacks ask of the poller."""
    loop = asyncio.get_running_loop()
    for ask in (poller.again, poller.soon, poller.flush_later, poller.close_later):
        called = asyncio.Event()
        loop.call_later(0.001, ask, Tap(poller, lambda set=called.set: loop.call_soon(set)))
        await called.wait()


async def fair(poller: Poller) -> None:
    """A socket that asks for one turn after the other keeps neither sockets nor callbacks from theirs."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    greedy = Tap(poller, lambda: poller.again(greedy))
    poller.again(greedy)
    tap = Tap(poller, called.set)
    loop.call_soon(tap.touch)
    await called.wait()
    await asyncio.sleep(0.001)


async def a_second(poller: Poller) -> None:
    """Of the same process: one of the loop's descriptors, as without leading."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    second = Poller(loop, leads=True)
    tap = Tap(second, lambda: loop.call_soon(called.set))
    tap.touch()
    await called.wait()
    second.close()


async def closed_within(poller: Poller) -> None:
    """A socket's event closes the poller."""
    called, closing = asyncio.Event(), asyncio.get_running_loop().call_soon
    tap = Tap(poller, lambda: (poller.close(), closing(called.set)))
    tap.touch()
    await called.wait()


async def main(name: str) -> None:
    poller = Poller(asyncio.get_running_loop(), leads=True)
    await globals()[name](poller)
    if name != "closed_within":
        poller.close()
    await asyncio.sleep(0.001)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
