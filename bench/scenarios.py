"""What is measured: each scenario puts one load on one proxy and returns one sample."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import load
from bench.peers import Peer

Sample = dict[str, float]


@dataclass(frozen=True)
class Scenario:
    """``run(peer, seconds)`` gives a sample; ``quick``: part of the short run; ``peers``: the programs that take part."""

    name: str
    title: str
    run: Callable[[Peer, float], Sample]
    quick: bool = False
    peers: tuple[str, ...] = ("rsp", "nginx", "haproxy")
    warm: bool = True
    group: str = "plain"


def sample(peer: Peer, work: Callable[[], load.Result]) -> Sample:
    """Run ``work`` and say what it cost ``peer``: CPU in us per request, memory in bytes afterwards."""
    before = peer.rss()
    user, system = peer.cpu()
    result = work()
    user_after, system_after = peer.cpu()
    count = max(result["requests"], 1)
    result["rate"] = result["requests"] / result["seconds"]
    result["user"] = (user_after - user) / count * 1e6
    result["system"] = (system_after - system) / count * 1e6
    result["cpu"] = result["user"] + result["system"]
    result["rss"] = peer.rss()
    result["grown"] = result["rss"] - before
    return result


def wrk(kind: str, path: str, connections: int, *, watched: bool = True) -> Callable[[Peer, float], Sample]:
    def run(peer: Peer, seconds: float) -> Sample:
        if not watched:
            return sample(peer, lambda: load.wrk(peer.port, kind, path, connections, seconds, peer.scheme))
        with load.compared(peer.port, path) as wrong:
            result = sample(peer, lambda: load.wrk(peer.port, kind, path, connections, seconds))
        result["errors"] += len(wrong)
        return result

    return run


def uploads(peer: Peer, seconds: float) -> Sample:
    return sample(peer, lambda: load.upload(peer.port, 100 << 20, max(2, round(seconds * 5))))


def downloads(peer: Peer, seconds: float) -> Sample:
    return sample(peer, lambda: load.download(peer.port, "/100m", max(2, round(seconds * 5))))


def exchanges(kind: str, connections: int) -> Callable[[Peer, float], Sample]:
    return lambda peer, seconds: sample(peer, lambda: load.exchanges(peer.port, kind, connections, seconds))


def at_rate(rate: float) -> Callable[[Peer, float], Sample]:
    def run(peer: Peer, seconds: float) -> Sample:
        return sample(peer, lambda: load.steady(peer.port, 64, rate, max(seconds, 3)))

    return run


def idle(count: int) -> Callable[[Peer, float], Sample]:
    """Memory for each idle connection, and what a steady client notices of them."""

    def run(peer: Peer, seconds: float) -> Sample:
        peer.stop()  # what it once had in use would count as free
        peer.start()
        load.steady(peer.port, 16, 2000, 2)
        before = peer.rss()
        with load.idle(peer.port, count) as failed:
            time.sleep(1.5)
            result = sample(peer, lambda: load.steady(peer.port, 16, 2000, max(seconds, 2)))
            result["each"] = (peer.rss() - before) / count
            result["errors"] += failed
        time.sleep(0.5)
        return result

    return run


def ab(requests: int) -> Callable[[Peer, float], Sample]:
    return lambda peer, seconds: sample(peer, lambda: load.ab(peer.port, requests))


def syscalls(peer: Peer) -> float:
    """System calls for each request of the headline scenario."""
    return traced(peer, lambda: load.wrk(peer.port, "browser", "/small", 64, 1.0))


def traced(peer: Peer, work: Callable[[], load.Result]) -> float:
    """System calls for each request of ``work``, counted by strace."""
    command = ["strace", "-c", "-f", "-qq"]
    for process in peer.serving():
        command += ["-p", str(process.pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    result = work()
    strace.terminate()
    _, table = strace.communicate()
    total = [line.split() for line in table.splitlines() if line.endswith("total")]
    return int(total[0][3]) / max(result["requests"], 1)


def all_scenarios(half_load: float, idle_connections: int, ab_requests: int) -> list[Scenario]:
    """``half_load``: requests a second, half of what nginx can do here."""
    everyone = ("direct", "rsp", "nginx", "haproxy", "ancestor")
    return [
        Scenario("headline", "small GET, 13 browser fields, varying paths, 64 connections",
                 wrk("browser", "/small", 64), quick=True,
                 peers=("rsp", "rsp pure", "nginx", "haproxy", "relay")),
        Scenario("bare", "small GET, Host only, 64 connections", wrk("bare", "/small", 64)),
        Scenario("quiet", "the headline without access log", wrk("browser", "/small", 64),
                 peers=("rsp quiet", "nginx quiet", "haproxy quiet")),
        Scenario("json", "the headline with an access log in JSON, and rsp with metrics",
                 wrk("browser", "/small", 64), peers=("rsp lines", "rsp json", "nginx json", "haproxy json"),
                 group="json"),
        Scenario("post", "POST of 4 KB, 64 connections", wrk("post", "/upload", 64, watched=False)),
        Scenario("16k", "GET of 16 KB, 64 connections", wrk("bare", "/16k", 64)),
        Scenario("1m", "GET of 1 MB, 8 connections", wrk("bare", "/1m", 8), quick=True),
        Scenario("100m", "GET of 100 MB, 2 connections", downloads, warm=False),
        Scenario("upload", "POST of 100 MB, 2 connections", uploads, warm=False),
        Scenario("close", "new connection for each request, 64 at a time",
                 exchanges("close", 64), quick=True, peers=("rsp", "nginx", "haproxy", "relay")),
        Scenario("one", "small GET, 13 fields, 1 connection", wrk("browser", "/small", 1),
                 peers=("rsp", "nginx", "haproxy", "relay")),
        Scenario("busy", "small GET, 13 fields, 1 connection, and rsp with busy_poll", wrk("browser", "/small", 1),
                 peers=("rsp", "rsp busy", "nginx", "haproxy", "relay"), group="busy"),
        Scenario("thousand", "small GET, 13 fields, 1000 connections", wrk("browser", "/small", 1000)),
        Scenario("half", f"constant {half_load:.0f} requests/s, half of nginx's capacity, 64 connections",
                 at_rate(half_load), quick=True, peers=("direct", "rsp", "nginx", "haproxy", "relay")),
        Scenario("idle", f"{idle_connections} idle connections, and 2000 requests/s beside them",
                 idle(idle_connections), warm=False),
        Scenario("workers", "the headline, one worker and two, on two cores that they share with the load",
                 wrk("browser", "/small", 64), peers=("rsp one", "rsp two", "nginx one", "nginx two")),
        Scenario("websocket", "WebSocket echo of 16 bytes, 32 connections", exchanges("echo", 32),
                 peers=("rsp", "nginx", "haproxy", "relay echo")),
        Scenario("ab", f"ab -n {ab_requests} -c 100", ab(ab_requests), peers=everyone, warm=False),
        Scenario("scale", "small GET, Host only, 8 connections: beside a proxy in Python", wrk("bare", "/small", 8, watched=False),
                 peers=("rsp", "proxy.py")),
    ]  # fmt: skip
