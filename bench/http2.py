"""The scenarios of HTTP/2, all over TLS 1.3; towards backends HTTP/1.1, for gRPC HTTP/2 in clear text.

rsp's own HTTP/1.1 over TLS stands beside it where the question is what HTTP/2 costs more.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench import load, tls
from bench.h2load import BROWSER, GRPC, Load, h2load
from bench.peers import BODIES, LOAD_CORE, Peer, pin, wait_for
from bench.peers import GRPC as GRPC_PORT
from bench.programs import compiled
from bench.scenarios import Sample, Scenario, sample, traced

Run = Callable[[Peer, float], Sample]
SLOW_UPLOADS = ("nginx h2", "haproxy h2", "nghttpx h2")  # a stream's window is 64 KB with them: 80 s for 100 MB
FAR = 9104  # the port at which a path of 50 ms begins
PEERS = ("rsp h2", "nginx h2", "haproxy h2", "nghttpx h2", "h2o h2")
MESSAGE = b"\0\0\0\0\x64" + b"m" * 100  # gRPC's prefix of a message, and 100 bytes
SMALL = Load("/small", 25_000, 8, 16, len(BODIES["/small"]), BROWSER, variants=2000)
SINGLE = replace(SMALL, clients=64, streams=1)
WIDE = replace(SMALL, clients=1, streams=100)
POST = Load("/upload", 20_000, 8, 16, 5, ("content-type: application/json",), b"x" * 4096)
MEGABYTE = Load("/1m", 500, 8, 4, len(BODIES["/1m"]))
UNARY = Load("/bench.Echo/Call", 20_000, 8, 16, len(MESSAGE), GRPC, MESSAGE)
DOWNLOAD = Load("/100m", 4, 1, 2, len(BODIES["/100m"]))
UPLOAD = Load("/upload", 4, 1, 2, 10, body=b"u" * (100 << 20))
FAR_DOWNLOAD = replace(DOWNLOAD, streams=1, pace=0)
FAR_UPLOAD = replace(UPLOAD, streams=1, pace=0)


def version(peer: Peer) -> int:
    """HTTP/1.1 where the peer's name says so."""
    return 1 if peer.name.endswith(" h1") else 2


def ask(peer: Peer, what: Load, seconds: float) -> load.Result:
    return h2load(peer.port, what, seconds, version(peer))


def asked(what: Load) -> Run:
    return lambda peer, seconds: sample(peer, lambda: ask(peer, what, seconds))


def distant(what: Load) -> Run:
    """Over a path of 50 ms, the handshakes' round trips included."""

    def run(peer: Peer, seconds: float) -> Sample:
        command = [compiled("far"), str(FAR), str(peer.port), "50"]
        with subprocess.Popen(command, preexec_fn=pin(LOAD_CORE)) as path:
            wait_for(FAR)
            try:
                return sample(peer, lambda: h2load(FAR, what, seconds, version(peer)))
            finally:
                path.terminate()

    return run


@contextmanager
def grpc_server() -> Iterator[None]:
    command = [compiled("grpc_echo"), str(GRPC_PORT)]
    with subprocess.Popen(command, preexec_fn=pin(LOAD_CORE)) as server:
        wait_for(GRPC_PORT)
        yield
        server.terminate()


def syscalls(peer: Peer) -> float:
    return traced(peer, lambda: ask(peer, SMALL, 1.0))


def http2_scenarios(idle_connections: int) -> list[Scenario]:
    def scenario(
        name: str, title: str, run: Run, *, more: tuple[str, ...] = (), without: tuple[str, ...] = (),
        quick: bool = False, warm: bool = True,
    ) -> Scenario:  # fmt: skip
        peers = tuple(one for one in (*PEERS, *more) if one not in without)
        return Scenario(f"h2-{name}", title, run, quick, peers, warm, "http2")

    return [
        scenario("headline", "small GET, 13 browser fields, varying paths, 8 connections with 16 streams each (rsp h1: 128 connections)",
                 asked(SMALL), more=("rsp h1",), quick=True),
        scenario("single", "the same, 64 connections with one stream each (rsp h1: 64 connections)", asked(SINGLE), more=("rsp h1",)),
        scenario("wide", "the same, one connection with 100 streams", asked(WIDE), quick=True),
        scenario("post", "POST of 4 KB, 8 connections with 16 streams each", asked(POST)),
        scenario("1m", "GET of 1 MB, 8 connections with 4 streams each", asked(MEGABYTE), quick=True),
        scenario("100m", "GET of 100 MB, 2 streams on one connection", asked(DOWNLOAD), warm=False),
        scenario("upload", "POST of 100 MB, 2 streams on one connection", asked(UPLOAD), warm=False),
        scenario("far", "GET of 100 MB, one stream, over a path of 50 ms", distant(FAR_DOWNLOAD), more=("rsp h1",), without=("nghttpx h2", "h2o h2"), warm=False),
        scenario("far-upload", "POST of 100 MB, one stream, over a path of 50 ms", distant(FAR_UPLOAD), more=("rsp h1",), without=SLOW_UPLOADS, warm=False),
        scenario("grpc", "unary gRPC calls to a server that speaks HTTP/2, messages of 100 bytes, 8 connections with 16 streams each",
                 asked(UNARY), without=("h2o h2",), quick=True),
        scenario("idle", f"{idle_connections} idle connections, and 2000 requests/s over HTTP/1.1 beside them",
                 tls.idle(idle_connections, "idle2"), warm=False),
    ]  # fmt: skip
