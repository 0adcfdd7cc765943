"""No request over HTTP/2 becomes two in HTTP/1.1, or another than it says."""

import re

import pytest

from tests.faults.h2_smuggling import ALLOWED, FORBIDDEN, ask
from tests.h2_client import PROTOCOL_ERROR, Client, data, headers
from tests.harness import Backend, Rsp, answering

LISTEN = 'listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }\n'


class Peer(Backend):
    """Notes each byte that it gets; answers what has a whole head."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(self._note)

    def _note(self, connection, head, rest):
        early = b" /early " in head
        length = re.search(rb"Content-Length: (\d+)", head)
        while length and len(rest) < int(length[1]) and not early:
            more = connection.recv(65536)
            if not more:
                return False
            rest += more
        if b"Transfer-Encoding: chunked" in head:
            while not re.search(rb"(^|\r\n)0\r\n(.+\r\n)*\r\n$", rest):
                more = connection.recv(65536)
                if not more:
                    return False
                rest += more
        self.bodies.append(rest)
        return answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(connection, head, rest)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Peer() as peer:
        text = f'{LISTEN} upstream "app" {{ "{peer.address}" }} route {{ to = "app" }}'
        with Rsp(tmp_path_factory.mktemp("smuggling"), text) as rsp:
            yield rsp, peer
            assert rsp.stop() == 0


@pytest.fixture
def server(site):
    rsp, peer = site
    peer.heads.clear()
    peer.bodies.clear()
    return rsp, peer


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_must_not_pass(server, name):
    rsp, peer = server
    with Client(rsp.port) as client:
        client.send(headers(1, FORBIDDEN[name]))
        refused = client.finish(client.expect(1))
        assert 400 <= refused.status < 502 or refused.reset == PROTOCOL_ERROR, refused
        client.send(headers(3, ask(path="/next")))
        assert client.finish(client.expect(3)).status == 200  # the connection goes on
    assert [head.split(b"\r\n")[0] for head in peer.heads] == [b"GET /next HTTP/1.1"]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_passes_is_one_request(server, name):
    rsp, peer = server
    fields, expected = ALLOWED[name]
    with Client(rsp.port) as client:
        client.send(headers(1, fields))
        assert client.finish(client.expect(1)).status == 200
    assert len(peer.heads) == 1
    assert expected in peer.heads[0]
    assert peer.bodies == [b""]


@pytest.mark.parametrize("path", ["/lies", "/early"])
@pytest.mark.parametrize("length", [3, 5])
@pytest.mark.parametrize("frames", [1, 4])
def test_content_length_that_lies(server, length, frames, path):
    """Four bytes come.  The peer must not take what is missing from the next request, nor what is too much for one.

    It may answer before it has the body (/early), or before the frame that is too much has come.
    """
    rsp, peer = server
    may_be_answered = path == "/early" or (length == 3 and frames == 4)
    with Client(rsp.port) as client:
        client.send(headers(1, ask(("content-length", str(length)), method="POST", path=path), end=False))
        for at in range(frames):
            client.send(data(1, b"GET "[at * 4 // frames : (at + 1) * 4 // frames], end=at == frames - 1))
        refused = client.finish(client.expect(1))
        assert refused.reset == PROTOCOL_ERROR or refused.status == 400 or (may_be_answered and refused.status == 200)
        client.send(headers(3, ask(path="/next")))
        assert client.finish(client.expect(3)).status == 200
    assert [head.split(b"\r\n")[0] for head in peer.heads if path.encode() not in head] == [b"GET /next HTTP/1.1"]


def test_bodies_are_framed_anew(server):
    """What looks like chunks in DATA is content."""
    rsp, peer = server
    content = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
    with Client(rsp.port) as client:
        assert client.post("/a", content).status == 200
    assert len(peer.heads) == 1
    assert peer.bodies == [b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)]


@pytest.mark.parametrize(
    "field",
    [("transfer-encoding", "chunked"), ("x", "y\r\n\r\nGET /smuggled HTTP/1.1"), (":path", "/"), ("x:y", "z"), ("connection", "close"), ("X", "y")],
    ids=lambda field: field[0],
)  # fmt: skip
def test_trailers_that_must_not_pass(server, field):
    rsp, peer = server
    with Client(rsp.port) as client:
        client.send(headers(1, ask(method="POST", path="/trailers"), end=False), data(1, b"abc"), headers(1, [field]))
        refused = client.finish(client.expect(1))
        assert refused.reset == PROTOCOL_ERROR or refused.status == 400
        client.send(headers(3, ask(path="/next")))
        assert client.finish(client.expect(3)).status == 200
    assert [head.split(b"\r\n")[0] for head in peer.heads if b"/trailers" not in head] == [b"GET /next HTTP/1.1"]


@pytest.mark.parametrize("name", ["content-length", "host", "authorization"])
def test_trailers_that_would_change_the_request_are_dropped(server, name):
    rsp, peer = server
    with Client(rsp.port) as client:
        client.send(
            headers(1, ask(method="POST"), end=False), data(1, b"abc"), headers(1, [(name, "5"), ("x-sum", "1")])
        )
        done = client.finish(client.expect(1))
    if done.status == 200:
        assert peer.bodies == [b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"]
    else:
        assert done.reset == PROTOCOL_ERROR or done.status == 400
