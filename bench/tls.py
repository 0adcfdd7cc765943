"""The scenarios of TLS: ECDSA P-256, one worker on one core, the same OpenSSL for all.

What a handshake costs a client is about what it costs a server, so on two cores the load is a limit of its own: the
figure that counts for handshakes is the server's CPU.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench import load
from bench.peers import BODIES, LOAD_CORE, Peer, pin
from bench.programs import compiled
from bench.scenarios import Sample, Scenario, sample, wrk

PEERS = ("rsp tls", "nginx tls", "haproxy tls")
Run = Callable[[Peer, float], Sample]


def _handshakes(port: int, kind: str, version: str, connections: int, seconds: float) -> list[str]:
    return [compiled("handshakes"), str(port), kind, version, str(connections), str(seconds)]


def _program(command: list[str]) -> load.Result:
    return json.loads(subprocess.check_output(command, preexec_fn=pin(LOAD_CORE)))


def handshakes(kind: str, version: str) -> Run:
    def run(peer: Peer, seconds: float) -> Sample:
        result = sample(peer, lambda: _program(_handshakes(peer.port, kind, version, 32, seconds)))
        wanted = 0 if kind == "full" else result["requests"]
        result["errors"] += abs(result["resumed"] - wanted)
        return result

    return run


def transfer(path: str) -> Run:
    size = len(BODIES.get(path, b"")) or 100 << 20

    def run(peer: Peer, seconds: float) -> Sample:
        command = [
            compiled("transfer"),
            str(peer.port),
            path,
            str(size),
            str(max(2, round(seconds * 3))),
            "2",
        ]
        return sample(peer, lambda: _program(command))

    return run


def _steady(port: int, connections: int, rate: float, seconds: float) -> load.Result:
    size = len(BODIES["/small"])
    arguments = [str(one) for one in (port, connections, rate, seconds, "/small", size, "tls")]
    return _program([compiled("steady"), *arguments])


@contextmanager
def _held(port: int, count: int, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    """``count`` idle connections; its output says what went wrong, once it is over."""
    command = _handshakes(port, kind, "1.3", count, 0)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=pin(LOAD_CORE)) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"held\n"
        yield program
        program.communicate()


def idle(count: int, kind: str = "idle") -> Run:
    """Memory for each idle connection, and what a steady client notices of them.  ``kind``: ``idle2`` for HTTP/2."""

    def run(peer: Peer, seconds: float) -> Sample:
        peer.stop()  # what it once had in use would count as free
        peer.start()
        _steady(peer.port, 16, 2000, 2)
        before = peer.rss()
        with _held(peer.port, count, kind):
            time.sleep(1.5)
            result = sample(peer, lambda: _steady(peer.port, 16, 2000, max(seconds, 2)))
            result["each"] = (peer.rss() - before) / count
        time.sleep(0.5)
        return result

    return run


def flood(connections: int) -> Run:
    """A quiet client's latencies while ClientHellos come as fast as they are answered."""

    def run(peer: Peer, seconds: float) -> Sample:
        seconds = max(seconds, 3)
        command = _handshakes(peer.port, "flood", "1.3", connections, seconds + 1)
        with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=pin(LOAD_CORE)) as flooding:
            time.sleep(0.3)
            result = sample(peer, lambda: _steady(peer.port, 4, 200, seconds))
            output, _ = flooding.communicate()
        result["handshakes"] = json.loads(output)["requests"] / (seconds + 1)
        return result

    return run


def tls_scenarios(idle_connections: int) -> list[Scenario]:
    def scenario(name: str, title: str, run: Run, *, quick: bool = False, warm: bool = True) -> Scenario:
        return Scenario(f"tls-{name}", title, run, quick, PEERS, warm, "tls")

    return [
        scenario("headline", "TLS 1.3, small GET, 13 browser fields, varying paths, 64 connections",
                 wrk("browser", "/small", 64, watched=False), quick=True),
        scenario("full-1.3", "whole handshakes, TLS 1.3, 32 at a time", handshakes("full", "1.3"), quick=True),
        scenario("full-1.2", "whole handshakes, TLS 1.2, 32 at a time", handshakes("full", "1.2")),
        scenario("resumed-1.3", "resumed handshakes, TLS 1.3, 32 at a time", handshakes("resumed", "1.3"), quick=True),
        scenario("resumed-1.2", "resumed handshakes, TLS 1.2, 32 at a time", handshakes("resumed", "1.2")),
        scenario("close", "a new connection, resumed, for each request, 32 at a time",
                 handshakes("request", "1.3"), quick=True),
        scenario("1m", "GET of 1 MB, 8 connections", wrk("bare", "/1m", 8, watched=False)),
        scenario("100m", "GET of 100 MB, 2 connections", transfer("/100m"), warm=False),
        scenario("upload", "POST of 100 MB, 2 connections", transfer("/upload"), warm=False),
        scenario("idle", f"{idle_connections} idle connections, and 2000 requests/s beside them",
                 idle(idle_connections), warm=False),
        scenario("flood", "200 requests/s of a quiet client in a flood of handshakes, 128 at a time", flood(128), quick=True),
    ]  # fmt: skip
