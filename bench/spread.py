"""How evenly long-lived connections are spread over workers: counts, no times, so any machine will do.

    python -m bench.spread [--nginx PROGRAM] [--haproxy PROGRAM]

Each trial opens connections one after the other or all at once, sends one request on each, keeps all of them open, and
counts how many each worker has.  The result is the mean over the trials of the share of the fullest and of the emptiest
worker, as multiples of the mean.
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import mean

import psutil

CONNECTIONS, TRIALS, WORKERS = 100, 20, (2, 4, 8)
PORT = 9187
_TABLE = Path("/proc/net/tcp")

RSP = """
access_log = "off"  admin = "off"  workers = {workers}
listen "127.0.0.1:{port}"
route {{ respond = {{ status = 200 }} }}
"""
NGINX = """
daemon off; worker_processes {workers}; pid {directory}/nginx.pid; error_log {directory}/error.log crit; user root;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  server {{ listen 127.0.0.1:{port} {listen}; location / {{ return 200 worker=$pid; }} }}
}}
"""
HAPROXY = """
global
  nbthread {workers}
  {tune}
defaults
  mode http
  timeout client 60s
frontend in
  bind 127.0.0.1:{port} {listen}
  http-request return status 200 content-type text/plain lf-string worker=%[thread]
"""
_WORKER = re.compile(rb"worker=(\d+)")


def _open() -> socket.socket:
    return socket.create_connection(("127.0.0.1", PORT), 5)


def _ask(client: socket.socket) -> bytes:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received or (b"worker" in received and not _WORKER.search(received)):
        received += client.recv(4096)
    return received


def _arrive_slowly() -> list[tuple[socket.socket, bytes]]:
    clients = []
    for _ in range(CONNECTIONS):
        client = _open()
        clients.append((client, _ask(client)))
    return clients


def _arrive_at_once() -> list[tuple[socket.socket, bytes]]:
    clients = [_open() for _ in range(CONNECTIONS)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return [(client, client.recv(4096)) for client in clients]


def _counts(process: subprocess.Popen[bytes], answers: list[bytes]) -> Counter[int]:
    """Connections by worker: as the answers say, else by the descriptors of the processes."""
    named = [_WORKER.search(answer) for answer in answers]
    if all(named):
        return Counter(int(match[1]) for match in named if match is not None)
    found: Counter[int] = Counter()
    for child in psutil.Process(process.pid).children():
        for each in child.net_connections("tcp4"):
            if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == PORT:
                found[child.pid] += 1
    return found


def trials(
    command: list[str], workers: int, arrive: Callable[[], list[tuple[socket.socket, bytes]]]
) -> list[list[int]]:
    """Of each trial the workers' counts, in descending order."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, command, workers)
        return [_trial(process, workers, arrive) for _ in range(TRIALS)]
    finally:
        process.terminate()
        process.wait(30)


def _trial(
    process: subprocess.Popen[bytes], workers: int, arrive: Callable[[], list[tuple[socket.socket, bytes]]]
) -> list[int]:
    clients = arrive()
    counts = _counts(process, [answer for _, answer in clients])
    assert sum(counts.values()) == CONNECTIONS, counts
    for client, _ in clients:
        client.close()
    while _connections():  # until the proxy has closed its ends
        time.sleep(0.02)
    time.sleep(1.2)  # until the workers of rsp have told each other, once a second
    return sorted([*counts.values(), *[0] * (workers - len(counts))], reverse=True)


def _sockets(state: str) -> int:
    """Sockets of the proxy's port, by the kernel's number of their state."""
    return sum(f":{PORT:04X} " in line.split()[1] + " " and line.split()[3] == state for line in _TABLE.open())


def _connections() -> int:
    return _sockets("01") + _sockets("08")


def _wait_for(process: subprocess.Popen[bytes], command: list[str], workers: int) -> None:
    """Until every worker listens: with SO_REUSEPORT each has a socket of its own."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            _open().close()
            listening = _sockets("0A")
            if listening == workers or (listening and "rsp" not in command):
                time.sleep(0.5)  # a socket that workers share is there before they are
                return
        time.sleep(0.05)
    sys.exit("bench.spread: the proxy does not listen")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--haproxy", default="haproxy")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp())

    def command(name: str, workers: int) -> list[str]:
        values: dict[str, object] = {"port": PORT, "workers": workers, "directory": directory}
        if name == "rsp":
            (directory / "site.lua").write_text(RSP.format(**values))
            return [sys.executable, "-m", "rsp", str(directory / "site.lua")]
        if name.startswith("nginx"):
            listen = "reuseport" if "reuseport" in name else ""
            (directory / "nginx.conf").write_text(NGINX.format(**values, listen=listen))
            return [options.nginx, "-c", str(directory / "nginx.conf")]
        listen = "shards by-thread" if "by-thread" in name else ""
        tune = "tune.listener.multi-queue off" if "by-thread" in name else ""
        (directory / "haproxy.cfg").write_text(HAPROXY.format(**values, listen=listen, tune=tune))
        return [options.haproxy, "-db", "-f", str(directory / "haproxy.cfg")]

    print("| proxy | arrival | workers | fullest / mean | worst trial | emptiest / mean |\n|---|---|---|---|---|---|")
    for name in ("rsp", "nginx", "nginx reuseport", "haproxy", "haproxy by-thread"):
        for arrival, arrive in (("at once", _arrive_at_once), ("one by one", _arrive_slowly)):
            for workers in WORKERS:
                found = trials(command(name, workers), workers, arrive)
                share = CONNECTIONS / workers
                fullest, emptiest = [each[0] / share for each in found], [each[-1] / share for each in found]
                print(
                    f"| {name} | {arrival} | {workers} | {mean(fullest):.2f} | {max(fullest):.2f} "
                    f"| {mean(emptiest):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
