"""The control process's own client of HTTP/2: what a peer may do, and what becomes of it.  The peers are hyper-h2, and
bytes by hand."""

import asyncio
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import hpack
import pytest

from rsp.config.failure import Health
from rsp.config.units import Peer
from rsp.control.asking_http2 import Answer, Asked, ask
from rsp.control.health import check
from rsp.http.errors import ProtocolError
from rsp.ipc.peer_marks import HEALTH_DEAD, HEALTH_DOUBTFUL, HEALTH_UP
from tests.certificates import authority

GET = Asked(b"GET", b"a.test", b"/up", b"user-agent: x\r\n")
SETTINGS = b"\0\0\0\4\0\0\0\0\0"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def frame(kind: int, flags: int, payload: bytes, number: int = 1) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", number) + payload


def head(*fields: tuple[str, str]) -> bytes:
    return hpack.Encoder().encode(fields or ((":status", "200"),))


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(authority().issue("a.test").write(Path(directory), "site"))
    return context


@asynccontextmanager
async def serves(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, int]]:
    tasks = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server, asyncio.timeout(20):
        yield server.sockets[0].getsockname()
        await asyncio.gather(*tasks, return_exceptions=True)


def asked(serve: Serve, request: Asked = GET, *, tls: bool = False, alpn: str = "h2") -> Answer:
    """What a client gets of a server that does ``serve`` with its connection."""

    async def run() -> Answer:
        theirs = ours = None
        if tls:
            theirs, ours = serving(), authority().trusted()
            theirs.set_alpn_protocols([alpn])
            ours.set_alpn_protocols(["h2"])
        async with serves(serve, theirs) as where:
            return await ask(where, request, ours, "a.test")

    return asyncio.run(run())


def says(*frames: bytes, settings: bytes = SETTINGS, end: bool = False) -> Serve:
    """A server that sends these at once; ``end``: and then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(settings + b"".join(frames))
        if end:
            writer.write_eof()
        while await reader.read(1 << 16):
            pass
        writer.close()

    return serve


def hyper(respond: Callable[[h2.connection.H2Connection, dict[str, str], bytes], None]) -> Serve:
    """A server on hyper-h2, which is as strict as can be; ``respond``: to the whole request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        fields: dict[str, str] = {}
        body = b""
        while data := await reader.read(1 << 16):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    fields = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    respond(connection, fields, body)
            writer.write(connection.data_to_send())
        writer.close()

    return serve


# -- what is right


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sent", [b"", b"question"])
def test_a_request_and_its_response(tls, sent):
    seen = {}

    def respond(connection, fields, body):
        seen.update(fields, body=body)
        connection.send_headers(1, [(":status", "103"), ("link", "x")])
        connection.send_headers(1, [(":status", "201"), ("a", "b")])
        connection.send_data(1, b"answer")
        connection.send_headers(1, [("t", "u")], end_stream=True)

    answer = asked(hyper(respond), GET._replace(body=sent, method=b"POST" if sent else b"GET"), tls=tls)
    assert (answer.head.status, answer.head.fields) == (201, b"a: b\r\n")
    assert (answer.body, answer.trailers) == (b"answer", [b"t: u"])
    assert seen == {
        ":method": "POST" if sent else "GET", ":scheme": "https" if tls else "http", ":authority": "a.test",
        ":path": "/up", "user-agent": "x", "body": sent,
    }  # fmt: skip


def test_the_peer_hears_that_its_settings_and_pings_have_arrived():
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(SETTINGS + frame(6, 0, b"12345678", 0))
        while not heard.endswith(frame(6, 1, b"12345678", 0)):
            heard += await reader.read(1 << 16)
        writer.write(frame(1, 5, head()))
        await reader.read()
        writer.close()

    assert asked(serve).head.status == 200
    assert frame(4, 1, b"", 0) in heard


@pytest.mark.parametrize("limit", [0, 10, 20_000])
def test_no_more_of_the_body_is_waited_for_than_is_wanted(limit):
    endless = [frame(0, 0, b"x" * 10_000) for _ in range(2)]
    answer = asked(says(frame(1, 4, head()), *endless), GET._replace(body_limit=limit))
    assert answer.body == b"x" * limit


def test_padding_priority_continuation_and_what_is_unknown():
    block = head((":status", "200"), ("a", "b" * 100))
    answer = asked(
        says(
            frame(4, 1, b"", 0),  # SETTINGS acknowledged
            frame(8, 0, b"\0\0\1\0", 0),  # WINDOW_UPDATE
            frame(99, 7, b"?"),
            frame(0, 1, b"of a stream that there is not", 3),
            frame(1, 8 | 32, b"\2" + b"\0\0\0\0\7" + block[:20] + b"\0\0"),
            frame(9, 0, block[20:30]),
            frame(9, 4, block[30:]),
            frame(0, 8, b"\3abc\0\0\0"),
            frame(0, 1, b"def"),
        )
    )
    assert answer.head.fields == b"a: %b\r\n" % (b"b" * 100)
    assert answer.body == b"abcdef"


# -- what is wrong


@pytest.mark.parametrize(
    ("serve", "error", "words"),
    [
        (says(settings=b"HTTP/1.1 400 Bad Request\r\n\r\n"), ProtocolError, "speaks HTTP/1, not HTTP/2"),
        (says(frame(1, 5, head()), settings=b""), ProtocolError, "does not speak HTTP/2"),
        (says(settings=b"", end=True), ProtocolError, "closed the connection early"),
        (says(SETTINGS[:5], settings=b"", end=True), ProtocolError, "closed the connection early"),
        (says(frame(1, 4, head())[:-1], end=True), ProtocolError, "closed the connection early"),
        (says(frame(1, 4, head()), frame(0, 0, b"x"), end=True), EOFError, "the response broke off"),
        (says(frame(3, 0, b"\0\0\0\7")), EOFError, "reset the stream: REFUSED_STREAM"),
        (says(frame(7, 0, b"\0\0\0\0\0\0\0\x0b", 0)), ProtocolError, "refused the connection: ENHANCE_YOUR_CALM"),
        (says(frame(0, 0, b"x" * 16_385)), ProtocolError, "a frame that is too large"),
        (says(frame(0, 1, b"x")), ProtocolError, "a body before the head"),
        (says(frame(0, 8, b"")), ProtocolError, "too much padding"),
        (says(frame(1, 12, b"\xff" + head())), ProtocolError, "too much padding"),
        (says(frame(1, 0, head()), frame(0, 1, b"")), ProtocolError, "a frame within a head"),
        (says(frame(1, 0, b""), *[frame(9, 0, b"\x40" * 16_000)] * 3), ProtocolError, "the head is too large"),
        (says(frame(1, 4, b"\xff\xff\xff\xff\xff\xff")), ProtocolError, "."),
        (says(frame(1, 5, head(("a", "b")))), ProtocolError, "no :status"),
        (says(frame(1, 5, head((":status", "2000")))), ProtocolError, "no :status"),
        (says(frame(1, 5, head((":status", "200"), ("A", "b")))), ProtocolError, "name"),
        (says(frame(1, 5, head((":status", "100")))), ProtocolError, "ended before the response"),
        (says(*[frame(6, 1, b"12345678", 0)] * 1000), ProtocolError, "no response within 1000 frames"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(serve, error, words):
    with pytest.raises(error, match=words):
        asked(serve)


def test_tls_without_alpn():
    with pytest.raises(ProtocolError, match="does not agree to HTTP/2 in the TLS handshake"):
        asked(says(), tls=True, alpn="http/1.1")


# -- checks


@pytest.mark.parametrize(
    ("serve", "health", "verdict"),
    [
        (says(frame(1, 4, head()), frame(0, 1, b"fine")), Health(body="fine"), (HEALTH_UP, "")),
        (says(frame(1, 4, head()), frame(0, 1, b"ill")), Health(body="fine"), (HEALTH_DOUBTFUL, "the body is not as expected")),
        (says(frame(1, 5, head((":status", "503")))), Health(), (HEALTH_DOUBTFUL, "answered 503")),
        (says(frame(3, 0, b"\0\0\0\2")), Health(), (HEALTH_DOUBTFUL, "reset the stream: INTERNAL_ERROR")),
        (says(settings=b"HTTP/1.1 200 OK\r\n\r\n"), Health(), (HEALTH_DEAD, "bad response: speaks HTTP/1, not HTTP/2")),
        (
            says(frame(1, 4, head()), frame(0, 0, b"\0\0\0\0\2\x08\1"), frame(1, 5, head(("grpc-status", "0")))),
            Health(type="grpc"),
            (HEALTH_UP, ""),
        ),
        (
            says(frame(1, 5, head((":status", "200"), ("grpc-status", "12")))),
            Health(type="grpc"),
            (HEALTH_DOUBTFUL, "has no health service (grpc.health.v1.Health)"),
        ),
        (
            says(frame(1, 4, head()), frame(0, 0, b"\1\0\0\0\0"), frame(1, 5, head(("grpc-status", "0")))),
            Health(type="grpc"),
            (HEALTH_DEAD, "bad response: not one plain message of gRPC"),
        ),
    ],
)  # fmt: skip
def test_verdicts(serve, health, verdict):
    async def run():
        async with serves(serve) as (host, port):
            return await check(Peer(f"{host}:{port}"), health, http2=True)

    assert asyncio.run(run()) == verdict
