"""An engine that is none, or that wants to do harm: bounded in bytes and time, an error in plain words."""

import asyncio
import gzip
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.engines import DISCOVERY_PORTS, Access, EngineUrl
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration
from rsp.engines.failures import Unreachable
from rsp.engines.web import Stream, Web
from rsp.tls.material import Keyring
from tests.certificates import authority
from tests.unit.discovery_lab import in_loop, server_tls

OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """``answer(writer)`` writes what it likes, once a request has come.  ``heads``: of the requests."""

    def __init__(self, answer, tls=None, path=None):
        self.answer, self.tls, self.path = answer, tls, path
        self.heads = []

    async def __aenter__(self):
        if self.path is not None:
            self._server = await asyncio.start_unix_server(self._serve, self.path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await self.answer(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def saying(data):
    async def answer(writer):
        writer.write(data)

    return answer


def endless(begin, piece, pause=0.0):
    async def answer(writer):
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def web_of(port, scheme="http", host="localhost", timeout=0.5, authorities=None, **access):
    url = EngineUrl.parse(f"{scheme}://{host}:{port}/", DISCOVERY_PORTS)
    return Web(Access(timeout=Duration(timeout), **access), url, Dns(), Keyring(authorities=authorities or {}))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (endless(OK, b"X-A: b\r\n"), "the response is not valid HTTP"),  # too many fields
        (endless(OK, b"x" * 1000), "the response is not valid HTTP"),  # too long a field
        (endless(b"", b"x" * 1000), "the response is not valid HTTP"),
        (endless(OK, b"a", 0.02), "no response within 0.5 s"),  # byte for byte
        (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001), "the response is not valid HTTP"),
        (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000), "the response is not valid HTTP"),
        (endless(OK + b"\r\n", b"x" * 60_000), "the answer has more than 64 KB"),
        (
            endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
            "the answer has more than 64 KB",
        ),
        (endless(OK + b"Content-Length: 99999999999999999999\r\n\r\n", b"x"), "the response is not valid HTTP"),
        (saying(OK + b"Content-Length: 5\r\n\r\nabc"), "the connection broke off"),
        (saying(b""), "the connection broke off"),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "the response is not valid HTTP"),
        (saying(b"SSH-2.0-OpenSSH\r\n"), "the response is not valid HTTP"),
    ],
)
def test_answers_that_are_none(answer, why):
    @in_loop
    async def check():
        async with Server(answer) as server, web_of(server.port) as web:
            began = time.monotonic()
            tracemalloc.start()
            with pytest.raises(Unreachable) as error:
                await web.ask("GET", "/secret?token=hidden", limit=64 << 10)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert why in str(error.value), error.value
            assert str(error.value).startswith(f"localhost:{server.port}: ") and "hidden" not in str(error.value)
            assert time.monotonic() - began < 5 and peak < 16 << 20

    check()


@in_loop
async def test_some_interim_answers_are_nothing_special():
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10
    async with Server(saying(interim + OK + b"Content-Length: 2\r\n\r\nok")) as server, web_of(server.port) as web:
        assert await web.ask("GET", "/") == (200, b"ok")


@in_loop
async def test_a_bomb_is_not_decompressed():
    bomb = gzip.compress(b"\0" * (64 << 20))
    data = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(bomb), bomb)
    async with Server(saying(data)) as server, web_of(server.port, timeout=5) as web:
        assert await web.ask("GET", "/", limit=1 << 20) == (200, bomb)
        assert b"Accept-Encoding: identity" in server.heads[0]


@in_loop
async def test_redirects_cookies_and_proxies_are_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    data = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with Server(saying(data)) as server, web_of(server.port) as web:
        web.fields["X-Token"] = "t"
        for _ in range(2):
            assert await web.ask("GET", "/") == (302, b"")
        assert len(server.heads) == 2 and b"Cookie" not in server.heads[1] and b"X-Token: t" in server.heads[1]


@in_loop
async def test_a_stream_that_is_silent_ends():
    async with Server(endless(OK + b"\r\n", b"line\n", 30)) as server, web_of(server.port) as web:
        lines = []
        with pytest.raises(Unreachable, match="it has been silent for"):
            async with web.stream("GET", "/", silence=0.1) as stream:
                async for line in stream.lines():
                    lines += [line]
        assert lines == [b"line"]


@in_loop
async def test_a_line_without_end():
    async with Server(endless(OK + b"\r\n", b"x" * 60_000)) as server, web_of(server.port) as web:
        with pytest.raises(Unreachable, match="a line of the answer has more than 1024 KB"):
            async with web.stream("GET", "/") as stream:
                async for _ in stream.lines(1 << 20):
                    pass


@in_loop
async def test_local_sockets(tmp_path):
    path = str(tmp_path / "engine.sock")
    url = EngineUrl.parse("docker:///engine.sock", DISCOVERY_PORTS)
    async with Server(saying(OK + b"Content-Length: 2\r\n\r\nok"), path=path):
        async with Web(Access(), url, Dns(), Keyring(), path=path) as web:
            assert await web.ask("GET", "/") == (200, b"ok")
    async with Web(Access(), url, Dns(), Keyring(), path=str(tmp_path / "gone")) as web:
        with pytest.raises(Unreachable, match="gone: no such file or directory"):
            await web.ask("GET", "/")


# -- TLS


@pytest.mark.parametrize(
    ("names", "access", "why"),
    [
        (("localhost",), {"tls": UpstreamTls(ca="ca.pem")}, ""),
        (("engine.example",), {"tls": UpstreamTls(ca="ca.pem", name="engine.example")}, ""),
        (("engine.example",), {"tls": UpstreamTls(verify=False)}, ""),
        (("engine.example",), {"tls": UpstreamTls(ca="ca.pem")}, "has a certificate for engine.example, not for localhost"),
        (("localhost",), {}, "has a certificate of an authority that is not trusted"),
        (("localhost",), {"tls": UpstreamTls(ca="other.pem")}, 'TLS cannot be set up: "other.pem" has not been read'),
    ],
)  # fmt: skip
def test_certificates_are_verified(tmp_path, names, access, why):
    @in_loop
    async def check():
        tls = server_tls(authority().issue(*names), tmp_path)
        data = saying(OK + b"Content-Length: 2\r\n\r\nok")
        async with Server(data, tls) as server:
            try:
                async with web_of(server.port, "https", authorities={"ca.pem": authority().pem}, **access) as web:
                    assert await web.ask("GET", "/") == (200, b"ok")
                    assert not why
            except Unreachable as error:
                assert why and why in str(error), error

    check()


@in_loop
async def test_an_engine_that_speaks_no_tls():
    async with Server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server, web_of(server.port, "https") as web:
        with pytest.raises(Unreachable):
            await web.ask("GET", "/")


@in_loop
async def test_an_engine_whose_handshake_hangs():
    async def accept(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with web_of(server.sockets[0].getsockname()[1], "https") as web:
        with pytest.raises(Unreachable, match=r"no (connection in time|response within 0.5 s)"):
            await web.ask("GET", "/")
    server.close()


# -- lines


class Pieces:
    """A response whose body comes in these pieces."""

    status = 200

    def __init__(self, pieces):
        self._pieces = [piece for piece in pieces if piece]
        self.content = self

    async def read(self, _most):
        return self._pieces.pop(0) if self._pieces else b""


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\n", b"a\n", b"\n\n", b"b"]), max_size=12))
def test_lines_are_those_of_the_whole(pieces):
    async def read():
        return [line async for line in Stream(Pieces(pieces), "e", "").lines()]

    whole = b"".join(pieces).split(b"\n")
    assert asyncio.run(read()) == (whole if whole[-1] else whole[:-1])
