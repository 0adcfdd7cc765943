"""Who the client is, and how peers are told: X-Forwarded-* or Forwarded (RFC 7239).

From a client that is not trusted the fields are replaced; from a trusted proxy they are appended to, and the last
address in them that is not a trusted proxy's is the client.
"""

import re
from typing import TYPE_CHECKING, Final

from rsp.http.h1.head import is_authority
from rsp.http.names import OWN, fold

if TYPE_CHECKING:
    from rsp.exchange.running_config import Site
    from rsp.http.message import RequestHead

# A name is tried at its first letter only, or a long run of letters would take the square of its length.
_PAIR = re.compile(rb'(?<![A-Za-z])([A-Za-z]++)=("[^"\\]*+"|[^;, \t"]++)')
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{0,15}")
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:]{2,45}")


def direct(style: str, client: bytes, host: bytes) -> bytes:
    """Field lines, each with its CRLF, for a client that connected to us itself."""
    if style == "x-forwarded":
        address = b"X-Forwarded-For: %b\r\n" % client if client != b"unix:" else b""
        return b"%bX-Forwarded-Proto: http\r\nX-Forwarded-Host: %b\r\n" % (address, host)
    if style == "forwarded":
        return b'Forwarded: for=%b;host="%b";proto=http\r\n' % (_node(client), host)
    return b""


def sort_out(site: "Site", head: "RequestHead", trusted: bool) -> None:
    """Of what another proxy may say of a client, let pass what is to pass, as fields like all others.

    That is everything from a trusted proxy, else what ``keep_forwarded`` names.  What rsp reads and writes itself
    stays apart.
    """
    own: list[bytes] = []
    for line in head.forwarded:
        name = fold(line.partition(b":")[0])
        if name in OWN:
            own.append(line)
        elif trusted or name in site.keep_forwarded:
            head.fields += line + b"\r\n"
    head.forwarded = own if trusted else []


def scheme(head: "RequestHead") -> bytes:
    """What a trusted proxy says of the scheme: the last one that is named, by the proxy next to us."""
    told = _last(_values(head, b"x-forwarded-proto")) or _last_pair(_values(head, b"forwarded"), b"proto")
    return told.lower() if _SCHEME.fullmatch(told) is not None else b"http"


def through_proxy(site: "Site", client: bytes, head: "RequestHead") -> tuple[bytes, bytes]:
    """For a request from a trusted proxy: the field lines, and the address of the real client."""
    chain = _members(_values(head, b"x-forwarded-for"))
    elements = [value for value in _values(head, b"forwarded") if value.strip(b", \t")]
    if not chain and elements:
        chain = [match[2].strip(b'"') for match in _PAIR.finditer(b", ".join(elements)) if match[1].lower() == b"for"]
    real = client
    for node in reversed(chain):
        address = _bare(node)
        if not _ADDRESS.fullmatch(address):
            break
        real = address
        if not site.trusts(address):
            break
    told = scheme(head)
    host = _last(_values(head, b"x-forwarded-host"))
    if not is_authority(host):
        host = head.host
    if site.forwarded == "x-forwarded":
        hops = [*chain, client] if client != b"unix:" else chain
        lines = [b"X-Forwarded-For: " + b", ".join(hops)] if hops else []
        return b"\r\n".join([*lines, b"X-Forwarded-Proto: " + told, b"X-Forwarded-Host: " + host, b""]), real
    if site.forwarded == "forwarded":
        if chain and not elements:
            elements = [b"for=" + _node(_bare(node)) for node in chain]
            elements[-1] += b';host="%b";proto=%b' % (host, told)
        own = direct("forwarded", client, head.host)
        return (own.replace(b": ", b": " + b", ".join(elements) + b", ", 1) if elements else own), real
    return b"", real


def _values(head: "RequestHead", wanted: bytes) -> list[bytes]:
    """The values of the forwarded fields of that name."""
    found = []
    for line in head.forwarded:
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            found.append(value.strip(b" \t"))
    return found


def _members(values: list[bytes]) -> list[bytes]:
    """Of lists (RFC 9110 section 5.6.1): empty members count for nothing."""
    parts = [part.strip(b" \t") for value in values for part in value.split(b",")]
    return [part for part in parts if part]


def _last(values: list[bytes]) -> bytes:
    members = _members(values)
    return members[-1].strip(b'"') if members else b""


def _last_pair(values: list[bytes], wanted: bytes) -> bytes:
    """The parameter ``wanted`` of the last element of Forwarded."""
    last = _members(values)[-1:]
    pairs = [match[2].strip(b'"') for part in last for match in _PAIR.finditer(part) if match[1].lower() == wanted]
    return pairs[-1] if pairs else b""


def name_of(authority: bytes) -> bytes:
    """A Host without its port."""
    return authority[: authority.find(b"]") + 1] if authority[:1] == b"[" else authority.partition(b":")[0]


def _node(client: bytes) -> bytes:
    if client == b"unix:":
        return b"_unix"
    if _ADDRESS.fullmatch(client) is None:
        return b"unknown"
    return b'"[%b]"' % client if b":" in client else client


def _bare(node: bytes) -> bytes:
    """An address without the brackets and port that it may come with."""
    if node[:1] == b"[":
        return node[1:].partition(b"]")[0]
    return node.partition(b":")[0] if node.count(b":") == 1 else node
