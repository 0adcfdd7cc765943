"""What balancing does, measured: ``make bench-balancing`` writes the tables and pictures of docs/balancing.md.

Backends are those of the fault lab; everything goes through a real rsp with two workers.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import pictures
from bench.sections import replace_named
from tests.faults.lab import Count, Faulty, Lab, load, under_load
from tests.faults.name_server import NameServer
from tests.harness import Backend, Rsp, wait_until

DOCUMENT = Path(__file__).parent.parent / "docs" / "balancing.md"
POLICIES = ("round_robin", "least_conn", "random2", "ewma", "hash", "sticky")
FAST, SLOW = 0.005, 0.050


def running(text: str) -> Rsp:
    return Rsp(Path(tempfile.mkdtemp()), text, workers=2)


def keyed() -> Callable[[], bytes]:
    """Requests that differ in what ``hash`` looks at."""
    numbers = iter(range(10**9))
    return lambda: b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % next(numbers)


# -- who gets what


def distribution(seconds: float) -> list[list[str]]:
    rows = []
    for policy in POLICIES:
        row = [f"`{policy}`"]
        for weights, slow in (((1, 1, 1), False), ((1, 2, 5), False), ((1, 1, 1), True)):
            with Lab() as lab:
                for backend in lab.backends:
                    backend.delay = FAST
                if slow:
                    lab.backends[2].delay = SLOW
                peers = ", ".join(
                    f'{{ "{one.address}", weight = {weight} }}'
                    for one, weight in zip(lab.backends, weights, strict=True)
                )
                options = f'policy = "{policy}"' + (', key = "uri"' if policy == "hash" else "")
                with running(lab.site(options, peers=peers)) as rsp:
                    count = load(rsp.port, 32, seconds=seconds, request=keyed())
                assert count.failed == 0, count.statuses
                row.append(" / ".join(f"{count.bodies[b'b%d' % index] / count.sent:.1%}" for index in range(3)))
        rows.append(row)
    return rows


# -- how long the slowest wait


def tails(seconds: float) -> dict[str, Count]:
    found = {}
    for policy in ("round_robin", "least_conn", "random2", "ewma"):
        with Lab() as lab:
            for backend in lab.backends:
                backend.delay = FAST
            lab.backends[2].delay = SLOW
            with running(lab.site(f'policy = "{policy}"')) as rsp:
                load(rsp.port, 16, seconds=1.0)  # what there is to learn is learnt
                found[policy] = load(rsp.port, 16, seconds=seconds, pause=0.005)
    return found


def hedged(seconds: float) -> dict[str, Count]:
    """One response in fifty takes half a second, from any peer."""
    found = {}
    for name, options in (("without", ""), ("with", "hedge = true")):
        with Lab() as lab:
            stop = threading.Event()

            def stumble(backends: list[Faulty] = lab.backends, stop: threading.Event = stop) -> None:
                turn = 0
                while not stop.wait(0.05):  # each is slow for a moment, one after the other
                    backends[turn % 3].delay = FAST
                    turn += 1
                    backends[turn % 3].delay = 0.5 if turn % 16 == 0 else FAST

            for backend in lab.backends:
                backend.delay = FAST
            threading.Thread(target=stumble, daemon=True).start()
            with running(lab.site(options)) as rsp:
                load(rsp.port, 16, seconds=2.5, pause=0.005)
                found[name] = load(rsp.port, 16, seconds=seconds, pause=0.005)
            stop.set()
    return found


# -- faults


def out_and_back(rsp: Rsp, address: str, cure: Callable[[], None]) -> tuple[float, float]:
    """Seconds until the peer at ``address`` is out, and from ``cure`` until it is back."""
    started = time.monotonic()
    wait_until(lambda: rsp.state(address) in ("ejected", "probing", "down"), "out", 60)
    out = time.monotonic() - started
    time.sleep(3.0)
    cure()
    started = time.monotonic()
    wait_until(lambda: rsp.state(address) == "up", "back", 90)
    return out, time.monotonic() - started


def fault(name: str, begin: Callable[[Lab, Faulty], None], options: str = "", extra: str = "") -> list[str]:
    with Lab() as lab, running(lab.site(options, extra=extra)) as rsp:
        bad = lab.backends[0]

        def cure() -> None:
            bad.fault = bad.health = "ok"
            bad.delay = 0.0
            if not lab.listens(bad):
                lab.start(bad)

        with under_load(rsp.port, 32) as count:
            time.sleep(1.0)
            begin(lab, bad)
            out, back = out_and_back(rsp, bad.address, cure)
        time.sleep(1.1)
        retried = rsp.admin("/status")["totals"]["retries"]
    return [name, f"{count.sent:,}", f"{count.failed:,}", f"{retried:,}", f"{out:.2f}", f"{back:.2f}"]


def becomes(kind: str) -> Callable[[Lab, Faulty], None]:
    return lambda _, backend: setattr(backend, "fault", kind)


def faults() -> list[list[str]]:
    hurry = 'timeouts = { response = "1s" }'
    checks = 'health = { path = "/health", interval = "500ms", timeout = "400ms", fall = 2, rise = 2 }'
    rows = [
        fault("killed: refuses and resets", lambda lab, backend: lab.kill(backend)),
        fault("accepts and hangs (`timeouts.response = 1s`)", becomes("hang"), extra=hurry),
        fault("the same, with `health` every 500 ms", hanging_checks, checks, hurry),
        fault("resets before it answers", becomes("reset")),
        fault("resets in the middle of the head", becomes("half_head")),
        fault("resets in the middle of the body", becomes("half_body")),
        fault("answers garbage", becomes("garbage")),
        fault("a byte a second (`timeouts.response = 1s`)", becomes("slow"), extra=hurry),
        fault(
            "500 for 10 % of requests (`outliers = { errors = 0.05 }`)",
            becomes("tenth"),
            "outliers = { errors = 0.05 }",
        ),
        fault("ten times slower (`outliers = true`)", slower, "outliers = true"),
    ]
    return [*rows, descriptors(hurry), flapping(), resolver()]


def hanging_checks(_: Lab, backend: Faulty) -> None:
    backend.fault = backend.health = "hang"


def slower(lab: Lab, backend: Faulty) -> None:
    for one in lab.backends:
        one.delay = FAST
    backend.delay = SLOW


def descriptors(extra: str) -> list[str]:
    """A backend that may have 16 descriptors, under 64 connections."""
    from tests.faults.lab import without_descriptors

    with Lab(2) as lab, without_descriptors() as address:
        peers = ", ".join(f'"{one}"' for one in (address, *(one.address for one in lab.backends)))
        with running(lab.site('policy = "least_conn"', peers=peers, extra=extra)) as rsp:
            with under_load(rsp.port, 64) as count:
                started = time.monotonic()
                wait_until(lambda: rsp.peers()[address]["ejections"] > 0, "out", 60)
                out = time.monotonic() - started
                time.sleep(5.0)
            time.sleep(1.1)
            retried = rsp.admin("/status")["totals"]["retries"]
    name = "has no descriptors left (`timeouts.response = 1s`)"
    return [name, f"{count.sent:,}", f"{count.failed:,}", f"{retried:,}", f"{out:.2f}", "-"]


def flapping() -> list[str]:
    with Lab() as lab, running(lab.site()) as rsp:
        victim = lab.backends[1]
        with under_load(rsp.port, 64) as count:
            for _ in range(8):
                lab.kill(victim)
                time.sleep(2)
                lab.start(victim)
                time.sleep(2)
        time.sleep(1.1)
        retried = rsp.admin("/status")["totals"]["retries"]
    return [
        "killed and restarted every 2 s, for 32 s, 64 connections",
        f"{count.sent:,}",
        f"{count.failed:,}",
        f"{retried:,}",
        "-",
        "-",
    ]


def resolver() -> list[str]:
    """The name server stops to answer while its answer runs out every second."""
    with NameServer() as names, Backend() as backend:
        names.set("app.test", "A", 1, "127.0.0.1")
        text = (
            f'listen "127.0.0.1:{{port}}" dns = {{ servers = {{ "{names.address}" }}, timeout = "1s" }}'
            f'upstream "app" {{ "app.test:{backend.port}" }}'
        )
        with running(text) as rsp:
            load(rsp.port, 1, requests=1)
            with under_load(rsp.port, 32) as count:
                time.sleep(1.0)
                names.fault = "silent"
                time.sleep(8.0)
            time.sleep(1.1)
            retried = rsp.admin("/status")["totals"]["retries"]
    return [
        "the resolver times out for 8 s (TTL 1 s)",
        f"{count.sent:,}",
        f"{count.failed:,}",
        f"{retried:,}",
        "-",
        "-",
    ]


# -- the document


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tail_rows(found: dict[str, Count]) -> list[list[str]]:
    return [
        [f"`{name}`" if "_" in name or name in POLICIES else name]
        + [f"{statistics.mean(count.seconds) * 1000:.1f}"]
        + [f"{count.quantile(share) * 1000:.1f}" for share in (0.5, 0.9, 0.95, 0.99)]
        for name, count in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.balancing", description=__doc__)
    parser.add_argument("--only", choices=["distribution", "tails", "hedge", "faults"])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each turn (6)")
    options = parser.parse_args()
    os.nice(0)
    wanted = [options.only] if options.only else ["distribution", "tails", "hedge", "faults"]
    heads = ["", "mean ms", "p50", "p90", "p95", "p99"]
    if "distribution" in wanted:
        rows = distribution(options.seconds / 2)
        columns = ["policy", "equal", "weights 1 : 2 : 5", "equal, the third ten times slower"]
        replace_named(DOCUMENT, "distribution", table(columns, rows))
    if "tails" in wanted:
        found = tails(options.seconds)
        replace_named(DOCUMENT, "tails", table(heads, tail_rows(found)))
        pictures.distributions(
            DOCUMENT.parent / "balancing-tails.svg",
            "One of three peers ten times slower: share of requests that take longer",
            {name: count.seconds for name, count in found.items()},
        )
    if "hedge" in wanted:
        found = hedged(options.seconds)
        replace_named(DOCUMENT, "hedge", table(heads, tail_rows(found)))
        pictures.distributions(
            DOCUMENT.parent / "balancing-hedge.svg",
            "Peers that stumble now and then: share of requests that take longer",
            {f"{name} hedging": count.seconds for name, count in found.items()},
        )
    if "faults" in wanted:
        columns = ["what the peer does", "sent", "failed", "retried", "s until out", "s until back"]
        replace_named(DOCUMENT, "faults", table(columns, faults()))


if __name__ == "__main__":
    main()
