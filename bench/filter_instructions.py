"""User instructions that each filter adds to a request: ``python -m bench.filter_instructions``, one minute.

The worker runs under callgrind, which counts the same on every machine, whatever else that does.  All filters are
routes of one configuration; a request for none of them makes callgrind write what it has counted since the last one.
Needs valgrind.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import filters
from bench.peers import missing

ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Wed, 25 Nov 2026 22:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 13\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\nX-Frame-Options: DENY\r\n"
    b'ETag: "5f3a"\r\n\r\nhello, world\n'
)
ASKED = (
    "GET /small?item=1 HTTP/1.1\r\nHost: {work}.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\nAccept: text/html\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cookie: session=8d4f1c0e2b7a49f6b3a5; theme=dark; _ga=GA1.2.1123581321.1714000000\r\n"
    "Referer: https://shop.example.com/catalogue/shoes?page=3\r\nOrigin: {page}\r\nAuthorization: {user}\r\n\r\n"
)
SITE = """
listen "127.0.0.1:{port}"
access_log = "off"
admin = "off"
user = "root"
worker_timeout = "300s"
upstream "static" {{ "127.0.0.1:{origin}" }}
upstream "upload" {{ "127.0.0.1:{origin}" }}
upstream "other" {{ "127.0.0.1:{origin}" }}
"""
NOWHERE = b"GET / HTTP/1.1\r\nHost: nowhere.test\r\n\r\n"


def answer(listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer_one, args=(connection,), daemon=True).start()


def _answer_one(connection: socket.socket) -> None:
    waiting = b""
    while data := connection.recv(65536):
        waiting += data
        while b"\r\n\r\n" in waiting:
            waiting = waiting.partition(b"\r\n\r\n")[2]
            connection.sendall(ANSWER)


@contextmanager
def under_callgrind(directory: Path, names: list[str], origin: int) -> Iterator[int]:
    """rsp with a route for each of ``names``; its port."""
    (directory / "htpasswd").write_text(filters.password())
    (directory / "keys.json").write_text(json.dumps(filters.key()[1]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = SITE.format(port=port, origin=origin) + "".join(route(name, directory) for name in names)
    (directory / "site.lua").write_text(site)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/counts.%p"]
    command += ["--dump-before=*refuse_plainly*", sys.executable, "-m", "rsp", "-w", "1", f"{directory}/site.lua"]
    with (directory / "log").open("w") as log:
        rsp = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while "Started" not in (directory / "log").read_text():
            if rsp.poll() is not None:
                raise SystemExit((directory / "log").read_text())
            time.sleep(0.2)
        yield port
    finally:
        rsp.send_signal(signal.SIGINT)
        rsp.wait()


def route(work: str, directory: Path) -> str:
    keys = filters.WORK[work][1].replace("DIRECTORY", str(directory)).replace("PAGE", filters.PAGE)
    to = "split = { to = { static = 90, other = 10 } }" if work == "split" else 'to = "static"'
    return f'route "/" {{ host = "{work}.example.com", {to}, {keys} }}\n'


class Client:
    """A connection.  ``directory``: where callgrind writes."""

    def __init__(self, port: int, directory: Path) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._directory = directory
        self._seen: set[Path] = set()

    def each(self, work: str, user: str, requests: int) -> float:
        """The worker's instructions for a request, with the Authorization that ``user`` asks for."""
        asked = ASKED.format(work=work, page=filters.PAGE, user=filters.authorization(user)).encode()
        for times in (requests // 10, requests):
            self._count()
            for _ in range(times):
                self._ask(asked, b"HTTP/1.1 200 OK")
        return self._count() / requests

    def _ask(self, asked: bytes, start: bytes) -> None:
        self._connection.sendall(asked)
        received, size = b"", 0
        while not size or len(received) < size:
            received += self._connection.recv(65536)
            if not received.startswith(start):
                raise SystemExit(f"{asked!r}: {received!r}")
            head, end, _ = received.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head) if end else None
            if length is not None:
                size = len(head) + len(end) + int(length[1])

    def _count(self) -> int:
        """Since the last time."""
        self._ask(NOWHERE, b"HTTP/1.1 404 Not Found")
        files = set(self._directory.glob("counts.*.*"))
        new, self._seen = files - self._seen, files
        return max(map(counted, new), default=0)


def counted(file: Path) -> int:
    """Without what is done once a second, which is no request's; there is more of it where the machine is slower."""
    text = file.read_text(errors="replace")
    total = int(text.partition("\ntotals:")[2].split()[0])
    timers = re.search(r"\((\d+)\) \S*uvtimer_callback", text)
    if timers is None:
        return total
    return total - sum(map(int, re.findall(rf"^cfn=\({timers[1]}\).*\ncalls=.*\n\S+ (\d+)$", text, re.MULTILINE)))


def measure(names: list[str], origin: int, requests: int) -> None:
    """Passwords come last: with the threads that verify them, each system call is 30 instructions more."""
    names.sort(key=lambda name: "basic" in filters.WORK[name][1])
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        directory.chmod(0o755)
        with under_callgrind(directory, ["none", *names], origin) as port:
            client = Client(port, directory)
            plain = {user: client.each("none", user, requests) for user in ("none", "jwt")}
            print(f"| {filters.WORK['none'][0]} | {plain['none']:,.0f} |")
            for name in names:
                top = client.each(name, name, requests) - plain["jwt" if name == "jwt" else "none"]
                print(f"| {filters.WORK[name][0]} | {top:,.0f} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.filter_instructions", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--only", help="some of the filters, separated by commas")
    options = parser.parse_args()
    if missing("valgrind", "openssl"):
        print("bench: needs valgrind and openssl", file=sys.stderr)
        return 2
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer, args=(listening,), daemon=True).start()
    names = (
        options.only.split(",") if options.only else [name for name in filters.WORK if name not in ("none", "forward")]
    )
    print("| filter | user instructions on top |", "|---|---|", sep="\n")
    measure(names, listening.getsockname()[1], options.requests)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    sys.exit(main())
