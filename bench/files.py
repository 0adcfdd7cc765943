"""Files and compression beside nginx: ``python -m bench.files``; a table of docs/benchmarks.md.

Both answer from the same directory, with one worker on a core of its own, an access log written in batches, and sendfile;
nginx once as it is usually configured and once with ``open_file_cache``, which believes for a minute what it has seen
(rsp looks at each file for each request).  gzip is compared at equal ratio: nginx gets the level whose result has the size
of rsp's.  The turns are interleaved; a ratio is that of two figures from one turn.
"""

import argparse
import gzip
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.peers import DESCRIPTORS, LOAD_CORE, Peer, missing
from bench.scenarios import sample
from bench.sections import replace_named

RSP = """
access_log = {rsp_log}
workers = 1
listen "127.0.0.1:{port}" {{ backlog = 8192, limits = {{ connections = {connections} }} }}
route "/" {{ files = "{files}" }}
route "/packed/" {{ files = "{files}", compress = {{ algorithms = {{ "gzip" }} }} }}
"""

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log crit; user root;
events {{ worker_connections {descriptors}; }}
http {{
  access_log {nginx_log} buffer=64k flush=1s;
  keepalive_requests 100000000; sendfile on; tcp_nopush on; {cache}
  types {{ application/json json; }}
  gzip_types application/json; gzip_comp_level {level};
  server {{
    listen 127.0.0.1:{port} backlog=8192 reuseport; root {files};
    location /packed/ {{ alias {files}/; gzip on; }}
  }}
}}
"""
CACHE = "open_file_cache max=1000; open_file_cache_valid 60s;"
RANGE = (50_000_000, 65_536)


def records(size: int) -> bytes:
    """JSON as an API sends it, of about ``size`` bytes."""
    source = random.Random(1)
    words = [
        "red",
        "green",
        "blue",
        "shoe",
        "coat",
        "hat",
        "small",
        "large",
        "winter",
        "summer",
        "cotton",
        "wool",
        "leather",
        "sale",
        "new",
    ]
    found: list[dict[str, object]] = []
    while len(json.dumps(found)) < size:
        found.append({
            "id": source.randrange(10**6), "name": " ".join(source.sample(words, 3)), "price": source.randrange(10**5) / 100,
            "stock": source.randrange(100), "tags": source.sample(words, 2), "updated": f"2024-05-{source.randrange(1, 29):02}T10:00:00Z",
        })  # fmt: skip
    return json.dumps(found).encode()


@dataclass
class Serving(Peer):
    """``files``: the directory; ``level``: of nginx's gzip."""

    files: Path = Path()
    level: int = 1

    def _command(self) -> list[str]:
        log = f"{self.directory}/access.log"
        values = self.values() | {"files": self.files, "level": self.level, "rsp_log": f'"{log}"'}
        if self.name == "rsp":
            return [sys.executable, "-m", "rsp", self._write("site.lua", RSP.format(**values))]
        cache = CACHE if "cache" in self.name else ""
        text = NGINX.format(**values | {"cache": cache, "nginx_log": f"{log} combined", "descriptors": DESCRIPTORS})
        return ["nginx", "-c", self._write("nginx.conf", text)]


@dataclass(frozen=True)
class Case:
    """``path``; ``fields`` of each request; ``status`` and ``size`` that each response has, for all proxies (0: any)."""

    title: str
    path: str
    connections: int = 64
    fields: tuple[tuple[str, str], ...] = ()
    status: int = 200
    size: int = 0
    tagged: bool = False  # If-None-Match has the file's ETag


FILES = {"1k.html": 1 << 10, "20k.css": 20 << 10, "1m.bin": 1 << 20, "100m.bin": 100 << 20}
CASES = {
    "1k": Case("1 KB", "/1k.html", size=1 << 10),
    "20k": Case("20 KB", "/20k.css", size=20 << 10),
    "1m": Case("1 MB, 8 connections", "/1m.bin", 8, size=1 << 20),
    "100m": Case("100 MB, 2 connections", "/100m.bin", 2, size=100 << 20),
    "304": Case("304: If-None-Match", "/20k.css", status=304, tagged=True),
    "range": Case(
        "a range of 64 KB of 100 MB", "/100m.bin", fields=(("Range", f"bytes={RANGE[0]}-{sum(RANGE) - 1}"),), status=206,
        size=RANGE[1],
    ),
    "gzip": Case("gzip of 20 KB of JSON", "/packed/20k.json", fields=(("Accept-Encoding", "gzip"),)),
}  # fmt: skip


def write_files(directory: Path) -> None:
    source = random.Random(2)
    for name, size in FILES.items():
        block = source.randbytes(1 << 10)
        (directory / name).write_bytes(block * (size >> 10))
    (directory / "20k.json").write_bytes(records(20 << 10))


def ask(port: int, case: Case) -> tuple[http.client.HTTPResponse, bytes, dict[str, str]]:
    """One request as the load has them, its response, and the fields that it had."""
    fields = dict(case.fields)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if case.tagged:
        connection.request("GET", case.path)
        response = connection.getresponse()
        response.read()
        fields["If-None-Match"] = response.headers["ETag"]
    connection.request("GET", case.path, headers=fields)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body, fields


def check(peer: Peer, case: Case, files: Path) -> dict[str, str]:
    """Stops where a response is not what it has to be; the fields of the requests."""
    response, body, fields = ask(peer.port, case)
    content = (files / case.path.rpartition("/")[2]).read_bytes()
    if case.status == 304:
        content = b""
    elif case.status == 206:
        content = content[RANGE[0] : sum(RANGE)]
    elif response.headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    if (
        response.status != case.status
        or body != content
        or ("gzip" in fields.values()) != (response.headers["Content-Encoding"] == "gzip")
    ):
        sys.exit(f"bench: {peer.name}: {case.title}: status {response.status}, {len(body)} bytes")
    return fields


def measure(peer: Peer, case: Case, fields: dict[str, str], seconds: float) -> dict[str, float]:
    os.environ["BENCH_FIELDS"] = "\n".join(f"{name}: {value}" for name, value in fields.items())
    found = sample(peer, lambda: load.wrk(peer.port, "fields", case.path, case.connections, seconds))
    if case.size and found["bytes"] < found["requests"] * case.size:
        found["errors"] += 1
    return found


def equal_level(size: int, files: Path, directory: Path) -> int:
    """The level at which nginx's gzip of the JSON is nearest to ``size``."""
    sizes = {}
    for level in range(1, 10):
        nginx = Serving(f"nginx level {level}", 9480, directory / f"level-{level}", files=files, level=level)
        nginx.start()
        try:
            sizes[level] = len(ask(nginx.port, CASES["gzip"])[1])
        finally:
            nginx.stop()
    level = min(sizes, key=lambda level: (abs(sizes[level] - size), level))
    print(f"... gzip: rsp {size} bytes, nginx {sizes}; level {level}", file=sys.stderr)
    return level


def run(
    directory: Path, names: list[str], repeats: int, seconds: float
) -> dict[tuple[str, str], list[dict[str, float]]]:
    """By case and proxy: its samples, one for each turn."""
    files = directory / "files"
    files.mkdir()
    write_files(files)
    rsp = Serving("rsp", 9470, directory / "rsp", files=files)
    peers: list[Serving] = [rsp]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        rsp.start()
        level = equal_level(len(ask(rsp.port, CASES["gzip"])[1]), files, directory) if "gzip" in names else 1
        for number, name in enumerate(("nginx", "nginx, open_file_cache"), 1):
            peers.append(Serving(name, 9470 + number, directory / f"nginx-{number}", files=files, level=level))
            peers[-1].start()
        for name in names:
            print(f"... {name}", file=sys.stderr)
            case = CASES[name]
            fields = {peer.name: check(peer, case, files) for peer in peers}
            for peer in peers:
                measure(peer, case, fields[peer.name], 1)
            for _ in range(repeats):
                for peer in peers:
                    found.setdefault((name, peer.name), []).append(measure(peer, case, fields[peer.name], seconds))
    finally:
        for peer in peers:
            peer.stop()
    return found


def ratios(
    mine: list[dict[str, float]], others: list[dict[str, float]], figure: Callable[[dict[str, float]], float]
) -> str:
    found = sorted(figure(one) / figure(other) for one, other in zip(mine, others, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f}..{found[-1]:.2f})"


def table(found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    lines = [
        "| | | requests/s | rsp's / its | user us | system us | its CPU / rsp's | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, proxy), samples in found.items():
        mine = found[name, "rsp"]
        figures = {
            key: statistics.median(one[key] for one in samples) for key in ("rate", "user", "system", "rss", "errors")
        }
        compared = ["", ""]
        if proxy != "rsp":
            compared = [ratios(mine, samples, lambda one: one["rate"]), ratios(samples, mine, lambda one: one["cpu"])]
        wrong = f" ({figures['errors']:.0f} errors)" if figures["errors"] else ""
        cells = [
            CASES[name].title if proxy == "rsp" else "", proxy, f"{figures['rate']:,.{0 if figures['rate'] > 1000 else 1}f}{wrong}",
            compared[0], f"{figures['user']:,.1f}", f"{figures['system']:,.1f}", compared[1], f"{figures['rss'] / 1e6:.0f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", help="some of the cases, separated by commas: " + ", ".join(CASES))
    parser.add_argument("--document", type=Path, help="a file whose table is to be replaced")
    options = parser.parse_args()
    if missing("nginx", "wrk", "cc"):
        print("bench: needs nginx, wrk and cc", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        names = options.only.split(",") if options.only else list(CASES)
        found = run(directory, names, options.repeats, options.seconds)
    text = table(found)
    print(text)
    if options.document:
        replace_named(options.document, "files", f"\n{text}\n")
    return 1 if any(one["errors"] for samples in found.values() for one in samples) else 0


if __name__ == "__main__":
    sys.exit(main())
