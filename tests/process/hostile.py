"""rsp whose worker 1, or whose control process, was taken over: each incarnation sends what its turn says.

Run as ``python -m hostile site.lua``, in a directory of its own.  When all turns are over, the real process runs.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec

import rsp.control.process
import rsp.supervise.child
import rsp.supervise.fleet
from rsp.cli import main
from rsp.ipc import channel
from rsp.ipc.scoreboard import BASE_ROW, FIRST_MARK, RETIRED_ROW, SEQUENCE_AT, marks_at, tally_at
from rsp.ipc.sheet import ARENA
from rsp.ipc.tap import Seen
from rsp.ipc.watches import Watch

_worker, _control = rsp.supervise.fleet.Worker, rsp.control.process.Control


def _send_all(end: socket.socket, packet: bytes) -> None:
    end.setblocking(True)
    while True:
        end.send(packet)


def _flood(message: channel.Message):
    return lambda end, _: _send_all(end, b"." + channel._encoder.encode(message))


def _say(*packets: bytes):
    def say(end: socket.socket, _instance: object) -> None:
        end.setblocking(True)
        for packet in packets:
            end.send(packet)
        signal.pause()

    return say


def _message(message: channel.Message):
    return _say(b"." + channel._encoder.encode(message))


def _send_descriptors(end: socket.socket, _instance: object) -> None:
    """Closing a socket like that can take a minute, when it is the last reference to it."""
    lingering = socket.socket()
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\x3c\0\0\0")
    try:
        socket.send_fds(end, [b"." + channel._encoder.encode(channel.Ready(1))], [lingering.fileno()] * 100)
    except PermissionError:  # the kernel refuses them (SO_PASSRIGHTS)
        end.send(b"?")
    signal.pause()


def _close(end: socket.socket, _instance: object) -> None:
    os.close(end.fileno())
    signal.pause()


def _overwrite(_end: socket.socket, instance) -> None:
    """Every cell of the scoreboard that is in use; then cut it off."""
    board = instance.scoreboard
    parts = [(0, FIRST_MARK), (marks_at(0), marks_at(4))]
    parts += [(tally_at(0, row), tally_at(4, row)) for row in range(BASE_ROW + 1)]
    for start, end in parts:
        board.cells[start:end] = memoryview(b"\xff" * 8 * (end - start)).cast("Q")
    for size in (0, 1 << 40):
        try:
            os.ftruncate(board.descriptor, size)
        except PermissionError:
            continue
        os._exit(99)  # the seal is broken
    time.sleep(1.2)  # every process has its tick
    os._exit(7)


def _spoil_sheet(_end: socket.socket, instance) -> None:
    """All that is counted there, then what says that counts are being moved, again and again; then cut it off."""
    sheet = instance.observed.sheet
    for row in (0, 1, RETIRED_ROW):
        sheet.cells[row * ARENA : row * ARENA + 4096] = memoryview(b"\xff" * 8 * 4096).cast("Q")
    for size in (0, 1 << 40):
        try:
            os.ftruncate(sheet.descriptor, size)
        except PermissionError:
            continue
        os._exit(99)  # the seal is broken
    give_up = time.monotonic() + 2.0
    while time.monotonic() < give_up:
        sheet.board.cells[SEQUENCE_AT] = (sheet.board.cells[SEQUENCE_AT] + 1) % (1 << 64)
    sheet.board.cells[SEQUENCE_AT] = 1
    os._exit(7)


def _spoil_watches(_end: socket.socket, instance) -> None:
    """What other processes are shown and asked: datagrams of any kind, then any watch, then no list at all."""
    tap, page = instance.observed.tap, instance.observed.watches
    while not Path("watched").exists():
        time.sleep(0.01)
    give_up = time.monotonic() + 0.2  # rspctl prints what is kept for it, 2,000 lines a second
    while time.monotonic() < give_up:
        for watch in (page.changed(time.monotonic()) or []) + [Watch(7, "line")]:
            page._seen = 0
            tap.put(Seen(watch.number, b"\x1b[31m not JSON\n", 1 << 53))
            tap.put(Seen(watch.number, b'{"target":"\\u001b[31m","status":[{}],"time":{},"phases":[1],"tries":[[]]}'))
        for data in (b"", b"\xff" * 1000, b"\x91" * 60_000, msgspec.msgpack.encode({"type": "l", "level": 9})):
            try:
                tap.writing.send(data)
            except BlockingIOError:
                pass
    page.publish([Watch(number, "trace", "not ( nonsense", slower=-1.0) for number in range(8)], time.monotonic())
    time.sleep(1.2)
    page.publish([Watch(number, "trace", 'path ~ "' + "(a|b)*" * 300 + '"') for number in range(8)], time.monotonic())
    time.sleep(1.2)
    page._cells[2] = (1 << 64) - 1
    page._memory[32:] = b"\xff" * (len(page._memory) - 32)
    time.sleep(1.2)
    os._exit(7)


TURNS = {
    "garbage": _say(b"\xff" * 1000),
    "empty": _say(b"."),
    "cut": _say(b".\x82\xa4type\xa5Ready"),
    "nested": _say(b".\x83\xa1z" + b"\x91" * 1000),
    "long": _say(*[b"+" + b"x" * 900] * 3),
    "large-packet": _say(b"." + b"x" * 100_000),
    "order": _message(channel.Order(1, "reload")),
    "upgrade": _message(channel.Order(1, "upgrade")),
    "found": _message(channel.Found("app.test:80", [])),
    "to-child": _message(channel.Drain(0.0)),
    "unasked": _message(channel.Ready(2**63)),
    "ready-flood": _flood(channel.Ready(1)),
    "part-flood": lambda end, _: _send_all(end, b"+"),
    "found-flood": _flood(channel.Found("x.test:80", [])),
    "order-flood": _flood(channel.Order(1, "dry-run")),
    "descriptors": _send_descriptors,
    "close": _close,
    "overwrite": _overwrite,
    "sheet": _spoil_sheet,
    "watches": _spoil_watches,
}


class _TakenOver:
    def __init__(self, real, instance, end: socket.socket, turn: str) -> None:
        self._real, self._instance, self._end, self._turn = real, instance, end, turn

    def run(self) -> int:
        if not self._turn:
            return self._real.run()
        try:
            TURNS[self._turn](self._end, self._instance)
        except OSError:
            pass
        signal.pause()
        return 0


def _next_turn(role: str) -> str:
    turns = Path(f"{role}.turns")
    first, _, rest = turns.read_text().partition("\n") if turns.exists() else ("", "", "")
    Path(f"{role}.rest").write_text(rest)
    Path(f"{role}.rest").replace(turns)
    return first


def _worker_1(instance, slot: int, own, end: socket.socket, number: int, first: bool):
    real = _worker(instance, slot, own, end, number, first)
    return _TakenOver(real, instance, end, _next_turn("worker")) if slot == 1 else real


def _control_process(instance, end: socket.socket, *given):
    return _TakenOver(_control(instance, end, *given), instance, end, _next_turn("control"))


if __name__ == "__main__":
    rsp.supervise.fleet.Worker = _worker_1
    rsp.control.process.Control = _control_process
    rsp.supervise.child._FIRST_DELAY = 0.0
    sys.exit(main())
