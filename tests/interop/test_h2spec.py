"""Every case of h2spec, played by a client of our own: where rsp answers by itself, and before a peer."""

import pytest

from tests import tls_client
from tests.certificates import authority
from tests.h2_client import Client
from tests.harness import Backend, Rsp
from tests.interop.h2_expect import handshake, play
from tests.interop.h2spec import CASES

PRIOR = '{ http2 = "prior-knowledge" }'
LISTEN = f'listen "127.0.0.1:{{port}}" {PRIOR}\n'
ANSWER = 'route { respond = { status = 200, body = "five and more" } }'


@pytest.fixture(
    scope="module", params=["fixed", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("peer", "tls"))]
)
def server(request, tmp_path_factory):
    with Backend(name="five and more") as backend:
        directory = tmp_path_factory.mktemp(request.param)
        text = f'{LISTEN} upstream "app" {{ "{backend.address}" }}'
        text += ANSWER if request.param == "fixed" else 'route { to = "app" }'
        if request.param == "tls":
            authority().issue("site.example").write(directory, "site")
            text = 'certificate { "site.bundle.pem" }' + text.replace(PRIOR, "{ tls = true }")
        with Rsp(directory, text) as rsp:
            yield rsp, tls_client.context(alpn=("h2",)) if request.param == "tls" else None
            assert rsp.stop() == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.title}")
def test_h2spec(server, case):
    rsp, tls = server
    if tls is not None and case.bare:
        return  # ALPN has settled the version: see test_http2_listeners.py
    with Client(rsp.port, tls=tls, begins=not case.bare, credits=False) as client:
        if not case.bare:
            handshake(client)
        play(client, case.steps)
