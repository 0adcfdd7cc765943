"""What the metrics of compression count: bodies as they were, and what was made of them."""

from rsp.ipc.worker_cells import CODED, UNCODED
from tests.unit.fakes import serving

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app", compress = true }\n'
TEXT = b"Content-Type: text/plain\r\n"
BODY = b"something that is said again and again, " * 100


def counts(worker):
    return worker.context.stats.get(UNCODED), worker.context.stats.get(CODED)


def test_a_body_that_is_whole():
    with serving(APP) as worker:
        client = worker.ask("GET /x\nAccept-Encoding: br")
        worker.accept().begin(200, [BODY], TEXT, framing=len(BODY), last=True)
        assert counts(worker) == (len(BODY), len(client.body))


def test_a_stream_with_its_flushes():
    with serving(APP) as worker:
        client = worker.ask("GET /x\nAccept-Encoding: zstd")
        peer = worker.accept()
        peer.begin(200, [BODY], TEXT)
        worker.turn()
        assert counts(worker) == (len(BODY), len(client.body))
        peer.send(BODY, last=True)
        assert counts(worker) == (len(BODY) * 2, len(client.body))


def test_what_is_sent_as_it_is_counts_nothing():
    with serving(APP) as worker:
        worker.ask("GET /x\nAccept-Encoding: identity")
        worker.accept().begin(200, [BODY], TEXT, framing=len(BODY), last=True)
        assert counts(worker) == (0, 0)
