"""Every case of h2spec, played by a client of our own: where rsp answers by itself, and before a peer."""

import pytest

from tests.h2_client import Client
from tests.harness import Backend, Rsp
from tests.interop.h2_expect import handshake, play
from tests.interop.h2spec import CASES

LISTEN = 'listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }\n'
ANSWER = 'route { respond = { status = 200, body = "five and more" } }'


@pytest.fixture(scope="module", params=["fixed", "peer"])
def server(request, tmp_path_factory):
    with Backend(name="five and more") as backend:
        text = f'{LISTEN} upstream "app" {{ "{backend.address}" }}'
        text += 'route { to = "app" }' if request.param == "peer" else ANSWER
        with Rsp(tmp_path_factory.mktemp(request.param), text) as rsp:
            yield rsp
            assert rsp.stop() == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.title}")
def test_h2spec(server, case):
    with Client(server.port, begins=not case.bare, credits=False) as client:
        if not case.bare:
            handshake(client)
        play(client, case.steps)
