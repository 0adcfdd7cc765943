"""What the compiled TLS engine costs beside Python's ssl, without sockets: ``python -m bench.tls_engine``.

Each figure is the minimum of interleaved rounds, CPU time of the server's side alone, except for memory.
"""

import argparse
import ctypes
import gc
import os
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsp.tls import engine, stdlib
from tests.certificates import authority

CA = authority()
KINDS = {"compiled": engine.Context, "stdlib": stdlib.Context}
KEY = bytes(range(80))
REQUEST = b"GET /static/file.bin HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
MIB = bytes(range(256)) * 4096


class Clock:
    """CPU time of what runs within ``with``."""

    def __init__(self) -> None:
        self.spent = 0.0

    def __enter__(self) -> None:
        self._began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.spent += time.thread_time() - self._began


def contexts(kind: str, version: str, folder: Path) -> tuple[Any, Any]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(CA.issue("example.com").write(folder, "site"))
    client.load_verify_locations(cadata=CA.pem.decode())
    for context in (server, client):
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, f"TLSv{version.replace('.', '_')}")
        context.set_alpn_protocols(["http/1.1"])
    ours, theirs = KINDS[kind](server), KINDS[kind](client)
    ours.use_tickets([KEY])
    return ours, theirs


def shake(ours: Any, theirs: Any, session: object = None, clock: Clock | None = None) -> tuple[Any, Any]:
    clock = clock or Clock()
    client = theirs.client("example.com", session)
    client.open(b"")
    with clock:
        server = ours.server(b"example.com")
    while True:
        said = client.take()
        with clock:
            server.open(said)
            answer = server.take()
        client.open(answer)
        if client.ready and server.ready:
            return server, client


def handshake(kind: str, version: str, folder: Path, *, resumed: bool) -> Callable[[], float]:
    ours, theirs = contexts(kind, version, folder)
    _, first = shake(ours, theirs)
    session = first.session() if resumed else None

    def run() -> float:
        clock = Clock()
        for _ in range(20):
            server, client = shake(ours, theirs, session, clock)
            assert server.facts().resumed == resumed
            client.close()
            with clock:
                del server
        return clock.spent / 20

    return run


def moving(kind: str, data: bytes, piece: int, folder: Path, *, up: bool) -> Callable[[], float]:
    """``up``: the server opens what the client has sealed, in pieces as they are read from a socket."""
    server, client = shake(*contexts(kind, "1.3", folder))
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    times = max(1, (1 << 20) // len(data) // 20)

    def run() -> float:
        clock = Clock()
        for each in pieces * times:
            if up:
                sealed = client.seal(each)
                with clock:
                    server.open(sealed)
            else:
                with clock:
                    sealed = server.seal(each)
                client.open(sealed)
            del sealed
        return clock.spent / times

    return run


def memory(kind: str, folder: Path, count: int = 1000) -> float:
    """Bytes of an idle connection: resident memory before and after, of server and client halved."""
    ours, theirs = contexts(kind, "1.3", folder)
    kept = [shake(ours, theirs)[0] for _ in range(100)]  # the first ones warm caches and allocations
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident()
    for _ in range(count):
        server, client = shake(ours, theirs)
        server.open(client.seal(REQUEST))
        client.open(server.seal(b"response"))
        kept.append(server)
    del client
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return (resident() - before) / count


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{ssl.OPENSSL_VERSION}, compiled: {engine.COMPLETE}; microseconds\n")
        work: dict[str, Callable[[str], Callable[[], float]]] = {
            f"handshake {version} {'resumed' if resumed else 'full'}": (
                lambda kind, version=version, resumed=resumed: handshake(kind, version, folder, resumed=resumed)
            )
            for version in ("1.3", "1.2")
            for resumed in (False, True)
        }
        work["open a request"] = lambda kind: moving(kind, REQUEST, 1 << 18, folder, up=True)
        work["seal a response of 200 bytes"] = lambda kind: moving(kind, REQUEST * 3, 1 << 18, folder, up=False)
        work["seal 1 MiB in pieces of 256 KiB"] = lambda kind: moving(kind, MIB, 1 << 18, folder, up=False)
        work["open 1 MiB in pieces of 256 KiB"] = lambda kind: moving(kind, MIB, 1 << 18, folder, up=True)
        for title, make in work.items():
            runs = {kind: make(kind) for kind in KINDS}
            best = dict.fromkeys(KINDS, 1e9)
            for _ in range(rounds):
                for kind, run in runs.items():
                    best[kind] = min(best[kind], run())
            figures = "  ".join(f"{kind} {seconds * 1e6:8.2f}" for kind, seconds in best.items())
            print(f"{title:34} {figures}   x {best['stdlib'] / best['compiled']:.2f}")
        print("\nmemory of an idle connection, KiB: ", end="")
        print("  ".join(f"{kind} {memory(kind, folder) / 1024:.1f}" for kind in KINDS))


if __name__ == "__main__":
    main()
