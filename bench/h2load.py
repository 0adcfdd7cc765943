"""h2load as a generator of load: HTTP/2 over TLS, and HTTP/1.1 for the comparison with it."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.load import Result
from bench.peers import LOAD_CORE, pin

HOST = "shop.example.com"
BROWSER = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-language: en-GB,en;q=0.9,de;q=0.7",
    "accept-encoding: gzip, deflate, br, zstd",
    "cookie: session=8d4f1c0e2b7a49f6b3a5; theme=dark; _ga=GA1.2.1123581321.1714000000",
    f"referer: https://{HOST}/catalogue/shoes?page=3",
    "cache-control: max-age=0",
    "upgrade-insecure-requests: 1",
    "sec-fetch-dest: document",
    "sec-fetch-mode: navigate",
    "sec-fetch-site: same-origin",
    'sec-ch-ua-platform: "Linux"',
)
GRPC = ("content-type: application/grpc", "te: trailers", "user-agent: grpc-c/41.0", "grpc-accept-encoding: identity")


@dataclass(frozen=True)
class Load:
    """``pace``: requests for each second that a turn has; h2load's own clock waits for ever now and then.

    ``size``: of each response's body; ``body``: makes the request a POST; ``variants``: number of different queries.
    """

    path: str
    pace: float
    clients: int
    streams: int
    size: int
    fields: tuple[str, ...] = ()
    body: bytes = b""
    variants: int = 0

    def command(self, directory: Path, port: int, version: int, count: int) -> list[str]:
        """HTTP/1.1 has as many connections as HTTP/2 has streams."""
        urls = directory / "urls"
        queries = [f"?item={number * 7919}" for number in range(1, self.variants + 1)] or [""]
        urls.write_text("".join(f"https://{HOST}:{port}{self.path}{query}\n" for query in queries))
        clients, streams = (self.clients, self.streams) if version == 2 else (self.clients * self.streams, 1)
        command = [
            "h2load",
            "-t1",
            f"-c{clients}",
            f"-m{streams}",
            "--connect-to",
            f"127.0.0.1:{port}",
            "-i",
            str(urls),
        ]
        command += [f"-n{count}", "--log-file", str(directory / "requests"), *(f"-H{field}" for field in self.fields)]
        if self.body:
            (directory / "body").write_bytes(self.body)
            command += ["-d", str(directory / "body")]
        return command if version == 2 else [*command, "--h1"]


def h2load(port: int, load: Load, seconds: float, version: int = 2) -> Result:
    """One error for each response that is not a 200, and one when bodies were cut short."""
    count = max(round(load.pace * seconds), load.clients * load.streams)
    with tempfile.TemporaryDirectory() as directory:
        command = load.command(Path(directory), port, version, count)
        output = subprocess.run(command, preexec_fn=pin(LOAD_CORE), capture_output=True, text=True, check=True).stdout
        latencies = _latencies(Path(directory, "requests"))

    def figure(pattern: str) -> float:
        found = re.search(pattern, output)
        return float(found[1]) if found else 0.0

    done = figure(r"(\d+) done")
    bad = sum(figure(rf"(\d+) {kind}") for kind in ("failed", "errored", "timeout", "3xx", "4xx", "5xx"))
    spoken = {2: "h2", 1: "http/1.1"}[version] in output.partition("Application protocol: ")[2].split("\n")[0]
    return {
        "requests": done,
        "seconds": figure(r"finished in ([\d.]+)s") or figure(r"finished in ([\d.]+)ms") / 1000,
        "errors": bad + (not spoken) + (figure(r"\((\d+)\) data") < done * load.size) + count - done,
        **latencies,
    }


def _latencies(log: Path) -> Result:
    """Percentiles in us; of each line, the third column."""
    found = sorted(float(line.split()[2]) for line in log.read_text().splitlines())
    places = {"p50": 0.5, "p99": 0.99, "p999": 0.999} if len(found) > 100 else {}
    return {name: found[int((len(found) - 1) * place)] for name, place in places.items()}
