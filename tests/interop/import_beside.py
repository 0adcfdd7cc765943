"""Another program with a configuration, and rsp with what ``rsp import`` makes of it, before the same backends.

The same port of two loopback addresses: ``HERE`` in a configuration stands for the address, ``PORT`` for the port,
``ONE``, ``TWO`` and ``THREE`` for the backends' ports, ``DIR`` for a directory with files.
"""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rsp.importing.check import checked
from rsp.importing.site import Site
from tests.harness import Rsp, wait_until
from tests.interop.import_battery import Request
from tests.interop.import_oracle import Echo, Seen, ask, is_open
from tests.ports import free_port

THEIRS, OURS = "127.0.0.2", "127.0.0.3"
# What a peer is told beyond what the other program tells it: docs/import.md says so.
_MORE = {
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-request-id",
    "via",
    "accept-encoding",
}


class Theme(NamedTuple):
    name: str
    text: str
    requests: Sequence[Request]


def requests(hosts: str, targets: str, methods: str = "GET", fields: tuple[tuple[str, str], ...] = ()) -> list[Request]:
    """Each of ``targets`` from each of ``hosts`` by each of ``methods``."""
    return [
        Request(method, 0, host, target, fields)
        for host in hosts.split()
        for target in targets.split()
        for method in methods.split()
    ]


@contextmanager
def beside(
    directory: Path, theme: Theme, read: Callable[[Path, str], Site], name: str, command: Callable[[Path], list[str]]
) -> Iterator[Callable[[Request], tuple[Seen, Seen]]]:
    """Asks both; ``name``: of the configuration's file; ``command`` starts the other program with it."""
    backends = {word: Echo(word.lower(), free_port()) for word in ("ONE", "TWO", "THREE")}
    port = free_port()
    files = {}
    for address in (THEIRS, OURS):
        text = theme.text.replace("HERE", address).replace("PORT", str(port)).replace("DIR", str(directory))
        for word, backend in backends.items():
            text = text.replace(word, str(backend.server_port))
        files[address] = directory / address / name
        files[address].parent.mkdir(parents=True, exist_ok=True)
        files[address].write_text(text)
    site = read(files[OURS], files[OURS].read_text())
    written = checked(site, str(directory)).text
    assert site.whole, written
    process = subprocess.Popen(command(files[THEIRS]), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        with Rsp(directory, written.replace("{port}", "{{port}}")):
            wait_until(lambda: process.poll() is not None or is_open(THEIRS, port), "the other program")
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield lambda request: (ask(THEIRS, port, request), ask(OURS, port, request))
    finally:
        process.terminate()
        process.communicate()
        for backend in backends.values():
            backend.shutdown()
            backend.server_close()


def differences(request: Request, theirs: Seen, ours: Seen) -> list[str]:
    """What a client, and a backend, sees of the one and not of the other."""
    pairs = {what: (getattr(theirs, what), getattr(ours, what)) for what in ("status", "location")}
    found = [f"{what}: {one}, rsp: {other}" for what, (one, other) in pairs.items() if one != other]
    if (theirs.saw is None) != (ours.saw is None):
        found.append(f"peer: {theirs.saw and theirs.saw[0]}, rsp: {ours.saw and ours.saw[0]}")
    elif theirs.saw is not None and ours.saw is not None:
        if theirs.saw[:3] != ours.saw[:3]:
            found.append(f"peer, method, target: {theirs.saw[:3]}, rsp: {ours.saw[:3]}")
        seen = [sorted(pair for pair in saw.saw[3] if pair[0] not in _MORE) for saw in (theirs, ours) if saw.saw]
        if seen[0] != seen[1]:
            found.append(f"fields of the request: {seen[0]}, rsp: {seen[1]}")
    own = {"cache-control"} if theirs.saw is None else set()  # HAProxy's own responses are not to be kept
    kept = [sorted(pair for pair in seen.fields if _is_told(pair[0]) and pair[0] not in own) for seen in (theirs, ours)]
    if kept[0] != kept[1]:
        found.append(f"fields of the response: {kept[0]}, rsp: {kept[1]}")
    if theirs.saw is None and theirs.status == 200 and theirs.body != ours.body and request.method != "HEAD":
        found.append(f"body: {theirs.body[:60]!r}, rsp: {ours.body[:60]!r}")
    return [f"{request.method} {request.host}{request.target} {list(request.fields)}: {each}" for each in found]


def _is_told(name: str) -> bool:
    return (name.startswith("x-") and name not in ("x-saw", "x-request-id")) or name in (
        "cache-control",
        "www-authenticate",
        "set-cookie",
    )


def compare(asked: Callable[[Request], tuple[Seen, Seen]], requests: Sequence[Request]) -> None:
    found = [line for request in requests for line in differences(request, *asked(request))]
    assert not found, "\n".join(found)
