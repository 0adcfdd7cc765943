"""Which requests ``request_buffering`` holds, and which it passes on as they come."""

import pytest

from rsp.exchange.filters.request_buffering import RequestBufferingFilter
from tests.unit.fakes import serving

APP = 'limits = { buffer = 8 }\nupstream "app" { "127.0.0.1:2" }\nroute { path = "/x", to = "app" }\n'
CHUNKED = "POST /x\nTransfer-Encoding: chunked"
SIZED = "POST /x\nContent-Length: 20"


def ask(worker, text, *, grpc=False):
    client = worker.hear(text)
    client.events.head.grpc = grpc
    client.send(b"0123456789", last=False)
    client.events.start()
    return client


@pytest.mark.parametrize("text", [CHUNKED, SIZED])
def test_bodies_are_held(text):
    with serving(APP, own=(RequestBufferingFilter(),)) as worker:
        client = ask(worker, text)
        assert not worker.pool().attempts
        client.send(b"0123456789", last=True)
        peer = worker.accept()
        worker.turn()
        assert peer.body == b"0123456789" * 2
        assert peer.trailers == []
        peer.answer()
        assert client.ended == "kept"
        assert worker.context.temp.open == 0


@pytest.mark.parametrize(
    ("text", "grpc"), [(CHUNKED, True), (f"{CHUNKED}\nConnection: upgrade\nUpgrade: echo", False), (SIZED, True)]
)
def test_what_streams_is_passed_on(text, grpc):
    with serving(APP, own=(RequestBufferingFilter(),)) as worker:
        client = ask(worker, text, grpc=grpc)
        peer = worker.accept()
        assert peer.body == b"0123456789"
        client.send(b"more", last=False)
        assert peer.body == b"0123456789more"
        client.send(b"end...", last=True)
        peer.answer()


def test_only_bodies_without_a_length():
    with serving(APP, own=(RequestBufferingFilter(unsized_only=True),)) as worker:
        client = ask(worker, SIZED)
        peer = worker.accept()
        assert peer.body == b"0123456789"
        client.send(b"0123456789", last=True)
        peer.answer()
        client = ask(worker, CHUNKED)
        assert not worker.pool().streams
        client.send(b"x", last=True)
        worker.turn()
        peer = worker.pool().stream
        assert peer.body == b"0123456789x"
        peer.answer()
