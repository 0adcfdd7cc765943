"""What memory is spent on, beside nginx: processes before traffic, and one connection, peer or route more.

``python -m bench.memory``.  All figures are of private memory (USS: pages that no other process has) or of the
proportional set size (PSS: a page that n processes share counts as an n-th for each; the sum over all processes is what
an instance takes).  The kernel's own memory, such as socket buffers, is in neither.  What one more costs is a
difference, so what a first request makes ready is made ready before.  Needs nginx and openssl.
"""

import argparse
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.peers import BUNDLE, DESCRIPTORS, make_certificate, missing
from bench.sections import replace_named

PORT = 8690
WORKERS = (1, 4, 8)
NGINX_LEAST = 512  # its default
REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
QUIET = 1.0  # seconds in which the memory of a settled instance changes by no more than:
SETTLED = 64 << 10

RSP = """
workers = {workers}
access_log = "off"
listen "127.0.0.1:{port}" {{ {tls}limits = {{ connections = {connections} }} }}
{certificate}
upstream "app" {{ "127.0.0.1:9" }}
route "/" {{ respond = {{ body = "hello\\n" }} }}
route "/app" {{ to = "app" }}
{more}
"""
NGINX = """
daemon off; worker_processes {workers}; pid {directory}/nginx.pid; error_log {directory}/error.log crit; user root;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  upstream app {{ server 127.0.0.1:9; keepalive 32; }}
  {upstream}
  server {{
    listen 127.0.0.1:{port} {tls} reuseport backlog=8192;
    {certificate}
    location / {{ return 200 "hello\\n"; }}
    location /app {{ proxy_pass http://app; }}
    {locations}
  }}
}}
"""
# Of rsp and of nginx, with more peers or routes.
MORE: dict[str, tuple[Callable[[int], str], Callable[[int], dict[str, str]]]] = {
    "peer of an upstream": (
        lambda count: (
            f"""
local peers = {{}}
for number = 1, {count} do
  peers[number] = ("127.1.%d.%d:80"):format(math.floor(number / 250), number % 250 + 1)
end
upstream("many")(peers)
route "/many" {{ to = "many" }}
"""
        ),
        lambda count: {
            "upstream": "upstream many {\n"
            + "".join(f"server 127.1.{number // 250}.{number % 250 + 1}:80;\n" for number in range(1, count + 1))
            + "}",
            "locations": "location /many { proxy_pass http://many; }",
        },
    ),
    "route to an upstream": (
        lambda count: f'for number = 1, {count} do route("/part/" .. number) {{ to = "app" }} end',
        lambda count: {
            "locations": "\n".join(
                f"location /part/{number} {{ proxy_pass http://app; }}" for number in range(1, count + 1)
            )
        },
    ),
}


class Instance:
    """A master and what it has started."""

    def __init__(self, process: psutil.Process) -> None:
        self._master = process

    def processes(self) -> dict[str, list[psutil.Process]]:
        """By what they are."""
        found: dict[str, list[psutil.Process]] = {"master": [self._master]}
        for child in self._master.children():
            found.setdefault("control" if "control" in " ".join(child.cmdline()) else "worker", []).append(child)
        return found

    def worker(self) -> int:
        """Private bytes of one worker."""
        return self.processes()["worker"][0].memory_full_info().uss

    def whole(self) -> int:
        """Bytes of all processes; what they share counts once."""
        return sum(one.memory_full_info().pss for kind in self.processes().values() for one in kind)

    def settle(self) -> None:
        before, since = 0, time.monotonic()
        while time.monotonic() - since < QUIET:
            now = self.whole()
            if abs(now - before) > SETTLED:
                before, since = now, time.monotonic()
            time.sleep(0.1)


@contextmanager
def running(command: list[str], directory: Path, workers: int) -> Iterator[Instance]:
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        instance = Instance(psutil.Process(process.pid))
        give_up = time.monotonic() + 120
        while not _answers() or len(instance.processes().get("worker", ())) < workers:
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"bench: {command} does not start: {(directory / 'output').read_text()}")
            time.sleep(0.05)
        instance.settle()
        yield instance
    finally:
        process.terminate()
        process.wait(30)


def _answers() -> bool:
    try:
        socket.create_connection(("127.0.0.1", PORT)).close()
    except OSError:
        return False
    return True


class Programs:
    """Configurations and commands; ``directory`` has the certificate."""

    def __init__(self, directory: Path, nginx: str) -> None:
        self._directory = directory
        self._nginx = nginx

    def rsp(self, *, workers: int = 1, secure: bool = False, more: str = "") -> list[str]:
        text = RSP.format(
            workers=workers, port=PORT, connections=DESCRIPTORS, more=more, tls="tls = true, " if secure else "",
            certificate=f'certificate {{ "{self._directory / BUNDLE}" }}' if secure else "",
        )  # fmt: skip
        return [sys.executable, "-m", "rsp", self._write("site.lua", text)]

    def nginx(
        self,
        *,
        workers: int = 1,
        secure: bool = False,
        most: int = DESCRIPTORS,
        upstream: str = "",
        locations: str = "",
    ) -> list[str]:
        bundle = self._directory / BUNDLE
        text = NGINX.format(
            workers=workers, directory=self._directory, descriptors=DESCRIPTORS, connections=most, port=PORT,
            upstream=upstream, locations=locations, tls="ssl" if secure else "",
            certificate=f"ssl_certificate {bundle}; ssl_certificate_key {bundle};" if secure else "",
        )  # fmt: skip
        return [self._nginx, "-c", self._write("nginx.conf", text)]

    def _write(self, name: str, text: str) -> str:
        path = self._directory / name
        path.write_text(text)
        return str(path)


# -- processes before traffic


def processes(programs: Programs, directory: Path) -> list[str]:
    """Rows of a table."""
    rows = []
    for workers in WORKERS:
        for name, command in (
            ("rsp", programs.rsp),
            (f"nginx, {NGINX_LEAST} connections", lambda workers: programs.nginx(workers=workers, most=NGINX_LEAST)),
            (f"nginx, {DESCRIPTORS:,} connections", programs.nginx),
        ):
            with running(command(workers=workers), directory, workers) as instance:
                mean = {
                    kind: sum(one.memory_full_info().uss for one in each) / len(each)
                    for kind, each in instance.processes().items()
                }
                figures = [_megabytes(mean.get(kind)) for kind in ("master", "control", "worker")]
                rows.append(f"| {workers} | {name} | {' | '.join(figures)} | {_megabytes(instance.whole())} |")
    return rows


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:.1f}"


# -- one more


def connections(command: list[str], directory: Path, count: int, *, secure: bool, kept: bool = True) -> float:
    """Bytes of the worker for a client's connection that has been answered, and is open and idle, if it is ``kept``."""
    with running(command, directory, 1) as instance:
        warm = [_connect(secure) for _ in range(100)]
        for each in warm:
            each.close()
        instance.settle()
        before = instance.worker()
        held = []
        for _ in range(count):
            held.append(_connect(secure))
            if not kept:
                held.pop().close()
        instance.settle()
        grown = instance.worker() - before
        for each in held:
            each.close()
        return grown / count


def _connect(secure: bool) -> socket.socket:
    """With one answered request."""
    connection: socket.socket = socket.create_connection(("127.0.0.1", PORT))
    if secure:
        connection = _client().wrap_socket(connection)
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(b"hello\n"):
        more = connection.recv(4096)
        if not more:
            raise SystemExit(f"bench: a request was answered with {received!r}")
        received += more
    return connection


def _client(made: list[ssl.SSLContext] = []) -> ssl.SSLContext:  # noqa: B006 - the one that all use
    if not made:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        made.append(context)
    return made[0]


def configured(make: Callable[[int], list[str]], directory: Path, count: int) -> tuple[float, float]:
    """Bytes for one of ``count`` peers or routes: of one of two workers, and of all processes together."""
    figures = []
    for number in (1, count):
        with running(make(number), directory, 2) as instance:
            figures.append((instance.worker(), instance.whole()))
    (worker, whole), (more_of_worker, more_of_whole) = figures
    return (more_of_worker - worker) / (count - 1), (more_of_whole - whole) / (count - 1)


def one_more(programs: Programs, directory: Path, count: int) -> list[str]:
    """Rows of a table."""
    rows = []
    few = max(count // 5, 1)
    for what, number, secure, kept in (
        ("idle connection", count, False, True),
        ("idle connection over TLS 1.3", few, True, True),
        ("TLS session that can be resumed, of a closed connection", few, True, False),
    ):
        ours = connections(programs.rsp(secure=secure), directory, number, secure=secure, kept=kept)
        theirs = connections(programs.nginx(secure=secure), directory, number, secure=secure, kept=kept)
        rows.append(f"| {what} | {number:,} | {ours:,.0f} | {theirs:,.0f} | | |")
    for what, (lua, conf) in MORE.items():
        ours, all_ours = configured(lambda n, lua=lua: programs.rsp(workers=2, more=lua(n)), directory, count)
        theirs, all_theirs = configured(lambda n, conf=conf: programs.nginx(workers=2, **conf(n)), directory, count)
        rows.append(f"| {what} | {count:,} | {ours:,.0f} | {theirs:,.0f} | {all_ours:,.0f} | {all_theirs:,.0f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--nginx", default="nginx", help="the program to compare with")
    parser.add_argument("--count", type=int, default=10_000, help="connections, peers and routes")
    parser.add_argument("--only", choices=("processes", "more"), help="one of the two tables")
    parser.add_argument("--document", type=Path, help="a file whose tables are to be replaced")
    options = parser.parse_args()
    if lacking := missing("openssl", options.nginx):
        raise SystemExit(f"bench: {', '.join(lacking)} not found")
    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]
    parts = [f"CPython {sys.version.split()[0]}, nginx {version}."]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        make_certificate(directory)
        programs = Programs(directory, options.nginx)
        if options.only != "more":
            parts.append(
                "| workers | MB | master | control process | each worker | all processes (PSS) |\n"
                "|---|---|---|---|---|---|\n" + "\n".join(processes(programs, directory))
            )
        if options.only != "processes":
            parts.append(
                "| bytes for one | of | rsp: a worker | nginx: a worker | rsp: all processes | nginx: all processes |\n"
                "|---|---|---|---|---|---|\n" + "\n".join(one_more(programs, directory, options.count))
            )
    text = "\n\n".join(parts)
    print(text)
    if options.document:
        replace_named(options.document, "memory", f"\n{text}\n")


if __name__ == "__main__":
    main()
