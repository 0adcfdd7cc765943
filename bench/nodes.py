"""What many nodes ask of one etcd: requests, its processor time and memory for each node that follows members there.

    python -m bench.nodes [--nodes 50] [--members 100] [--changes 10] [--seconds 20]

It starts an etcd of its own and follows one prefix as so many nodes do, each with connections of its own, while members
come and go.  What etcd counts itself is shown.
"""

import argparse
import asyncio
import re
import subprocess
import tempfile
import time
from urllib.request import urlopen

import psutil

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.control.discovery.etcd import EtcdPrefix
from rsp.engines.etcd import Etcd
from rsp.tls.material import Keyring
from tests.ports import free_port

_PREFIX = "/services/app/"


def counted(port: int) -> dict[str, float]:
    """Calls by method, as etcd counts them."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for method, count in re.findall(r'grpc_server_started_total\{grpc_method="(\w+)".*?\} (\S+)', text):
        found[method] = found.get(method, 0) + float(count)
    return found


async def measure(options: argparse.Namespace, port: int, etcd: psutil.Process) -> None:
    discover = Discover(url=f"etcd://127.0.0.1:{port}{_PREFIX}")
    told = 0

    def tell(_members: object) -> None:
        nonlocal told
        told += 1

    async with Etcd(discover, discover.endpoint, Dns(), Keyring()) as client:
        for number in range(options.members):
            await put(client, number)
        before = etcd.memory_info().rss
        nodes = [asyncio.create_task(EtcdPrefix(discover, Dns(), Keyring()).follow(tell)) for _ in range(options.nodes)]
        while told < options.nodes:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        memory = etcd.memory_info().rss - before
        first, cpu, begun, told = counted(port), sum(etcd.cpu_times()[:2]), time.monotonic(), 0
        number = options.members
        for _ in range(int(options.seconds)):
            for _ in range(options.changes):
                await put(client, number)
                number += 1
            await asyncio.sleep(
                max(0.0, begun + (number - options.members) / max(1, options.changes) - time.monotonic())
            )
        await asyncio.sleep(max(0.0, begun + options.seconds - time.monotonic()))
        seconds = time.monotonic() - begun
        used = sum(etcd.cpu_times()[:2]) - cpu
        for method, count in sorted(counted(port).items()):
            rate = (count - first.get(method, 0)) / seconds
            if rate:
                print(f"{method:12} {rate:8.1f}/s, {rate / options.nodes:6.3f}/s for each node")
        print(
            f"{options.nodes} nodes, {options.changes} changes/s: etcd used {used / seconds:.1%} of a core "
            f"({used / seconds / options.nodes * 1000:.2f} ms a second for each node), {memory / options.nodes / 1024:.0f} KB "
            f"for each node; {told} answers"
        )
        for node in nodes:
            node.cancel()
        await asyncio.gather(*nodes, return_exceptions=True)


async def put(client: Etcd, number: int) -> None:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:8000"
    await client.call("/v3/kv/put", {"key": f"{_PREFIX}{number}".encode(), "value": address.encode()}, dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--changes", type=int, default=10, help="in a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    port, peer = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        url = f"http://127.0.0.1:{port}"
        etcd = subprocess.Popen(
            ["etcd", "--data-dir", directory, "--listen-client-urls", url, "--advertise-client-urls", url,
             "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls",
             f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(2.0)
            asyncio.run(measure(options, port, psutil.Process(etcd.pid)))
        finally:
            etcd.terminate()
            etcd.wait()


if __name__ == "__main__":
    main()
