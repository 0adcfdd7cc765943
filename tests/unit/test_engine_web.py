"""What is sent to an engine, and how often: a request that changes something must not arrive twice."""

import asyncio
import sys

import pytest

from rsp.config.engines import DISCOVERY_PORTS, Access, EngineUrl
from rsp.config.instance import Dns
from rsp.config.units import Duration
from rsp.engines.failures import Unreachable
from rsp.engines.web import Web
from rsp.tls.material import Keyring
from tests.unit.discovery_lab import in_loop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers the first ``good`` requests of each connection, and closes when there is one more."""

    def __init__(self, good):
        self.good, self.lines = good, []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        for number in range(self.good + 1):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            self.lines.append(head.partition(b" HTTP/")[0].decode())
            if number < self.good:
                writer.write(ANSWER)
                await writer.drain()
        writer.close()


def web_of(*addresses):
    url = EngineUrl.parse(f"http://{','.join(addresses)}/", DISCOVERY_PORTS)
    return Web(Access(timeout=Duration(2)), url, Dns(), Keyring())


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@in_loop
async def test_what_changes_something_arrives_once(method):
    async with Server(1) as server, Server(1) as other, web_of(server.address, other.address) as web:
        assert await web.ask("GET", "/") == (200, b"ok")
        with pytest.raises(Unreachable, match="broke off"):  # over the connection that was kept
            await web.ask(method, "/key", b"x", repeat=False)
        assert server.lines + other.lines == ["GET /", f"{method} /key"]


@in_loop
async def test_what_only_reads_is_asked_again():
    async with Server(1) as server, web_of(server.address) as web:
        assert await web.ask("GET", "/a") == (200, b"ok")
        assert await web.ask("GET", "/b") == (200, b"ok")
        assert server.lines == ["GET /a", "GET /b", "GET /b"]


@in_loop
async def test_what_has_reached_no_endpoint_goes_to_the_next():
    async with Server(0) as gone:
        address = gone.address
    async with Server(9) as server, web_of(address, server.address) as web:
        assert await web.ask("PUT", "/key", b"x", repeat=False) == (200, b"ok")
        assert server.lines == ["PUT /key"]


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("302 Found\r\nLocation: /other", (302, b"ok")),  # it could lead to any host, with rsp's credentials
        ("200 OK\r\nContent-Encoding: gzip", (200, b"ok")),  # a few bytes could become any number
    ],
)
@in_loop
async def test_answers_are_taken_as_they_come(monkeypatch, head, found):
    monkeypatch.setattr(sys.modules[__name__], "ANSWER", f"HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nok".encode())
    async with Server(2) as server, web_of(server.address) as web:
        assert await web.ask("GET", "/") == found
        assert server.lines == ["GET /"]


@in_loop
async def test_a_stream_that_fails_leaves_its_endpoint_once():
    """What is asked meanwhile may have left it already, and another endpoint has answered."""
    async with Server(1) as gone, Server(9) as good, web_of(gone.address, good.address) as web:
        with pytest.raises(Unreachable, match="is silent"):
            async with web.stream("GET", "/watch") as stream:
                assert stream.endpoint == web.endpoint == gone.address
                gone.good = 0
                await web.ask("GET", "/")
                assert web.endpoint == good.address
                raise Unreachable("it is silent")
        assert web.endpoint == good.address
        with pytest.raises(Unreachable, match="is silent"):
            async with web.stream("GET", "/watch"):
                raise Unreachable("it is silent")
        assert web.endpoint == gone.address
