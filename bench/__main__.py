"""rsp beside nginx and HAProxy on the same work: ``make bench``, ``make bench-quick``; see docs/benchmarks.md."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from bench import http2, load, report
from bench.peers import CONNECTIONS, LOAD_CORE, Peer, backends, make_certificate, missing
from bench.scenarios import Scenario, all_scenarios, sample, syscalls
from bench.tls import tls_scenarios

ROOT = Path(__file__).parent.parent
GROUPS = ("plain", "tls", "http2")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "group", nargs="?", choices=("all", *GROUPS), default="all", help="which scenarios (all: plain and tls)"
    )
    parser.add_argument("--quick", action="store_true", help="a few scenarios, two minutes")
    parser.add_argument("--only", metavar="NAMES", help="these scenarios, separated by commas")
    parser.add_argument("--peers", metavar="NAMES", help="these proxies, separated by commas")
    parser.add_argument("--repeats", type=int, help="how often each peer has its turn (5; quick: 3)")
    parser.add_argument("--seconds", type=float, help="of each turn (2; quick: 1)")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections to hold (10000)")
    parser.add_argument("--ab", type=int, default=100_000, help="requests of the ab scenario (100000)")
    parser.add_argument("--document", type=Path, help="a file whose table is to be replaced")
    options = parser.parse_args()
    options.repeats = options.repeats or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    alone = ("plain", "json", "busy")
    options.groups = {"all": (*alone, "tls"), "plain": alone}.get(options.group, (options.group,))
    return options


def known(what: str, wanted: str, names: Collection[str]) -> list[str]:
    """The names in ``wanted``; exits with those that there are when one is unknown."""
    for name in wanted.split(","):
        if name not in names:
            sys.exit(f'bench: no {what} "{name}"; there are: {", ".join(names)}')
    return wanted.split(",")


def make_peers(directory: Path) -> dict[str, Peer]:
    """Each program that can be started here, by name."""
    variants = {
        "rsp": {}, "nginx": {}, "haproxy": {},
        "rsp lines": {},
        "rsp busy": {"poll": "50us"},
        "rsp pure": {"environment": {"RSP_PURE": "1"}},
        **{f"{name} quiet": {"log": "off"} for name in ("rsp", "nginx", "haproxy")},
        **{f"{name} json": {"log": "json"} for name in ("rsp", "nginx", "haproxy")},
        "rsp one": {"core": None}, "nginx one": {"core": None},
        "rsp two": {"core": None, "workers": 2}, "nginx two": {"core": None, "workers": 2},
        **{f"{name} tls": {"secure": True} for name in ("rsp", "nginx", "haproxy")},
        **{name: {"secure": True, "http2": True} for name in (*http2.PEERS, "rsp h1")},
        "relay": {}, "relay echo": {}, "proxy.py": {}, "ancestor": {},
    }  # fmt: skip
    peers = {"direct": Peer("direct", 9101, directory)}
    for number, (name, more) in enumerate(variants.items()):
        peers[name] = Peer(name, 9200 + number, directory / name.replace(" ", "-"), **more)
    for program in missing("nghttpx", "h2o"):
        del peers[f"{program} h2"]
    if "RSP_ANCESTOR" not in os.environ:
        del peers["ancestor"]
    try:
        import proxy  # noqa: F401
    except ImportError:
        del peers["proxy.py"]
    return peers


def capacity(peer: Peer) -> float:
    """Requests a second that ``peer`` could answer on a core of its own, whatever the load's core can ask."""
    load.wrk(peer.port, "browser", "/small", 64, 0.5)
    found = sample(peer, lambda: load.wrk(peer.port, "browser", "/small", 64, 2))
    return min(found["rate"], 1e6 / (found["user"] + found["system"]))


def run(scenario: Scenario, peers: dict[str, Peer], repeats: int, seconds: float) -> dict[str, list[dict[str, float]]]:
    """Interleaved: A B C A B C, so that a machine that changes its pace changes it for all."""
    taking_part = [name for name in scenario.peers if name in peers]
    for name in taking_part:
        if peers[name].process is None:
            peers[name].start()
    if scenario.warm:
        for name in taking_part:
            scenario.run(peers[name], 0.5)
    samples = {name: [] for name in taking_part}
    for _ in range(repeats):
        for name in taking_part:
            found = scenario.run(peers[name], seconds)
            if found["errors"]:
                print(f"{scenario.name}: {name}: {found['errors']:.0f} errors", file=sys.stderr)
            samples[name].append(found)
    return samples


def count_calls(peers: dict[str, Peer], samples: report.Samples) -> dict[str, float]:
    """System calls a request of those that took part in a headline."""
    headlines = {"headline": syscalls, "h2-headline": http2.syscalls}
    return {
        name: count(peers[name])
        for scenario, count in headlines.items()
        for name in samples.get(scenario, ())
        if name != "rsp pure"
    }


def main() -> int:
    options = parse()
    lacking = missing(
        "nginx", "haproxy", "wrk", "ab", "strace", "cc", "openssl", *(["h2load"] if "http2" in options.groups else [])
    )
    if lacking:
        print(f"bench: missing: {', '.join(lacking)}", file=sys.stderr)
        print("apt-get install nginx haproxy wrk apache2-utils strace gcc libc6-dev libssl-dev openssl nghttp2-client",
              file=sys.stderr)  # fmt: skip
        return 2
    if len(os.sched_getaffinity(0)) < 2:
        print("bench: two cores are needed, one for the proxy and one for the load", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with tempfile.TemporaryDirectory() as directory, backends(Path(directory)), contextlib.ExitStack() as more:
        if "http2" in options.groups:
            more.enter_context(http2.grpc_server())
        os.chmod(directory, 0o755)
        make_certificate(Path(directory))
        peers = make_peers(Path(directory))
        if options.peers:
            peers = {name: peers[name] for name in known("proxy", options.peers, peers)}
        try:
            for peer in peers.values():
                if peer.name != "proxy.py" and peer.group in options.groups:
                    peer.start()  # proxy.py starts with its scenario, the last one: it would disturb the others
            half = capacity(peers["nginx"]) / 2 if "nginx" in peers and "plain" in options.groups else 10_000.0
            idle = min(options.idle, CONNECTIONS - 200)
            scenarios = [
                *all_scenarios(round(half, -2), idle, options.ab), *tls_scenarios(idle), *http2.http2_scenarios(idle)
            ]  # fmt: skip
            chosen = [one for one in scenarios if (one.quick or not options.quick) and one.group in options.groups]
            if options.only:
                names = known("scenario", options.only, [one.name for one in scenarios])
                chosen = [one for one in scenarios if one.name in names]
            samples = {}
            for scenario in chosen:
                print(f"... {scenario.name}", file=sys.stderr)
                samples[scenario.name] = run(scenario, peers, options.repeats, options.seconds)
            calls = {} if options.quick else count_calls(peers, samples)
        finally:
            for peer in peers.values():
                peer.stop()
    judged = [
        mine for found in samples.values() for name, mine in found.items() if name not in ("proxy.py", "ancestor")
    ]
    failed = sum(one["errors"] for mine in judged for one in mine)
    report.write(samples, chosen, calls, ROOT / "bench" / "build" / "latest.json", options.document)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
