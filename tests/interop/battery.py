"""Hundreds of raw requests, most of them doubtful, for the differential test.  Each is (name, bytes).

Every request is followed by a plain one on the same connection, so that a proxy that reads too little or too much
of the first shows it by what it makes of the second.
"""

from collections.abc import Iterator

SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def _request(*lines: bytes, start: bytes = b"GET /x HTTP/1.1", host: bytes = b"Host: h", body: bytes = b"") -> bytes:
    return b"\r\n".join([start, *([host] if host else []), *lines, b"", b""]) + body


def _post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return _request(*lines, start=b"POST /x HTTP/" + version, body=body)


def _lengths() -> Iterator[bytes]:
    values = [b"5", b"+5", b"-5", b"5, 5", b"5,5", b"0x5", b"5_0", b"5 ", b" 5", b"5 5", b"05", b"5.0", b"", b"five", b"\x0b5",
              b"5;", b"99999999999999999999", b"18446744073709551621", b"4294967301", b"5\x00", b"'5'", b"5e0", b"\xb2"]  # fmt: skip
    for value in values:
        yield _post(b"Content-Length: " + value, body=b"hello")
    for first, second in ((b"5", b"5"), (b"5", b"6"), (b"6", b"5"), (b"0", b"5"), (b"5", b""), (b"5", b"+5")):
        yield _post(b"Content-Length: " + first, b"Content-Length: " + second, body=b"hello")
    for name in (b"content-length", b"CONTENT-LENGTH", b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content_Length",
                 b"Content-Length\x00", b"Content\x0b-Length", b"Content-Length\xa0", b"X\r\nContent-Length", b"X\nContent-Length", b"X\rContent-Length"):  # fmt: skip
        yield _post(name + b": 5", body=b"hello")
    yield _request(b"Content-Length: 5", body=b"hello")
    yield _request(b"Content-Length: 0")
    yield _request(b"Content-Length: 5", start=b"HEAD /x HTTP/1.1", body=b"hello")
    yield _post(b"Content-Length: 5", body=b"hello", version=b"1.0")


def _codings() -> Iterator[bytes]:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    values = [b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"\x0bchunked", b"chunked,", b",chunked",
              b"chunked, chunked", b"chunked, identity", b"identity, chunked", b"identity", b"gzip, chunked", b"chunked, gzip", b"gzip",
              b"xchunked", b"chunkedx", b"chunked;x=y", b'"chunked"', b"'chunked'", b"chun\x00ked", b"chunked\x00", b"chunk", b"",
              b"cow", b"chunked\xa0", b"\xefchunked"]  # fmt: skip
    for value in values:
        yield _post(b"Transfer-Encoding: " + value, body=body)
        yield _post(b"Content-Length: 15", b"Transfer-Encoding: " + value, body=body)
        yield _post(b"Transfer-Encoding: " + value, b"Content-Length: 4", body=body)
    for name in (b"transfer-encoding", b"Transfer-Encoding ", b" Transfer-Encoding", b"Transfer_Encoding", b"Transfer-Encoding\t",
                 b"Transfer\x00-Encoding", b"Transfer-Encoding\x0b", b"X\nTransfer-Encoding", b"X\rTransfer-Encoding", b"X:\nTransfer-Encoding",
                 b"X: y\rTransfer-Encoding", b"X: y\nTransfer-Encoding"):  # fmt: skip
        yield _post(name + b": chunked", body=body)
        yield _post(b"Content-Length: 15", name + b": chunked", body=body)
    yield _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=body)
    yield _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=body)
    yield _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=body)
    yield _post(b"Transfer-Encoding:\r\n chunked", body=body)
    yield _post(b"Transfer-Encoding: chunked", body=body, version=b"1.0")
    yield _post(b"Transfer-Encoding: chunked", b"Connection: Transfer-Encoding", body=body)
    yield _post(b"Content-Length: 5", b"Connection: Content-Length", body=b"hello")


def _chunks() -> Iterator[bytes]:
    bodies = [
        b"0\r\n\r\n", b"00000\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"005\r\nhello\r\n0\r\n\r\n", b"A\r\nhellohello\r\n0\r\n\r\n",
        b"a\r\nhellohello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5_\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\t\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n", b"5;a\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b'5;a="b"\r\nhello\r\n0\r\n\r\n',
        b"5 ;a\r\nhello\r\n0\r\n\r\n", b"5;a\nhello\r\n0\r\n\r\n", b"5;\x00\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"5\r\nhello\r\n0\r\nX: y\n\r\n", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n", b"5\r\n\r\nhello\r\n0\r\n\r\n", b"100000005\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"fffffffffffffffb\r\nhello\r\n0\r\n\r\n", b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5,5\r\nhello\r\n0\r\n\r\n", b"\x005\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0;x\r\n\r\n", b"5\r\nhello\r\n+0\r\n\r\n",
    ]  # fmt: skip
    for body in bodies:
        yield _post(b"Transfer-Encoding: chunked", body=body)


def _lines() -> Iterator[bytes]:
    for start in (b"GET /x HTTP/1.1", b"get /x HTTP/1.1", b"GET  /x HTTP/1.1", b"GET /x  HTTP/1.1", b"GET /x HTTP/1.1 ", b" GET /x HTTP/1.1",
                  b"GET\t/x HTTP/1.1", b"GET /x\tHTTP/1.1", b"GET /x", b"GET /x HTTP/0.9", b"GET /x HTTP/1.0", b"GET /x HTTP/1.2", b"GET /x HTTP/2.0",
                  b"GET /x HTTP/1.10", b"GET /x HTTP/01.1", b"GET /x HTTP/1,1", b"GET /x http/1.1", b"GET /x HTTP /1.1", b"GET x HTTP/1.1", b"GET * HTTP/1.1",
                  b"OPTIONS * HTTP/1.1", b"OPTIONS /x HTTP/1.1", b"GET http://h/x HTTP/1.1", b"GET http://other/x HTTP/1.1", b"GET https://h/x HTTP/1.1",
                  b"GET ftp://h/x HTTP/1.1", b"GET http:///x HTTP/1.1", b"GET http://u@h/x HTTP/1.1", b"GET //h/x HTTP/1.1", b"GET /x#y HTTP/1.1",
                  b"GET /x\x00y HTTP/1.1", b"GET /x\x7f HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET /%c3%a9 HTTP/1.1", b"GET /%zz HTTP/1.1", b"GET /%00 HTTP/1.1",
                  b"GET /a/../x HTTP/1.1", b"GET /a/%2e%2e/x HTTP/1.1", b"GET /../x HTTP/1.1", b"GET /a\\x HTTP/1.1", b"GET /?a?b HTTP/1.1",
                  b'GET /"<>^`{|} HTTP/1.1', b"G(T /x HTTP/1.1", b"G:T /x HTTP/1.1", b"GET\x00 /x HTTP/1.1", b"CONNECT h:80 HTTP/1.1", b"CONNECT /x HTTP/1.1", b"TRACE /x HTTP/1.1",
                  b"PROPFIND /x HTTP/1.1", b"X-M /x HTTP/1.1", b"PRI * HTTP/2.0", b"GET /" + b"x" * 7000 + b" HTTP/1.1", b"GET /" + b"x" * 20000 + b" HTTP/1.1",
                  b"\r\nGET /x HTTP/1.1", b"\r\n\r\nGET /x HTTP/1.1", b"\nGET /x HTTP/1.1", b"\rGET /x HTTP/1.1", b"\x00GET /x HTTP/1.1", b"GET /x HTTP/1.1\r"):  # fmt: skip
        yield _request(start=start)


def _fields() -> Iterator[bytes]:
    for host in (b"", b"Host:", b"Host: ", b"host: h", b"HOST:h", b"Host: h:80", b"Host: h:", b"Host: h:x", b"Host: h:99999", b"Host: a b", b"Host: h/x", b"Host: u@h",
                 b"Host: h, i", b"Host: [::1]", b"Host: [::1]:80", b"Host: [::1", b"Host: h\x00", b"Host: h?x", b"Host: h#x", b"Host: h\\x", b"Host : h", b" Host: h", b"Host: h\r\nHost: h",
                 b"Host: h\r\nHost: i", b"Host: h\r\nhost: h", b"Host:\r\n h", b"Host: .h", b"Host: h..i", b"Host: \xc3\xa9", b"Host: %68", b"Host: h_i", b"Host: -h"):  # fmt: skip
        yield _request(host=host)
    for line in (b"X:y", b"X: ", b"X:", b"X", b": y", b"X : y", b"X\t: y", b"X y: z", b"X(: y", b"X@: y", b"X\x00: y", b"X\x7f: y", b"X\xe9: y", b"X: y\x00", b"X: y\x01", b"X: y\x7f",
                 b"X: \xe9", b"X: y\rz", b"X: y\nz: w", b"X: y\r\n folded", b"X: y\r\n\tfolded", b" X: y", b"\tX: y", b"X: " + b"y" * 6000, b"X: " + b"y" * 40000, b"X_Y: 1", b"X-Y: 1\r\nX_Y: 2",
                 b"\x0bX: y", b"X: y\x0b", b"X: y\x0c", b"X: y\x85", b"X: y\r", b"\xef\xbb\xbfX: y", b"X: y\r\r", b"\r"):  # fmt: skip
        yield _request(line)
    for line in (b"Connection: close", b"Connection: keep-alive", b"Connection: close, keep-alive", b"Connection: X-Gone\r\nX-Gone: 1", b"Connection: Host", b"Connection: ", b"Connection: \x00",
                 b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: ", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
                 b"Upgrade: websocket\r\nConnection: upgrade", b"TE: trailers\r\nConnection: TE", b"TE: chunked", b"Trailer: X", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive",
                 b"Max-Forwards: 0", b"Range: bytes=0-0", b"Content-Type: text/plain", b"Cookie: a=b", b"Authorization: Basic x", b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=x", b"Via: 1.1 x"):  # fmt: skip
        yield _request(line)
    for count in (50, 90, 150, 2000):
        yield _request(*[b"X%d: y" % number for number in range(count)])
    for ending in (b"\n\n", b"\r\r", b"\r\n\n", b"\n\r\n", b"\r\n \r\n", b"\r\n\x00\r\n"):
        yield b"GET /x HTTP/1.1\r\nHost: h" + ending
    yield b"GET /x HTTP/1.1\nHost: h\n\n"
    yield b"GET /x HTTP/1.1\nHost: h\r\n\r\n"
    yield b"GET /x HTTP/1.1\r\n\r\nHost: h\r\n\r\n"
    yield b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n\n\r\n\r\n"


def battery() -> list[bytes]:
    return [*_lengths(), *_codings(), *_chunks(), *_lines(), *_fields()]
