"""Requests over HTTP/2 that are something else in HTTP/1.1: the published lists of "HTTP desync" by downgrades.

Each is the fields of one request; ``FORBIDDEN`` must never reach a peer, ``ALLOWED`` must as exactly one request.
"""

from tests.h2_client import Field, request_fields

HOST = "test"


def ask(
    *more: Field, path: str = "/a", method: str = "GET", authority: str | None = HOST, scheme: str = "http"
) -> list[Field]:
    return request_fields(path, *more, method=method, authority=authority, scheme=scheme)


SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
FORBIDDEN: dict[str, list[Field]] = {
    # line ends and other control characters
    "CRLF in a value": ask(("x", "y\r\nTransfer-Encoding: chunked")),
    "CRLF and a request in a value": ask(("x", f"y\r\n\r\n{SMUGGLED}")),
    "LF in a value": ask(("x", "y\nTransfer-Encoding: chunked")),
    "CR in a value": ask(("x", "y\rTransfer-Encoding: chunked")),
    "NUL in a value": ask(("x", "y\0z")),
    "another control character in a value": ask(("x", "y\x0bz")),
    "DEL in a value": ask(("x", "y\x7fz")),
    "a value that begins with a space": ask(("content-length", " 0")),
    "a value that ends with a space": ask(("x", "y ")),
    "a value that ends with a tab": ask(("x", "y\t")),
    "CRLF in a name": ask(("x\r\ntransfer-encoding", "chunked")),
    "LF in a name": ask(("x: y\ntransfer-encoding", "chunked")),
    "a colon in a name": ask(("transfer-encoding: chunked\r\nx", "y")),
    "a colon at the end of a name": ask(("transfer-encoding:", "chunked")),
    "a space at the end of a name": ask(("transfer-encoding ", "chunked")),
    "a space at the front of a name": ask((" transfer-encoding", "chunked")),
    "a tab in a name": ask(("transfer-encoding\t", "chunked")),
    "NUL in a name": ask(("transfer-encoding\0", "chunked")),
    "a name that is not ASCII": ask(("tränsfer", "chunked")),
    "an empty name": ask(("", "chunked")),
    "uppercase": ask(("Transfer-Encoding", "chunked")),
    # framing
    "transfer-encoding": ask(("transfer-encoding", "chunked"), method="POST"),
    "transfer-encoding: identity": ask(("transfer-encoding", "identity"), method="POST"),
    "content-length behind END_STREAM": ask(("content-length", "40"), method="POST"),
    "content-length twice": ask(("content-length", "0"), ("content-length", "5"), method="POST"),
    "content-length twice, equal": ask(("content-length", "0"), ("content-length", "0"), method="POST"),
    "content-length: 0, 5": ask(("content-length", "0, 5"), method="POST"),
    "content-length: +0": ask(("content-length", "+0"), method="POST"),
    "content-length: -1": ask(("content-length", "-1"), method="POST"),
    "content-length: 0x0": ask(("content-length", "0x0"), method="POST"),
    "content-length is empty": ask(("content-length", ""), method="POST"),
    "content-length of 2^64": ask(("content-length", str(1 << 64)), method="POST"),
    "connection": ask(("connection", "content-length")),
    "keep-alive": ask(("keep-alive", "timeout=5")),
    "proxy-connection": ask(("proxy-connection", "keep-alive")),
    "upgrade": ask(("upgrade", "h2c")),
    "te": ask(("te", "trailers, chunked")),
    # pseudo-fields
    "CRLF in :method": ask(method="GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET"),
    "a space in :method": ask(method="GET /smuggled HTTP/1.1"),
    ":method is empty": ask(method=""),
    "CONNECT": ask(method="CONNECT"),
    "CRLF in :path": ask(path="/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /smuggled"),
    "a space in :path": ask(path="/a HTTP/1.1"),
    "a tab in :path": ask(path="/a\tHTTP/1.1"),
    "NUL in :path": ask(path="/a\0"),
    ":path without a slash": ask(path="a"),
    ":path with an authority": ask(path="http://evil/a"),
    ":path is *": ask(path="*"),
    ":path is empty": ask(path=""),
    "a fragment in :path": ask(path="/a#b"),
    "CRLF in :authority": ask(authority="test\r\nTransfer-Encoding: chunked"),
    "a space in :authority": ask(authority="test evil"),
    "a slash in :authority": ask(authority="test/evil"),
    "userinfo in :authority": ask(authority="user:pass@test"),
    ":authority is empty": ask(authority=""),
    "no authority at all": ask(authority=None),
    "CRLF in :scheme": ask(scheme="http\r\nx: y"),
    ":scheme with an authority": ask(scheme="http://evil/smuggled?"),
    "an unknown :scheme": ask(scheme="ftp"),
    ":method twice": [(":method", "GET"), *ask()],
    ":path twice": [(":path", "/b"), *ask()],
    ":authority twice": [(":authority", "evil"), *ask()],
    "an unknown pseudo-field": [(":x", "y"), *ask()],
    ":protocol without CONNECT": [(":protocol", "websocket"), *ask()],
    "a pseudo-field behind a field": [*ask(("x", "y"), authority=None), (":authority", HOST)],
    "a name that looks like a pseudo-field": ask((":", "y")),
    # Host
    "host that is another": ask(("host", "evil")),
    "host twice": ask(("host", HOST), ("host", HOST)),
    "host twice, without :authority": ask(("host", HOST), ("host", "evil"), authority=None),
    "host with a slash": ask(("host", "test/a"), authority=None),
    "host with CRLF": ask(("host", "test\r\nx: y"), authority=None),
    "host is empty": ask(("host", ""), authority=None),
}  # fmt: skip
ALLOWED: dict[str, tuple[list[Field], bytes]] = {  # what is in the head of the request then
    "plain": (ask(), b"GET /a HTTP/1.1\r\nHost: test\r\n"),
    "host without :authority": (ask(("host", HOST), authority=None), b"GET /a HTTP/1.1\r\nHost: test\r\n"),
    "host and :authority": (ask(("host", "TEST")), b"Host: test\r\n"),
    "an empty value": (ask(("x", "")), b"\r\nx: \r\n"),
    "bytes above ASCII in a value": (ask(("x", "\xe4")), "\r\nx: \xe4\r\n".encode()),
    "cookies": (ask(("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")), b"\r\ncookie: a=1; b=2; c=3\r\n"),
    "a value that looks like chunks": (ask(("x", "0, chunked")), b"\r\nx: 0, chunked\r\n"),
    "te: trailers": (ask(("te", "trailers")), b"GET /a HTTP/1.1\r\n"),
    "content-length: 0": (ask(("content-length", "0"), method="POST"), b"\r\nContent-Length: 0\r\n"),
    "OPTIONS *": (ask(path="*", method="OPTIONS"), b"OPTIONS * HTTP/1.1\r\n"),
    "an own method": (ask(method="PURGE"), b"PURGE /a HTTP/1.1\r\n"),
    "a method in small letters": (ask(method="get"), b"get /a HTTP/1.1\r\n"),
    "a port": (ask(authority="test:8080"), b"Host: test:8080\r\n"),
    "a query with anything": (ask(path="/a?b=//c/../d;e=%00"), b"GET /a?b=//c/../d;e=%00 HTTP/1.1\r\n"),
    "https where it is http": (ask(scheme="https"), b"\r\nX-Forwarded-Proto: http\r\n"),
}  # fmt: skip
