"""Who the client is, and how peers are told: X-Forwarded-* or Forwarded (RFC 7239).

From a client that is not trusted the fields are replaced; from a trusted proxy they are appended to, and the last
address in them that is not a trusted proxy's is the client.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsp.http1.head import RequestHead
    from rsp.proxy.site import Site

# A name is tried at its first letter only, or a long run of letters would take the square of its length.
_PAIR = re.compile(rb'(?<![A-Za-z])([A-Za-z]++)=("[^"\\]*+"|[^;, \t"]++)')
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:]{2,45}")


def direct(style: str, client: bytes, host: bytes) -> bytes:
    """Field lines, each with its CRLF, for a client that connected to us itself."""
    if style == "x-forwarded":
        address = b"X-Forwarded-For: %b\r\n" % client if client != b"unix:" else b""
        return b"%bX-Forwarded-Proto: http\r\nX-Forwarded-Host: %b\r\n" % (address, host)
    if style == "forwarded":
        return b'Forwarded: for=%b;host="%b";proto=http\r\n' % (_node(client), host)
    return b""


def through_proxy(site: "Site", client: bytes, head: "RequestHead") -> tuple[bytes, bytes]:
    """For a request from a trusted proxy: the field lines, and the address of the real client."""
    given: dict[bytes, list[bytes]] = {}
    for line in head.forwarded:
        name, _, value = line.partition(b":")
        given.setdefault(name.lower(), []).append(value.strip(b" \t"))
    chain = [part.strip(b" \t") for value in given.get(b"x-forwarded-for", ()) for part in value.split(b",")]
    elements = b", ".join(given.get(b"forwarded", ()))
    if not chain and elements:
        chain = [match[2].strip(b'"') for match in _PAIR.finditer(elements) if match[1].lower() == b"for"]
    real = client
    for address in reversed([_bare(one) for one in chain]):
        if not _ADDRESS.fullmatch(address):
            break
        real = address
        if not site.trusts(address):
            break
    if site.forwarded == "x-forwarded":
        hops = [*chain, client] if client != b"unix:" else chain
        proto = given.get(b"x-forwarded-proto", [b"http"])[-1]
        host = given.get(b"x-forwarded-host", [head.host])[-1]
        lines = [b"X-Forwarded-For: " + b", ".join(hops)] if hops else []
        return b"\r\n".join([*lines, b"X-Forwarded-Proto: " + proto, b"X-Forwarded-Host: " + host, b""]), real
    if site.forwarded == "forwarded":
        own = direct("forwarded", client, head.host)
        return (own.replace(b": ", b": " + elements + b", ", 1) if elements else own), real
    return b"", real


def _node(client: bytes) -> bytes:
    if client == b"unix:":
        return b"_unix"
    return b'"[%b]"' % client if b":" in client else client


def _bare(node: bytes) -> bytes:
    """An address without the brackets and port that it may come with."""
    if node[:1] == b"[":
        return node[1:].partition(b"]")[0]
    return node.partition(b":")[0] if node.count(b":") == 1 else node
