"""The small sites of the control process, over real sockets: what clients get, and what hostile ones cannot have."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.config.units import Listen
from rsp.control import web_server
from rsp.control.hosts import Hosts
from rsp.control.web import Refused, Request, Response, Site
from rsp.control.web_server import Server

PARTS = [
    b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"GET /pieces HTTP/1.0\r\n", b"HEAD /live HTTP/1.1\r\n", b"Host: a\r\n",
    b"Content-Length: 3\r\n", b"Expect: 100-continue\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
    b"\r\n", b"abc", b"GET /a%00%ff?%&=&;=%zz HTTP/1.1\r\n", b"GET http://b/ HTTP/1.1\r\n", b"GET /breaks HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /field HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n", b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


class Lab:
    def __init__(self, most: int = 64) -> None:
        self.requests: list[Request] = []
        self.ended = asyncio.Event()
        self.made = 0
        handlers = {
            "GET /": self._show, "POST /": self._show, "GET /pieces": self._pieces, "GET /live": self._forever,
            "GET /broken": self._broken, "GET /breaks": self._breaks_off, "GET /refused": self._refuses,
            "GET /large": self._large, "GET /field": self._line_break, "GET /slow": self._waits,
        }  # fmt: skip
        self.site = Site(handlers)
        self.server = Server(self.site, most)

    async def _show(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, body=f"{request.method} {request.path}\n".encode())

    async def _pieces(self, request: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            for piece in (b"one ", b"", b"two ", b"three"):
                yield piece

        return Response(200, body=pieces())

    async def _forever(self, request: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                yield b"data: 1\n\n"
                await asyncio.Event().wait()
            finally:
                self.ended.set()

        return Response(200, "text/event-stream", pieces(), live=True)

    async def _large(self, request: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                for self.made in range(1000):
                    yield bytes(1 << 20)
            finally:
                self.ended.set()

        return Response(200, body=pieces())

    async def _broken(self, request: Request) -> Response:
        raise RuntimeError("a secret of this machine")

    async def _breaks_off(self, request: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"one"
            raise RuntimeError("a secret of this machine")

        return Response(200, body=pieces())

    async def _refuses(self, request: Request) -> Response:
        raise Refused(409, "not now")

    async def _line_break(self, request: Request) -> Response:
        return Response(200, fields={"X-Test": "a\r\nSet-Cookie: b"})

    async def _waits(self, request: Request) -> Response:
        await self.ended.wait()
        return Response(200)


@asynccontextmanager
async def lab(most: int = 64) -> AsyncGenerator[tuple[Lab, Callable[[], Awaitable[Streams]]], None]:
    lab = Lab(most)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        listening.setblocking(False)
        await lab.server.serve(listening.dup())
        yield lab, lambda: asyncio.open_connection("127.0.0.1", port)
        await lab.server.finish()


async def answer(reader: asyncio.StreamReader, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    block = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = block.rstrip().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = b""
    if head:
        pass
    elif "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    else:
        body = await reader.read()
    return int(status.split()[1]), fields, body


async def ask(connect: Callable[[], Awaitable[Streams]], request: str) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await connect()
    try:
        writer.write(request.encode("latin-1"))
        return await answer(reader, head=request.startswith("HEAD"))
    finally:
        writer.close()


def test_a_request_comes_whole_and_connections_are_kept() -> None:
    async def test() -> None:
        async with lab() as (site, connect):
            reader, writer = await connect()
            writer.write(
                b"GET /?a=1&b=%20x&a=2 HTTP/1.1\r\nHost: a:1\r\nAuthorization: Basic x\r\nX: 1\r\nx: 2\r\n\r\n"
            )
            assert (await answer(reader))[::2] == (200, b"GET /\n")
            writer.write(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            assert (await answer(reader))[::2] == (200, b"POST /\n")
            status, fields, _ = await answer(reader, head=True)
            assert (status, fields["content-length"]) == (200, "7")  # of the page as GET has it, "HEAD /" here
            first, second, third = site.requests
            assert first.query == {"a": "2", "b": " x"}
            assert first.fields == {b"host": b"a:1", b"authorization": b"Basic x", b"x": b"1, 2"}
            assert second.body == b"abc" and third.method == "HEAD"
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await answer(reader))[1]["connection"] == "close"
            assert await reader.read() == b""

    run(test)


def test_what_no_handler_takes() -> None:
    async def test() -> None:
        async with lab() as (_, connect):
            status, _, body = await ask(connect, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
            assert status == 404 and b"/pieces" in body
            status, fields, _ = await ask(connect, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (status, fields["allow"]) == (405, "GET, POST, HEAD")
            assert (await ask(connect, "GET /refused HTTP/1.1\r\nHost: a\r\n\r\n"))[::2] == (409, b"not now\n")

    run(test)


def test_bodies_in_pieces() -> None:
    async def test() -> None:
        async with lab() as (_, connect):
            status, fields, body = await ask(connect, "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (status, fields["transfer-encoding"], body) == (200, "chunked", b"one two three")
            status, fields, body = await ask(connect, "GET /pieces HTTP/1.0\r\n\r\n")
            assert (status, fields["connection"], body) == (200, "close", b"one two three")
            reader, writer = await connect()
            writer.write(b"HEAD /pieces HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await answer(reader, head=True)
            assert (await answer(reader))[2] == b"GET /\n"
            writer.close()

    run(test)


def test_a_live_body_ends_with_its_client() -> None:
    async def test() -> None:
        async with lab() as (site, connect):
            reader, writer = await connect()
            writer.write(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"data: 1\n\n")
            writer.close()
            await site.ended.wait()

    run(test)


def test_a_server_that_closes_ends_live_bodies_and_finishes_others(monkeypatch) -> None:
    monkeypatch.setattr("rsp.control.web_server._PATIENCE", 1.0)

    async def test() -> None:
        async with lab() as (site, connect):
            live, busy, idle = await connect(), await connect(), await connect()
            live[1].write(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
            await live[0].readuntil(b"data: 1\n\n\r\n")
            busy[1].write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            while sum(connection.busy for connection in site.server._open) < 2:
                await asyncio.sleep(0.001)
            site.server.close()
            assert not any([await live[0].read(), await idle[0].read()])
            await site.ended.wait()
            assert (await answer(busy[0]))[0] == 200 and await busy[0].read() == b""

    run(test)


def test_errors_of_handlers_stay_inside() -> None:
    async def test() -> None:
        async with lab() as (_, connect):
            status, _, body = await ask(connect, "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
            assert status == 500 and b"secret" not in body
            with pytest.raises(asyncio.IncompleteReadError):
                await ask(connect, "GET /breaks HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await ask(connect, "GET /field HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await ask(connect, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    run(test)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + "x" * 70000, 413),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 70000 + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: 1\r\n" * 200 + "\r\n", 431),
        ("GET /?" + "a=1&" * 100 + " HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\x16\x03\x01\r\n\r\n", 400),
    ],
    ids=range(9),
)
def test_bounds(request_: str, status: int) -> None:
    async def test() -> None:
        async with lab() as (site, connect):
            assert (await ask(connect, request_))[0] == status
            assert not site.requests
            assert (await ask(connect, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    run(test)


def test_a_connection_without_a_request_makes_room() -> None:
    async def test() -> None:
        async with lab(most=3) as (site, connect):
            idle, partial = await connect(), await connect()
            partial[1].write(b"GET / HT")
            busy = await connect()
            busy[1].write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            while not any(connection.busy for connection in site.server._open):
                await asyncio.sleep(0.001)
            first = await connect()
            first[1].write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await answer(first[0]))[0] == 200
            assert await idle[0].read() == b""  # the one that has waited for longest
            second, third = await connect(), await connect()
            for _, writer in (second, third):
                writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            while sum(connection.busy for connection in site.server._open) < 3:
                await asyncio.sleep(0.001)
            refused = await connect()
            assert (await answer(refused[0]))[0] == 503
            site.ended.set()
            assert (await answer(busy[0]))[0] == 200
            assert await first[0].read() == b"" and await partial[0].read() == b""

    run(test)


def test_bodies_that_never_come_keep_no_client_out() -> None:
    async def test() -> None:
        async with lab(most=3) as (_, connect):
            for _ in range(5):
                _, writer = await connect()
                writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
                await asyncio.sleep(0.01)
            assert (await ask(connect, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    run(test)


def test_a_client_that_reads_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_PATIENCE", 0.2)

    async def test() -> None:
        async with lab() as (site, connect):
            _, writer = await connect()
            writer.transport.pause_reading()
            writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            await site.ended.wait()
            assert site.made < 50, "what is not read is not made"
            writer.close()

    run(test)


def test_a_client_that_says_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_PATIENCE", 0.1)

    async def test() -> None:
        async with lab() as (_, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHo")
            assert await reader.read() == b""
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            assert await reader.read() == b""

    run(test)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9145", "localhost.", "127.0.0.1:9145", "127.8.9.1", "[::1]:9145", "[::1]", "10.0.0.5",
     "metrics.example", "Metrics.Example:80", ""],
)  # fmt: skip
def test_names_that_a_site_answers_to(host: str) -> None:
    hosts = Hosts(Listen.parse("10.0.0.5:9145"), ["metrics.example"])
    assert hosts(Request("GET", "/", fields={b"host": host.encode()})) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost", "10.0.0.6", "0.0.0.0",
     "[::2]:1", "metrics.example.evil", "127.1", "2130706433", "xmetrics.example", "127.0.0.1:9145:1"],
)  # fmt: skip
def test_names_of_other_pages(host: str) -> None:
    hosts = Hosts(Listen.parse("10.0.0.5:9145"), ["metrics.example"])
    response = hosts(Request("GET", "/", fields={b"host": host.encode()}))
    assert response is not None and response.status == 421


def test_any_name_where_that_is_asked_for() -> None:
    assert Hosts(Listen.parse("0.0.0.0:9145"), ["*"])(Request("GET", "/", fields={b"host": b"10.1.2.3"})) is None


def test_no_browser_reaches_a_unix_socket() -> None:
    assert Hosts(Listen.parse("unix:/run/m.sock"), [])(Request("GET", "/", fields={b"host": b"any"})) is None


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=30), max_size=12))
@settings(max_examples=60)
def test_any_bytes(parts: list[bytes]) -> None:
    """A response, or the end; and the next client is served."""

    async def test() -> None:
        async with lab() as (_, connect):
            reader, writer = await connect()
            writer.write(b"".join(parts))
            writer.write_eof()
            answered = await reader.read()
            assert not answered or answered.startswith(b"HTTP/1.1 "), answered[:100]
            assert b"secret" not in answered and b"Traceback" not in answered
            writer.close()
            assert (await ask(connect, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    run(test)
