"""One limit for several instances: how much passes, and what a request waits for it.

    python bench/cluster_limits.py [--instances 5] [--rate 1000] [--offered 2000] [--seconds 10]

Starts redis-server and the instances, and sends requests at random moments, whatever becomes of those before: one half
to a route with the limit, the other to the same route without it, from the same connections in turn.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.harness import Rsp
from tests.leases_lab import most_in
from tests.limit_load import Load
from tests.redis_server import redis_server

SITE = """
listen "127.0.0.1:{{port}}"
store "main" {{ "redis://127.0.0.1:{redis}/0" }}
route {{ path = "/free", respond = {{ status = 200, body = "inside" }} }}
route {{ path = "/limited", respond = {{ status = 200, body = "inside" }},
        rate_limit = {{ rate = "{rate}r/s", burst = {burst}, key = "all", cluster = true }} }}
"""


def counts_of(instance: Rsp) -> Counter[str]:
    """What its workers count of limits."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(instance.directory / "admin.sock"))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: rsp\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: sock.recv(1 << 16), b"")).decode()
    found = re.findall(r"^rsp_(limits_\w+)_total(?:\{.*\})? (\d+)", text, re.MULTILINE)
    return Counter({name: int(float(value)) for name, value in found})


def _tell(load: Load, counts: Counter[str], options: argparse.Namespace) -> None:
    offered, passed = sum(load.statuses["/limited"].values()), load.statuses["/limited"][200]
    lasted = options.seconds
    wanted = min(options.rate, offered / lasted)
    print(f"offered {offered / lasted:.0f}/s, passed {passed / lasted:.1f}/s of {wanted:.0f}/s: "
          f"{100 * (passed / lasted / wanted - 1):+.2f} %")  # fmt: skip
    burst = max(options.burst, int(options.rate * 0.04))
    print(f"one bucket for all would have admitted {load.ideal(1 / options.rate, burst / options.rate) / lasted:.1f}/s")
    print(f"most in a second: {most_in(sorted(load.passed), 1.0)}; {dict(load.statuses['/limited'])}")
    for share in (0.5, 0.9, 0.99, 0.999):
        free, limited = (_quantile(load.times[path], share) for path in ("/free", "/limited"))
        print(f"p{100 * share:g}: {free * 1e6:.0f} us without, {limited * 1e6:.0f} us with the limit")
    print(f"of {offered} requests {counts['limits_waited']} waited for the store; buckets asked for "
          f"{counts['limits_asked'] / lasted:.0f}/s; counted without the store {counts['limits_local']}")  # fmt: skip


def _quantile(times: list[float], share: float) -> float:
    return sorted(times)[int(share * (len(times) - 1))] if times else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in {"instances": 5, "workers": 1, "connections": 4, "burst": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in {"rate": 1000, "offered": 2000, "seconds": 10}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(redis_server(place))
        text = SITE.format(redis=store.port, rate=options.rate, burst=options.burst)
        instances = []
        for number in range(options.instances):
            (place / str(number)).mkdir()
            instances.append(stack.enter_context(Rsp(place / str(number), text, options.workers)))
        load = Load()
        places = [("127.0.0.1", one.port) for one in instances]
        asyncio.run(load.run(places, options.offered, options.seconds, options.connections))
        _tell(load, sum((counts_of(one) for one in instances), Counter()), options)


if __name__ == "__main__":
    main()
