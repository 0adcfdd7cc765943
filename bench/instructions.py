"""User instructions and data references of a request, beside nginx and HAProxy: ``python -m bench.instructions``.

The process that serves runs under callgrind, which counts the same on every machine, whatever else that does.  Requests
come one at a time over one connection; what two runs of different length differ by is what their requests cost.  Needs
valgrind, openssl, h2load and cc.
"""

import argparse
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import h2load
from bench.callgrind import Counts
from bench.peers import Peer, backends, make_certificate, missing
from bench.sections import replace_named

HOST = h2load.HOST
BROWSER = "".join(f"{field.title().partition(':')[0]}:{field.partition(':')[2]}\r\n" for field in h2load.BROWSER)
BARE = f"GET /small HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
FULL = f"GET /small?item=7919 HTTP/1.1\r\nHost: {HOST}\r\n{BROWSER}\r\n".encode()
CLOSE = BARE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
POST = f"POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n{'x' * 4096}".encode()
OPENSSL = r"/lib(ssl|crypto)\."
PORT = 8590
STARTING = 300  # seconds that a program may take to start under callgrind

Run = Callable[[int, int], None]  # with a port and a number of requests


def _ask(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    received, size = b"", 0
    while not size or len(received) < size:
        more = connection.recv(65536)
        received += more
        if not more or not received.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"bench: {request[:80]!r} was answered with {received!r}")
        head, end, _ = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head) if end else None
        size = len(head) + len(end) + int(length[1]) if length is not None else 0


def kept(request: bytes) -> Run:
    def run(port: int, times: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for _ in range(times):
                _ask(connection, request)

    return run


def anew(port: int, times: int) -> None:
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            _ask(connection, CLOSE)


def secure(port: int, times: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    plain = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(plain, server_hostname=HOST) as connection:
        for _ in range(times):
            _ask(connection, FULL)


def http2(port: int, times: int) -> None:
    load = h2load.Load("/small?item=7919", 0, 1, 1, 13, h2load.BROWSER)
    with tempfile.TemporaryDirectory() as directory:
        command = load.command(Path(directory), port, 2, times)
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if f"{times} succeeded" not in output:
        raise SystemExit(f"bench: h2load says\n{output}")


SCENARIOS: dict[str, tuple[str, Run]] = {  # title: how the proxy is set up, and the client
    "GET, Host only": ("plain", kept(BARE)),
    "GET, 13 fields": ("plain", kept(FULL)),
    "POST of 4 KB": ("plain", kept(POST)),
    "GET, a new connection each": ("plain", anew),
    "GET, 13 fields, TLS 1.3": ("tls", secure),
    "GET, 13 fields, HTTP/2 over TLS": ("http2", http2),
}


@dataclass
class Counted(Peer):
    """A proxy under callgrind.  ``program``: where it is; nginx and HAProxy serve in the process that is started."""

    program: str = ""

    def _command(self) -> list[str]:
        command = super()._command()
        configuration = Path(command[-1])
        text = configuration.read_text()
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--cache-sim=yes",
            f"--callgrind-out-file={self.directory}/counts.%p",
        ]
        if self.name == "rsp":
            configuration.write_text(text + 'worker_timeout = "300s"\nadmin = "off"\nuser = "root"\n')
            return [*valgrind, "--dump-before=*ServerConnection*stop*", *command]
        if self.name == "nginx":
            configuration.write_text(f"master_process off; {text}")
            command += ["-p", str(self.directory)]
        return [*valgrind, self.program, *command[1:]]

    def count(self) -> Counts:
        """Since the last time."""
        before = set(self.directory.glob("counts.*.*"))
        if self.name == "rsp":
            self._refused()
        else:
            assert self.process is not None
            subprocess.run(["vgdb", f"--pid={self.process.pid}", "dump"], check=True, capture_output=True)
        return max(map(Counts, set(self.directory.glob("counts.*.*")) - before), key=lambda counts: counts.total("Ir"))

    def _refused(self) -> None:
        """Its worker, the only one of its processes that serves, writes down its counts before it refuses a request."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nno field\r\n\r\n")
            while connection.recv(65536):
                pass


@dataclass(frozen=True)
class Cost:
    """Of a request."""

    instructions: float
    references: float
    own: float  # instructions that are not OpenSSL's


def cost(proxy: Counted, run: Run, requests: int) -> Cost:
    run(proxy.port, requests // 5)
    proxy.count()
    run(proxy.port, requests)
    fewer = proxy.count()
    run(proxy.port, 3 * requests)
    more = proxy.count()

    def each(*events: str, without: str = r"(?!)") -> float:
        return sum(more.total(event, without) - fewer.total(event, without) for event in events) / (2 * requests)

    return Cost(each("Ir"), each("Dr", "Dw"), each("Ir", without=OPENSSL))


@contextmanager
def counted(name: str, program: str, setup: str, directory: Path):
    """The proxy ``name``, serving."""
    proxy = Counted(name, PORT, directory / f"{name}-{setup}", secure=setup != "plain", http2=setup == "http2",
                    core=None, patience=STARTING, program=program)  # fmt: skip
    proxy.environment = {"PYTHONHASHSEED": "0"}
    proxy.start()
    try:
        deadline = time.monotonic() + STARTING
        while not _serves(proxy):
            if time.monotonic() > deadline or (proxy.process is not None and proxy.process.poll() is not None):
                raise SystemExit(f"bench: {name} does not serve\n{(proxy.directory / 'stderr').read_text()}")
            time.sleep(0.2)
        yield proxy
    finally:
        proxy.stop()


def _serves(proxy: Counted) -> bool:
    try:
        (secure if proxy.secure else kept(BARE))(proxy.port, 1)
    except (OSError, SystemExit):
        return False
    return True


def version(name: str, program: str) -> str:
    if name == "rsp":
        return f"CPython {sys.version.split()[0]}"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    found = re.search(r"(?:nginx/|version )(\S+)", said.stderr + said.stdout)
    return f"{name} {found[1] if found else '?'}"


def table(costs: dict[str, dict[str, Cost]], said: str) -> str:
    names = list(next(iter(costs.values())))
    lines = [textwrap.fill(said, 100), "", f"| | {' | '.join(names)} | rsp : nginx |", "|---" * (len(names) + 2) + "|"]
    for title, by_name in costs.items():
        rows = [("instructions", [one.instructions for one in by_name.values()])]
        if SCENARIOS[title][0] != "plain":
            rows.append(("without OpenSSL", [one.own for one in by_name.values()]))
        rows.append(("data references", [one.references for one in by_name.values()]))
        for what, figures in rows:
            ratio = f"{by_figure(names, figures):.2f}" if {"rsp", "nginx"} <= set(names) else "-"
            lines.append(f"| {title}: {what} | {' | '.join(f'{each:,.0f}' for each in figures)} | {ratio} |")
    return "\n".join(lines)


def by_figure(names: list[str], figures: list[float]) -> float:
    found = dict(zip(names, figures, strict=True))
    return found["rsp"] / found["nginx"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=1000, help="of the shorter run; the longer one has three times as many"
    )
    parser.add_argument("--nginx", default="nginx", help="the program")
    parser.add_argument("--haproxy", default="haproxy", help="the program")
    parser.add_argument("--only", help="some of rsp, nginx and haproxy, separated by commas")
    parser.add_argument("--document", type=Path, help="a file whose table is to be replaced")
    parser.add_argument("--note", default="", help="a sentence for the table's caption")
    options = parser.parse_args()
    programs = {"rsp": sys.executable, "nginx": options.nginx, "haproxy": options.haproxy}
    absent = missing("valgrind", "vgdb", "openssl", "h2load", "nginx", *programs.values())
    if absent:
        print(f"bench: needs {', '.join(absent)}", file=sys.stderr)
        return 2
    names = options.only.split(",") if options.only else list(programs)
    costs: dict[str, dict[str, Cost]] = {title: {} for title in SCENARIOS}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        directory.chmod(0o755)
        make_certificate(directory)
        with backends(directory):
            for setup in ("plain", "tls", "http2"):
                for name in names:
                    with counted(name, programs[name], setup, directory) as proxy:
                        for title, (wanted, run) in SCENARIOS.items():
                            if wanted == setup:
                                costs[title][name] = cost(proxy, run, options.requests)
                                print(f"{title}: {name}: {costs[title][name]}", flush=True)
    said = f"{', '.join(version(name, programs[name]) for name in names)}. {options.note}".strip()
    text = table(costs, said)
    print(text)
    if options.document:
        replace_named(options.document, "instructions", f"\n{text}\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    os.environ.pop("NGINX", None)  # nginx takes it for the sockets of a former nginx
    sys.exit(main())
