"""An error that comes while a filter waits is the only answer, also where ``bandwidth`` lets it out slowly."""

import pytest

from rsp.exchange.filters import request_buffering
from rsp.ipc.temp_files import NoRoomError
from tests.unit.fakes import serving

SLOW = """
limits = { buffer = 5 }
upstream "app" { "127.0.0.1:2" }
upstream "auth" { "127.0.0.1:9" }
route { path = "/x", to = "app", bandwidth = { down = 1 }, limits = { body = 10 }, KEYS }
"""
AUTH = 'auth = { forward = "auth" }, timeouts = { request = "5s" }'


@pytest.mark.parametrize("verdict", [200, 401])
@pytest.mark.parametrize("status", [413, 504])
def test_what_the_service_says_is_too_late(status, verdict):
    with serving(SLOW.replace("KEYS", AUTH)) as worker:
        client = worker.ask("POST /x\nTransfer-Encoding: chunked", b"a", last=False)
        service = worker.pool(0, "auth").accept()
        if status == 413:
            client.send(b"a" * 20, last=True)
        else:
            worker.wait(7)
        assert client.status == status
        if not service.aborted:
            service.answer(verdict)
        worker.wait(200)
        assert client.status == status and service.aborted and not worker.pool().attempts


def test_a_body_for_which_there_is_no_room(monkeypatch):
    def spill(notes, exchange):
        raise NoRoomError

    monkeypatch.setattr(request_buffering.BodyNotes, "_spill", spill)
    with serving(SLOW.replace("KEYS", "request_buffering = true")) as worker:
        client = worker.ask("POST /x\nTransfer-Encoding: chunked", b"a" * 6, last=False)
        assert client.status == 503
        if not client.ended:
            client.send(b"a", last=True)
        worker.wait(200)
        assert client.status == 503 and not worker.pool().attempts
