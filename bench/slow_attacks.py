"""How much slower good clients become under slowhttptest's attacks: p50 and p99 of a GET, quiet and attacked.

python bench/slow_attacks.py          needs slowhttptest; prints a table for docs/benchmarks.md
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.harness import Rsp, free_port, proxy_to, resident
from tests.interop.test_slow_attacks import ATTACKS, TEXT

RATE, SECONDS = 200, 6  # requests a second of the good client, and for how long


async def good_client(port: int) -> list[float]:
    """Latencies in seconds at a constant rate, counted from when each request was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    start = loop.time()
    latencies = []
    for number in range(RATE * SECONDS):
        due = start + number / RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        writer.write(b"GET / HTTP/1.1\r\nHost: good\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(3)
        latencies.append(loop.time() - due)
    writer.close()
    return latencies


def quantiles(latencies: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(latencies, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


NGINX = """daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/log; user root;
events {{ worker_connections 4096; }} http {{ access_log off; server {{ listen 127.0.0.1:{port} backlog=4096;
location / {{ return 200 "one"; }} location /big {{ root {directory}; }} }} }}"""


def main() -> None:
    print(
        "| attack | p50 ms quiet / attacked | p99 ms quiet / attacked | ratio of p99 | worker's memory |\n|---|---|---|---|---|"
    )
    for name, flags in ATTACKS.items():
        with tempfile.TemporaryDirectory() as directory:
            port = free_port()
            (Path(directory) / "big").write_bytes(b"x" * 300_000)
            (Path(directory) / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
            nginx = subprocess.Popen(["nginx", "-c", f"{directory}/nginx.conf"])
            with Rsp(Path(directory), proxy_to(f"127.0.0.1:{port}", extra=TEXT)) as rsp:
                worker = rsp.workers()[0]
                asyncio.run(good_client(rsp.port))
                quiet = quantiles(asyncio.run(good_client(rsp.port)))
                before = resident(worker)
                attacker = subprocess.Popen(
                    ["slowhttptest", "-c", "1000", "-r", "500", "-l", "12", *flags, "-u", f"http://127.0.0.1:{rsp.port}/big"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                time.sleep(2.5)  # all connections are open
                attacked = quantiles(asyncio.run(good_client(rsp.port)))
                grown = resident(worker) - before
                attacker.kill()
                attacker.wait()
            nginx.terminate()
            nginx.wait()
        print(
            f"| {name} | {quiet[0]:.2f} / {attacked[0]:.2f} | {quiet[1]:.2f} / {attacked[1]:.2f} | "
            f"{attacked[1] / quiet[1]:.2f} | +{grown / 2**20:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
