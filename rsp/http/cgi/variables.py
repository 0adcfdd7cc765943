"""What a peer is told of a request: the meta-variables of CGI/1.1 (RFC 3875 section 4.1), and those that servers have
agreed on since."""

from collections.abc import Callable
from typing import Final, NamedTuple

from rsp.http.cgi.scripts import Script
from rsp.http.message import OutgoingHead
from rsp.http.names import fold
from rsp.http.peer_stream import PeerRequest

Variables = list[tuple[bytes, bytes]]
Own = Callable[[PeerRequest], Variables]  # the configuration's variables for a request

_NONE: Final[Variables] = []  # never changed
_UPPER: Final = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz-", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_BODIES: Final = (b"POST", b"PUT", b"PATCH")
# HTTP_PROXY is where a program's own requests go (CVE-2016-5385); the others have variables without HTTP_.
_LEFT_OUT: Final = frozenset((b"proxy", b"host", b"content-type", b"content-length"))


class Told(NamedTuple):
    """The data of the client.

    ``client``  its address
    ``scheme``  how it reached rsp
    ``local``   the address that it connected to
    ``user``    its name by the route's ``auth``, or empty
    """

    client: bytes
    scheme: bytes
    local: bytes
    user: bytes = b""

    @classmethod
    def of(cls, request: PeerRequest) -> "Told":
        scheme = request.placeholder("scheme") or b"http"
        return cls(request.client, scheme, request.local_name(), request.placeholder("user"))


def variables(
    head: OutgoingHead, script: Script, root: bytes, told: Told, version: bytes = b"", own: Variables = _NONE
) -> Variables:
    """For a request whose body has a length; ``version``: of HTTP, if not the client's; ``own``: in the place of
    others of these names."""
    request = head.head
    path, _, query = head.target.partition(b"?")
    host = _host(head.host)
    found: Variables = [
        (b"GATEWAY_INTERFACE", b"CGI/1.1"),
        (b"SERVER_SOFTWARE", b"rsp"),
        (b"SERVER_PROTOCOL", b"HTTP/" + (version or request.version)),
        (b"REQUEST_METHOD", request.method),
        (b"REQUEST_URI", head.target),
        (b"QUERY_STRING", query),
        (b"SCRIPT_NAME", script.name),
        (b"DOCUMENT_URI", script.name + script.info or path),
        (b"SERVER_NAME", host),
        (b"REMOTE_ADDR", told.client if told.client != b"unix:" else b""),
        (b"REQUEST_SCHEME", told.scheme),
        *_local(told),
    ]
    if script.name:
        found += _of_script(script, root)
    if script.info or not script.name:
        found.append((b"PATH_INFO", script.info))
    if told.user:
        found.append((b"REMOTE_USER", told.user))
    if told.scheme == b"https":
        found.append((b"HTTPS", b"on"))
    if request.framing > 0 or request.method in _BODIES:
        found.append((b"CONTENT_LENGTH", b"%d" % max(request.framing, 0)))
    found += _fields(head)
    if own:
        names = {name for name, _ in own}
        found = [pair for pair in found if pair[0] not in names]
        found += [pair for pair in own if pair[1] or not pair[0].startswith(b"HTTP_")]
    return found


def no_variables(request: PeerRequest) -> Variables:
    """Of a configuration without variables of its own."""
    return _NONE


def _of_script(script: Script, root: bytes) -> Variables:
    found = [
        (b"DOCUMENT_ROOT", root or b"/"),
        (b"SCRIPT_FILENAME", root + script.name),
        (b"REDIRECT_STATUS", b"200"),  # php-cgi that was built to insist on it
    ]
    return [*found, (b"PATH_TRANSLATED", root + script.info)] if script.info else found


def _host(authority: bytes) -> bytes:
    """Without its port."""
    return authority[: authority.find(b"]") + 1] if authority[:1] == b"[" else authority.partition(b":")[0]


def _local(told: Told) -> Variables:
    """The address that the client connected to; a local socket has none, and its clients a scheme only."""
    address, colon, port = told.local.rpartition(b":")
    if not (colon and port.isdigit()):
        return [(b"SERVER_PORT", b"443" if told.scheme == b"https" else b"80")]
    return [(b"SERVER_ADDR", address.strip(b"[]")), (b"SERVER_PORT", port)]


def _fields(head: OutgoingHead) -> Variables:
    """One variable for all fields of a name (RFC 3875 section 4.1.18)."""
    found: dict[bytes, bytes] = {b"HTTP_HOST": head.host}
    content_type = b""
    for line in (head.fields + head.extra).split(b"\r\n"):
        name, _, value = line.partition(b":")
        folded, value = fold(name), value.strip(b" \t")
        if folded == b"content-type":
            content_type = value
        if not name or folded in _LEFT_OUT:
            continue
        variable = b"HTTP_" + folded.translate(_UPPER)
        before = found.get(variable)
        joint = b"; " if folded == b"cookie" else b", "
        found[variable] = value if before is None else before + joint + value
    if head.request_id:
        found[b"HTTP_X_REQUEST_ID"] = head.request_id
    pairs = list(found.items())
    return [(b"CONTENT_TYPE", content_type), *pairs] if content_type else pairs
