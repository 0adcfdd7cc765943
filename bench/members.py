"""What an upstream with thousands of members costs that come and go: loop lag, processor time, memory.

    python -m bench.members [--members 10000] [--changes 1000] [--seconds 15] [--policy round_robin] [--more 'health = "tcp"']

It starts rsp with members from a file, which it rewrites five times a second, a client that sends requests all the
time, and a backend; all members are addresses of it (127.0.0.0/8).

A turn of a worker's loop holds up all other connections for as long as it takes of a processor: that is measured, for
each message of the master and each tick, because other programs on the machine do not change it.  How late the loop
was, and what requests have waited, depends on them, too.
"""

import argparse
import json
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.ipc.worker_cells import LOOP_LAG, ROW, ROWS

CONFIG = """
listen "127.0.0.1:{port}"
workers = {workers}
access_log = "off"
{settings}
upstream "app" {{ policy = "{policy}", keepalive = 1, discover = "file://{file}", {more} }}
route {{ to = "app" }}
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def serve(port: int) -> None:
    """A backend at all addresses of this host, in a process of its own."""
    import asyncio

    import uvloop

    class Answer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            for _ in range(data.count(b"\r\n\r\n")):
                self.transport.write(OK)  # type: ignore[attr-defined]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answer, "0.0.0.0", port, backlog=4096)
        await server.serve_forever()

    uvloop.run(run())


def timed_rsp(directory: str) -> None:
    """rsp with workers that note how long their turns are, and say so when they end."""
    from rsp.cli import main
    from rsp.worker import Worker

    longest: dict[str, list[float]] = {}

    def timed(name: str) -> None:
        call = getattr(Worker, name)

        def measured(self: Worker, *given: object) -> None:
            begun = time.thread_time()
            call(self, *given)
            longest.setdefault(name, []).append(time.thread_time() - begun)

        setattr(Worker, name, measured)

    def run(self: Worker) -> int:
        try:
            return ran(self)
        finally:
            names = {"_on_message": "messages of the master", "_tick": "ticks"}
            lines = [
                f"worker {self._slot}: {len(times)} {names[name]}, at most {max(times) * 1000:.2f} ms of processor time, "
                f"together {sum(times):.2f} s\n"
                for name, times in longest.items()
            ]
            Path(directory, f"turns-{self._slot}").write_text("".join(lines))

    timed("_on_message")
    timed("_tick")
    ran, Worker.run = Worker.run, run  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))


class Members:
    """The file: the newest of an endless row of addresses."""

    def __init__(self, path: Path, port: int, count: int) -> None:
        self._path, self._port, self._count = path, port, count
        self._first = 0

    def write(self) -> None:
        numbers = range(self._first, self._first + self._count)
        each = [f"127.{1 + (n >> 16) % 254}.{n >> 8 & 255}.{n & 255}:{self._port}" for n in numbers]
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(each))
        written.replace(self._path)

    def change(self, changes: int) -> None:
        """A change is a member that comes, or one that goes."""
        self._first += changes // 2
        self.write()


class Client(threading.Thread):
    """Requests one after the other, on one connection; the time of each."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.times: list[float] = []
        self.failed = 0
        self.over = False

    def run(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port))
        while not self.over:
            begun = time.perf_counter()
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = sock.recv(65536)
            while b"\r\n\r\n" not in head or not head.endswith(b"ok"):
                more = sock.recv(65536)
                if not more:
                    break
                head += more
            self.failed += not head.startswith(b"HTTP/1.1 200")
            self.times.append(time.perf_counter() - begun)
            if not head.endswith(b"ok"):
                sock.close()
                sock = socket.create_connection(("127.0.0.1", self._port))
            time.sleep(0.001)


def ask(admin: str, path: str) -> dict:
    out = subprocess.run(
        ["curl", "-s", "--unix-socket", admin, f"http://x{path}"], check=True, capture_output=True
    ).stdout
    return json.loads(out)


def processes(pid: int) -> dict[str, psutil.Process]:
    master = psutil.Process(pid)
    found = {"master": master}
    for child in master.children():
        found[" ".join(child.cmdline()).removeprefix("rsp: ")] = child
    return found


def used(each: dict[str, psutil.Process]) -> dict[str, tuple[float, float, float]]:
    """Processor seconds, private and shared memory in MB."""
    found = {}
    for name, process in each.items():
        times, memory = process.cpu_times(), process.memory_full_info()
        found[name] = (times.user + times.system, memory.uss / 2**20, memory.shared / 2**20)
    return found


def wait_for(pid: int, admin: str, count: int) -> float:
    begun = time.monotonic()
    while time.monotonic() < begun + 30 and psutil.pid_exists(pid):
        try:
            if len(ask(admin, "/peers")["peers"]) == count:
                return time.monotonic() - begun
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            pass
        time.sleep(0.2)
    raise SystemExit("the members do not come")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=1000, help="in a second")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--policy", default="round_robin")
    parser.add_argument("--more", default="", help="keys of the upstream")
    parser.add_argument("--settings", default="", help="lines of the configuration")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--log", action="store_true", help="show the end of the log")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as directory:
        measure(options, Path(directory))


def measure(options: argparse.Namespace, directory: Path) -> None:
    directory.chmod(0o755)  # the control process may be another user's
    back, port, file = free_port(), free_port(), directory / "members.json"
    backend = subprocess.Popen([sys.executable, "-m", "bench.members", "--serve", str(back)])
    members = Members(file, back, options.members)
    members._count, count = 4, options.members
    members.write()
    admin, site = str(directory / "admin.sock"), directory / "site.lua"
    site.write_text(
        CONFIG.format(
            port=port, file=file, policy=options.policy, more=options.more, workers=options.workers,
            settings=f'admin = "{admin}"\n{options.settings}',
        )
    )  # fmt: skip
    log = (directory / "log").open("wb")
    command = [sys.executable, "-c", f"from bench.members import timed_rsp; timed_rsp({str(directory)!r})", str(site)]
    rsp = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        wait_for(rsp.pid, admin, 4)
        each = processes(rsp.pid)
        few, board = used(each), Board(rsp.pid)
        first = board.size()
        client = Client(port)
        client.start()
        members._count = count
        members.write()
        grown = wait_for(rsp.pid, admin, count)
        time.sleep(1.0)
        many = used(each)
        print(f"4 -> {count} members: {grown:.1f} s; longest request {max(client.times) * 1000:.1f} ms")
        client.times.clear()
        lags = []
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            due = time.monotonic() + 0.2
            if options.changes:
                members.change(options.changes // 5)
            lags.append(board.lag())
            time.sleep(max(0.0, due - time.monotonic()))
        client.over = True
        after = used(each)
        times = sorted(client.times)
        print(
            f"{options.changes} changes/s for {options.seconds:g} s: {len(times)} requests, {client.failed} failed, "
            f"median {times[len(times) // 2] * 1000:.2f} ms, 99.9 % {times[len(times) * 999 // 1000] * 1000:.2f} ms, "
            f"longest {times[-1] * 1000:.2f} ms; worker's loop at worst {max(lags):.1f} ms late"
        )
        print(f"scoreboard: {first / 2**20:.1f} MB with 4 members, {board.size() / 2**20:.1f} MB at the end")
        for name in each:
            cpu = (after[name][0] - many[name][0]) / options.seconds
            print(
                f"{name.split()[0]:12} {cpu:6.1%} of a core; private MB: 4 members {few[name][1]:.1f}, "
                f"{count} {many[name][1]:.1f}, after changes {after[name][1]:.1f}; shared "
                f"{few[name][2]:.1f}, {many[name][2]:.1f}, {after[name][2]:.1f}"
            )
    finally:
        rsp.terminate()
        rsp.wait()
        for turns in sorted(directory.glob("turns-*")):
            print(turns.read_text(), end="")
        backend.terminate()
        text = (directory / "log").read_text().splitlines()
        print("\n".join(text[-8:]) if options.log else f"{len(text)} lines of log, the last: {text[-1][:300]}")


class Board:
    """The scoreboard of a running instance."""

    def __init__(self, master: int) -> None:
        for each in Path(f"/proc/{master}/fd").iterdir():
            if "rsp-scoreboard" in str(each.readlink()):
                descriptor = os.open(each, os.O_RDONLY)
        self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=mmap.PROT_READ)
        self._cells = memoryview(self._memory).cast("Q")
        self._descriptor = descriptor

    def size(self) -> int:
        """Of its memory that is used, in bytes."""
        return os.fstat(self._descriptor).st_blocks * 512

    def lag(self) -> float:
        """How late the loop of a worker was at worst, lately, in milliseconds."""
        rows = self._cells[RETIRED_ROW * ROW + ROWS]
        return max(self._cells[row * ROW + LOOP_LAG] for row in range(rows)) / 1000


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    main()
