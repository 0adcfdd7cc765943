"""Generators of load.  Each returns what it saw: requests, seconds, errors, latencies in us."""

import contextlib
import http.client
import json
import os
import re
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from bench.peers import BODIES, LOAD_CORE, pin
from bench.programs import compiled

HERE = Path(__file__).parent
Result = dict[str, float]


def wrk(port: int, kind: str, path: str, connections: int, seconds: float, scheme: str = "http") -> Result:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(HERE / "wrk.lua"),
               f"{scheme}://127.0.0.1:{port}", "--", kind, path]  # fmt: skip
    output = subprocess.run(command, preexec_fn=pin(LOAD_CORE), capture_output=True, text=True, check=True).stdout
    result = json.loads(output.partition("RESULT ")[2])
    if path in BODIES and result["bytes"] < result["requests"] * len(BODIES[path]):
        result["errors"] += 1  # bodies cut short
    return result


def steady(port: int, connections: int, rate: float, seconds: float, path: str = "/small") -> Result:
    """A constant rate; latencies count from when a request was due."""
    arguments = [str(one) for one in (port, connections, rate, seconds, path, len(BODIES[path]))]
    output = subprocess.check_output([compiled("steady"), *arguments], preexec_fn=pin(LOAD_CORE))
    return json.loads(output)


def ab(port: int, requests: int, connections: int = 100) -> Result:
    """The ancestor's own headline: no keep-alive, mean latency."""
    command = ["ab", "-q", "-n", str(requests), "-c", str(connections), f"http://127.0.0.1:{port}/small"]
    output = subprocess.run(command, preexec_fn=pin(LOAD_CORE), capture_output=True, text=True, check=True).stdout

    def figure(pattern: str) -> float:
        found = re.search(pattern, output)
        return float(found[1]) if found else 0.0

    return {
        "requests": figure(r"Complete requests: +(\d+)"),
        "seconds": figure(r"Time taken for tests: +([\d.]+)"),
        "errors": figure(r"Failed requests: +(\d+)") + figure(r"Non-2xx responses: +(\d+)"),
        "mean": figure(r"Time per request: +([\d.]+) \[ms\] \(mean, across") * 1000,
        "p50": figure(r"\n +50% +(\d+)") * 1000,
        "p99": figure(r"\n +99% +(\d+)") * 1000,
    }


def upload(port: int, size: int, count: int, connections: int = 2) -> Result:
    """``count`` bodies of ``size`` bytes over each of ``connections``; the backend says how much it got."""
    chunk = memoryview(os.urandom(1 << 20))
    head = b"POST /upload HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %d\r\n\r\n" % size
    errors = []

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            for _ in range(count):
                sock.sendall(head)
                for start in range(0, size, len(chunk)):
                    sock.sendall(chunk[: min(len(chunk), size - start)])
                answer = http.client.HTTPResponse(sock)
                answer.begin()
                if answer.status != 200 or int(answer.read()) != size:
                    errors.append(answer.status)

    return _timed(client, connections, count, errors)


def download(port: int, path: str, count: int, connections: int = 2) -> Result:
    """Like :func:`upload`; the answers are compared byte by byte."""
    errors = []

    def client() -> None:
        buffer = bytearray(1 << 18)
        expected = memoryview(BODIES[path])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            for _ in range(count):
                sock.sendall(b"GET %b HTTP/1.1\r\nHost: shop.example.com\r\n\r\n" % path.encode())
                size = sock.recv_into(buffer)
                while b"\r\n\r\n" not in buffer[:size]:
                    size += sock.recv_into(memoryview(buffer)[size:])
                seen = buffer[:size].partition(b"\r\n\r\n")[2]
                if not buffer.startswith(b"HTTP/1.1 200") or expected[: len(seen)] != seen:
                    errors.append(0)
                position = len(seen)
                while position < len(expected):
                    size = sock.recv_into(buffer, min(len(buffer), len(expected) - position))
                    if not size or (
                        (position >> 18) % 16 == 0 and expected[position : position + size] != buffer[:size]
                    ):
                        errors.append(position)
                        return
                    position += size

    return _timed(client, connections, count, errors)


def _timed(client, connections: int, count: int, errors: list) -> Result:
    def guarded() -> None:
        try:
            client()
        except (OSError, ValueError, http.client.HTTPException) as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"requests": connections * count, "seconds": time.monotonic() - began, "errors": len(errors)}


def exchanges(port: int, kind: str, connections: int, seconds: float) -> Result:
    """As many as are answered: ``close`` a new connection for each request, ``echo`` frames over WebSockets."""
    command = [compiled("exchanges"), str(port), kind, str(connections), str(seconds)]
    return json.loads(subprocess.check_output(command, preexec_fn=pin(LOAD_CORE)))


@contextlib.contextmanager
def idle(port: int, count: int):
    """``count`` keep-alive connections that have had one answer and wait.  Gives the number of those that failed."""
    limit = 100  # so that a reset at the end frees everything at once
    held, failed = [], 0
    try:
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port), 5)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(b"GET /small HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
            held.append(sock)
            if len(held) % limit == 0:
                failed += sum(not one.recv(2048).startswith(b"HTTP/1.1 200") for one in held[-limit:])
        yield failed
    finally:
        for sock in held:
            sock.close()


@contextlib.contextmanager
def compared(port: int, path: str):
    """Beside the load, a client that reads whole answers and compares them.  Gives a list of what was wrong."""
    wrong: list[str] = []
    over = threading.Event()

    def watch() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not over.wait(0.1):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                if answer.read() != BODIES[path] or answer.status != 200:
                    wrong.append(f"status {answer.status}, or a wrong body")
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
        connection.close()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield wrong
    finally:
        over.set()
        thread.join()
