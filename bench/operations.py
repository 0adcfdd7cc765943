"""Reloads and upgrades under load, by counting: rsp beside nginx and HAProxy, on the same backend and the same load.

make bench-operations      # two minutes; rewrites the table of docs/operations.md
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.sections import replace_named
from tests.harness import background_load, free_port, get, wait_until
from tests.operations.tunnels import EchoBackend, Tunnels

DOCUMENT = Path(__file__).parents[1] / "docs" / "operations.md"
_SETTLED = 5.0  # seconds in which former workers may leave
CONNECTIONS, TUNNELS, RELOADS, UPGRADES = 32, 500, 100, 10

NGINX = """
worker_processes 2; worker_rlimit_nofile 8192; pid {place}/pid; error_log {place}/errors;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  upstream app {{ server {backend}; keepalive 64; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port} reuseport; keepalive_requests 1000000;
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_read_timeout 1h;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 2
  pidfile {place}/pid
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend web
  bind 127.0.0.1:{port}
  default_backend app
backend app
  http-reuse safe
  server one {backend}
"""
RSP = """
listen "127.0.0.1:{port}" access_log = "off" pid_file = "{place}/pid" admin = "off" workers = 2
timeouts = {{ shutdown = "3s" }}
upstream "app" {{ "{backend}" }} route {{ to = "app" }}
"""


@dataclass
class Row:
    what: str
    proxy: str
    sent: int
    failed: int
    tunnels: int
    processes: tuple[int, int]
    megabytes: tuple[float, float]


class Proxy:
    """One that runs.  ``pid``: of the master that serves."""

    def __init__(self, name: str, command: list[str], config: str, backend: str) -> None:
        self.name = name
        self.place = Path(tempfile.mkdtemp(prefix="operations-"))
        self.place.chmod(0o777)
        self.port = free_port()
        (self.place / "config").write_text(config.format(place=self.place, port=self.port, backend=backend))
        self.log = self.place / "log"
        arguments = [part.format(config=self.place / "config") for part in command]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(arguments, stderr=log, stdout=log, cwd=self.place)
        wait_until(self._answers, f"{name} to answer")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return get(self.port).startswith(b"HTTP/1.1 200")
        return False

    @property
    def pid(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int((self.place / "pid").read_text().split()[0])
        return self.process.pid

    def family(self) -> list[psutil.Process]:
        """Every process that belongs to it, those of former masters included."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.status() != psutil.STATUS_ZOMBIE and one.cwd() == str(self.place):
                    found.append(one)
        return found

    def use(self) -> tuple[int, float]:
        """How many processes, and the memory that is theirs, in MB."""
        total = 0
        family = self.family()
        for one in family:
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
        return len(family), total / 2**20

    def close(self) -> None:
        for one in self.family():
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)


def _children(pid: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {one.pid for one in psutil.Process(pid).children()}
    return set()


def reload_rsp(proxy: Proxy) -> None:
    before = proxy.log.read_text().count("Reloaded:")
    os.kill(proxy.pid, signal.SIGHUP)
    wait_until(lambda: proxy.log.read_text().count("Reloaded:") > before, "the reload")


def reload_nginx(proxy: Proxy) -> None:
    before = _children(proxy.pid)
    os.kill(proxy.pid, signal.SIGHUP)
    wait_until(lambda: len(_children(proxy.pid) - before) >= 2, "the new workers")
    time.sleep(0.1)


def reload_haproxy(proxy: Proxy) -> None:
    before = proxy.log.read_text().count("Loading success")
    os.kill(proxy.process.pid, signal.SIGUSR2)
    wait_until(lambda: proxy.log.read_text().count("Loading success") > before, "the new worker")
    time.sleep(0.1)


def upgrade_rsp(proxy: Proxy) -> None:
    before = proxy.pid
    os.kill(before, signal.SIGUSR2)
    wait_until(lambda: proxy.pid != before, "the new master")


def upgrade_nginx(proxy: Proxy) -> None:
    """As its manual has it: USR2, then WINCH and QUIT to the old master."""
    old = proxy.pid
    os.kill(old, signal.SIGUSR2)
    wait_until(lambda: proxy.pid != old and len(_children(proxy.pid)) >= 2, "the new master's workers")
    time.sleep(0.2)
    os.kill(old, signal.SIGWINCH)
    time.sleep(0.2)
    os.kill(old, signal.SIGQUIT)
    wait_until(lambda: not psutil.pid_exists(old), "the old master to leave; before, the new one ignores USR2")


def _proxies(backend: str) -> Iterator[tuple[Callable[[], Proxy], Callable[[Proxy], None], Callable[[Proxy], None]]]:
    rsp = [sys.executable, "-m", "rsp", "{config}"]
    yield lambda: Proxy("rsp", rsp, RSP, backend), reload_rsp, upgrade_rsp
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx:
        yield lambda: Proxy("nginx", [nginx, "-c", "{config}"], NGINX, backend), reload_nginx, upgrade_nginx
    haproxy = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if haproxy:
        command = [haproxy, "-W", "-f", "{config}"]
        yield lambda: Proxy("HAProxy", command, HAPROXY, backend), reload_haproxy, reload_haproxy


def measure(proxy: Proxy, what: str, times: int, step: Callable[[Proxy], None], tunnels: int) -> Row:
    held = Tunnels(proxy.port, tunnels) if tunnels else None
    try:
        with background_load(proxy.port, CONNECTIONS) as load:
            time.sleep(0.5)
            before = proxy.use()
            for _ in range(times):
                step(proxy)
        time.sleep(_SETTLED)
        after = proxy.use()
        alive = held.alive() if held is not None else -1
        sent = load.good + len(load.failures)
        processes, megabytes = zip(before, after, strict=True)
        return Row(what, proxy.name, sent, len(load.failures), alive, processes, megabytes)
    finally:
        if held is not None:
            held.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--screen", action="store_true", help="do not write the document")
    given = options.parse_args()
    rows = []
    for start, reload, upgrade in _proxies(EchoBackend().address):
        for what, times, step, tunnels in (
            (f"{RELOADS} reloads", RELOADS, reload, TUNNELS),
            (f"{UPGRADES} upgrades", UPGRADES, upgrade, 0),
        ):
            proxy = start()
            try:
                rows.append(measure(proxy, what, times, step, tunnels))
                print(rows[-1], flush=True)
            finally:
                proxy.close()
    lines = [
        f"| under load | | requests | failed | of {TUNNELS} tunnels alive | processes | memory, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda one: one.what, reverse=True):
        tunnels = "-" if row.tunnels < 0 else str(row.tunnels)
        lines.append(
            f"| {row.what} | {row.proxy} | {row.sent:,} | {row.failed} | {tunnels} "
            f"| {row.processes[0]} → {row.processes[1]} | {row.megabytes[0]:.0f} → {row.megabytes[1]:.0f} |"
        )
    table = "\n".join(lines)
    print(table)
    if not given.screen:
        replace_named(DOCUMENT, "counts", table)


if __name__ == "__main__":
    main()
