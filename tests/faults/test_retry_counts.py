"""The counter ``retries``: requests that another peer was asked for, not tries that came to nothing."""

import pytest

from tests.harness import Backend, Rsp, get, proxy_to, wait_until


def counted(rsp, requests):
    """Retries in all, once ``requests`` have been counted."""
    wait_until(lambda: rsp.admin("/status")["totals"]["requests"] >= requests, "the counts")
    return rsp.admin("/status")["totals"]["retries"]


@pytest.mark.parametrize("dead", [1, 2, 3])
def test_only_what_another_peer_is_asked_for_is_a_retry(tmp_path, dead):
    with Rsp(tmp_path, proxy_to(*(f"127.0.0.1:{port}" for port in range(1, dead + 1)))) as rsp:
        requests = 2  # too few for an ejection
        for _ in range(requests):
            assert get(rsp.port).startswith(b"HTTP/1.1 502")
        assert counted(rsp, requests) == requests * (dead - 1)
        assert sum(peer["retries"] for peer in rsp.peers().values()) == requests * (dead - 1)
        assert sum(peer["failures"] for peer in rsp.peers().values()) == requests * dead


def test_a_retry_is_counted_at_the_peer_that_failed(tmp_path):
    with Backend() as alive, Rsp(tmp_path, proxy_to("127.0.0.1:1", alive.address)) as rsp:
        for _ in range(4):
            assert get(rsp.port).startswith(b"HTTP/1.1 200")
        assert counted(rsp, 4) == 2
        assert {name: peer["retries"] for name, peer in rsp.peers().items()} == {"127.0.0.1:1": 2, alive.address: 0}
