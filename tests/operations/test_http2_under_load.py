"""What operators do while clients of HTTP/2 ask: no stream is lost, but those in a worker that is killed."""

import os
import signal
import threading

import pytest

from tests.certificates import authority
from tests.h2_load import h2_load
from tests.harness import Backend, Rsp, wait_until
from tests.operations.test_upgrade import Upgradable, is_gone
from tests.over_tls import not_over_tls
from tests.soak import short_and_long
from tests.tls_client import context

pytestmark = not_over_tls("its clients begin with HTTP/2")
CLIENTS, STREAMS = 4, 8


CLEAR = 'http2 = "prior-knowledge"'


def site(*backends, more="", listens=CLEAR):
    peers = ", ".join(f'"{backend.address}"' for backend in backends)
    return (
        f'listen "127.0.0.1:{{port}}" {{ {listens} }} access_log = "off" {more}\n'
        f'upstream "app" {{ {peers}, failures = {{ out = "100ms", longest = "200ms" }} }} route {{ to = "app" }}\n'
    )


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


@short_and_long("reloads", 4, 40)
def test_reloads_keep_connections(tmp_path, backend, reloads):
    with Rsp(tmp_path, site(backend), workers=2) as rsp, h2_load(rsp.port, CLIENTS, STREAMS) as load:
        for number in range(reloads):
            rsp.reload(site(backend, more=f"limits = {{ streams = {100 + number} }}"))
    assert load.failures == {}
    assert (load.connections, load.again) == (CLIENTS, 0)


@pytest.mark.soak
@short_and_long("upgrades", 2, 10)
def test_upgrades_lose_no_stream(tmp_path, backend, upgrades):
    """Nor a handshake that has begun."""
    authority().issue("site.example").write(tmp_path, "site")
    more = 'timeouts = { shutdown = 10 } certificate { "site.bundle.pem" }'
    with Upgradable(tmp_path, site(backend, more=more, listens="tls = true")) as rsp:
        with h2_load(rsp.port, CLIENTS, STREAMS, tls=context(alpn=("h2",))) as load:
            old = [rsp.upgrade() for _ in range(upgrades)]
            wait_until(lambda: all(is_gone(pid) for pid in old), "the old masters to leave")
    assert load.failures == {}
    assert load.connections > CLIENTS


@pytest.mark.soak
def test_fewer_workers_lose_no_stream(tmp_path, backend):
    with Rsp(tmp_path, site(backend, more="workers = 3"), workers=None) as rsp:
        with h2_load(rsp.port, CLIENTS, STREAMS) as load:
            rsp.reload(site(backend, more="workers = 1"))
            wait_until(lambda: len(rsp.workers()) == 1, "one worker")
    assert load.failures == {}


@short_and_long("kills", 2, 10)
def test_a_killed_worker_takes_its_own_streams_alone(tmp_path, backend, kills):
    with Rsp(tmp_path, site(backend), workers=2) as rsp, h2_load(rsp.port, CLIENTS, STREAMS) as load:
        for _ in range(kills):
            slot, pid = next(iter(rsp.workers().items()))
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda slot=slot, pid=pid: rsp.workers().get(slot, pid) != pid, "another one")
    lost = sum(load.failures.values())
    assert lost <= kills * CLIENTS * STREAMS
    assert all(kind.endswith("closed True") for kind in load.failures), load.failures


@pytest.mark.soak
@short_and_long("times", 3, 30)
def test_a_peer_that_flaps_costs_no_stream(tmp_path, backend, times):
    """The other one answers what the first one did not."""
    flapping = Backend(name="flapping")
    port = flapping.port
    with Rsp(tmp_path, site(backend, flapping), workers=2) as rsp, h2_load(rsp.port, CLIENTS, STREAMS) as load:
        for _ in range(times):
            flapping.close()
            good = load.good
            wait_until(lambda good=good: load.good > good + 100, "answers without it")
            flapping = Backend(name="flapping", port=port)
            wait_until(lambda peer=flapping: peer.heads, "a request to it")
    flapping.close()
    assert load.failures == {}
    assert threading.active_count() < 200
