"""A file with networks, one in each line: what ``allow = "file:office.txt"`` names."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from rsp.config.units import Network
from rsp.http.networks import Networks

LARGEST: Final = 32 << 20  # bytes
_MOST_SHOWN: Final = 5  # lines that are wrong
_MARK: Final = "file:"
_PRIVATE: Final = '"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fd00::/8", "::1"'
_NAMED: Final = {
    "localhost": '"127.0.0.0/8", "::1"', **dict.fromkeys(("private_ranges", "private", "forwarded"), _PRIVATE),
    **dict.fromkeys(("*", "any"), '"0.0.0.0/0", "::/0"'),
}  # fmt: skip


def name_of(entry: str) -> str | None:
    """The name of the file, if ``entry`` of a list stands for one."""
    return entry[len(_MARK) :] if entry.startswith(_MARK) else None


def read_networks(content: bytes) -> Networks:
    """Blank lines, and what follows ``#``, say nothing.  Raises :class:`ValueError`, which tells the lines."""
    texts: list[str] = []
    wrong: list[str] = []
    for number, text in _lines(content):
        try:
            texts.append(Network.parse(text))
        except ValueError:
            wrong.append(f"line {number}: {explain(text)}")
    if wrong:
        more = f"; and {len(wrong) - _MOST_SHOWN} more lines" if len(wrong) > _MOST_SHOWN else ""
        raise ValueError("; ".join(wrong[:_MOST_SHOWN]) + more)
    return Networks(texts)


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text:
            yield number, text


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def explain(text: str) -> str:
    """Why ``text`` is not a network, and what to write."""
    shown = ascii(text[:60])[1:-1]
    if text == "all":
        return 'expected a network, got "all"; every client is "0.0.0.0/0" and "::/0"'
    if (own := _NAMED.get(text.lower())) is not None:
        return f'expected a network such as "10.0.0.0/8", or an address, got "{shown}"; write {own}'
    several = re.split(r"[\s,;]+", text.strip(" ,;"))
    if len(several) > 1 and all(map(_is_network, several)):
        return f'expected one network, got "{shown}"; list each value separately'
    plain = text.strip("[];,\"' ")
    for word in ("allow ", "deny ", "Require ip "):
        plain = plain.removeprefix(word)
    try:
        network = ip_network(plain, strict=False)
    except ValueError:
        return f'expected a network such as "10.0.0.0/8", or an address, got "{shown}"'
    if plain == text:  # host bits
        return f'"{shown}" is an address within a network; write "{network}" for the network, or the address alone'
    return f'expected a network alone, got "{shown}"; write "{plain}"'
