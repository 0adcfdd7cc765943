"""Health checks of peers that speak FastCGI: what is right, what is not as it should be, and what is no answer."""

import asyncio

import pytest

from rsp.config.failure import Health
from rsp.config.units import Peer
from rsp.control.asking_cgi import Manner
from rsp.control.health import check
from rsp.ipc.peer_marks import HEALTH_DEAD, HEALTH_DOUBTFUL, HEALTH_UP
from tests.fastcgi_peer import STDERR, STDOUT, FastCgiPeer, end, page, record, saying

HEAD = b"Content-Type: text/plain\r\n\r\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("www")
    (root / "index.php").write_text("")
    return root


def checked(peer: FastCgiPeer, root, **keys: object) -> tuple[int, str]:
    manner = Manner("fastcgi", str(root), ".php", "index.php")
    return asyncio.run(check(Peer(peer.address), Health(**keys), manner=manner))


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (page(b"pong"), (HEALTH_UP, "")),
        (record(STDERR, b"oops") + page(b"pong", b"Status: 204\r\n"), (HEALTH_UP, "")),
        (page(b"no", b"Status: 503 No\r\n"), (HEALTH_DOUBTFUL, "answered 503")),
        (end(2), (HEALTH_DEAD, "bad response: is overloaded (FCGI_OVERLOADED)")),
        (end(), (HEALTH_DEAD, "bad response: ended without the head of a response")),
        (b"", (HEALTH_DEAD, "bad response: closed the connection early")),
        (record(STDOUT, HEAD[:-2]), (HEALTH_DEAD, "bad response: closed the connection early")),
        (b"HTTP/1.1 400 No\r\n\r\n", (HEALTH_DEAD, "bad response: speaks HTTP, not FastCGI")),
        (record(STDOUT, b"X: " + b"y" * 40_000), (HEALTH_DEAD, "bad response: the head is too large")),
        (record(STDOUT, b"no head\r\n\r\n") + end(), (HEALTH_DEAD, "bad response: malformed field line")),
    ],
)
def test_verdicts(root, data, verdict):
    with FastCgiPeer(saying(data, keep=False)) as peer:
        assert checked(peer, root, path="/ping") == verdict
        (asked,) = peer.asked
    assert asked.params[b"SCRIPT_FILENAME"] == f"{root}/ping".encode()
    assert asked.params[b"REQUEST_METHOD"] == b"GET"
    assert not asked.keep


def test_the_body_is_looked_at_and_no_more_of_it_than_needed(root):
    with FastCgiPeer(saying(record(STDOUT, HEAD + b"pong" + b"x" * 60_000) * 2, keep=False)) as peer:
        assert checked(peer, root, path="/ping", body="pong") == (HEALTH_UP, "")
        assert checked(peer, root, path="/ping", body="other") == (HEALTH_DOUBTFUL, "the body is not as expected")
    with FastCgiPeer(saying(record(STDOUT, HEAD + b"half"), keep=False)) as peer:
        assert checked(peer, root, path="/ping", body="pong") == (HEALTH_DOUBTFUL, "the response broke off")


def test_a_script_of_a_check_has_to_be_there(root):
    with FastCgiPeer() as peer:
        assert checked(peer, root, path="/") == (HEALTH_UP, "")
        found = checked(peer, root, path="/health.php")
        assert found == (HEALTH_DOUBTFUL, f"there is no script for /health.php below {root}")
        assert [asked.params[b"SCRIPT_NAME"] for asked in peer.asked] == [b"/index.php"]


def test_a_peer_that_is_not_there(root):
    with FastCgiPeer() as peer:
        pass
    assert checked(peer, root)[0] == HEALTH_DEAD
