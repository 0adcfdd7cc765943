"""Backends that fail, each in its way: as long as one peer is alive, idempotent requests see no failure."""

import os
import socket
import threading
import time

import pytest

from tests.faults.lab import GET, RESET, Lab, load, under_load, without_descriptors
from tests.harness import Rsp, exchange, get, wait_until
from tests.soak import short_and_long


@pytest.fixture
def lab(request):
    with Lab(over_tls=getattr(request, "param", "plain") == "tls") as one:
        yield one


plain_and_tls = pytest.mark.parametrize("lab", ["plain", pytest.param("tls", marks=pytest.mark.soak)], indirect=True)


def vanish(client):
    """Reset: after a mere close it might still want its answer."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def is_out(rsp, address):
    return rsp.state(address) in ("ejected", "probing")


@plain_and_tls
@pytest.mark.parametrize("fault", ["refuse", "reset", "half_head", "garbage"])
def test_a_peer_that_fails_is_out_at_once_and_back_when_it_is_well(tmp_path, lab, fault):
    bad = lab.backends[0]
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        load(rsp.port, 8, requests=100)
        with under_load(rsp.port, 16) as count:
            if fault == "refuse":
                lab.kill(bad)
            else:
                bad.fault = fault
            wait_until(lambda: is_out(rsp, bad.address), "the peer to be out")
            time.sleep(1.5)  # half-open at least once
            seen = bad.requests
            before = count.sent
            wait_until(lambda: rsp.peers()[bad.address]["ejections"] >= 2, "a failed probe")
            assert bad.requests - seen <= 4, "probes are single requests"
            if fault == "refuse":
                lab.start(bad)
            bad.fault = "ok"
            wait_until(lambda: rsp.state(bad.address) == "up", "the peer to be back")
        assert count.failed == 0, (count.statuses, count.broken[:3])
        assert count.sent > before
        log = rsp.log
        assert f'upstream "app": peer {bad.address} is ejected for 1 s: ' in log
        assert "(3 failures in a row)" in log
        assert f'upstream "app": peer {bad.address} is back' in log


@plain_and_tls
def test_a_peer_that_hangs_is_out_after_its_timeouts(tmp_path, lab):
    bad = lab.backends[0]
    bad.fault = "hang"
    with Rsp(tmp_path, lab.site(extra='timeouts = { response = "1s" }'), workers=2) as rsp:
        with under_load(rsp.port, 16) as count:
            wait_until(lambda: is_out(rsp, bad.address), "the peer to be out")
        assert count.failed == 0, (count.statuses, count.broken[:3])
        assert rsp.admin("/status")["totals"]["retries"] >= 3


def test_a_peer_that_trickles_its_head_is_out(tmp_path, lab):
    bad = lab.backends[0]
    bad.fault = "slow"
    with Rsp(tmp_path, lab.site(extra='timeouts = { response = "1s" }'), workers=1) as rsp:
        with under_load(rsp.port, 8) as count:
            wait_until(lambda: is_out(rsp, bad.address), "the peer to be out")
        assert count.failed == 0, (count.statuses, count.broken[:3])


@plain_and_tls
def test_half_a_body_cannot_be_taken_back_but_counts(tmp_path, lab):
    bad = lab.backends[0]
    bad.fault = "half_body"
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        count = load(rsp.port, 4, requests=500)
        assert is_out(rsp, bad.address)
        # Three in a row put it out; of the requests that ran there at that moment, no more than one a connection.
        assert 3 <= count.failed <= 8
        assert set(count.statuses) == {200}
        assert sorted(count.bodies) == [b"b1", b"b2"]
        wait_until(lambda: rsp.admin("/status")["now"]["in_flight"] == 0, "the exchanges to have ended, once each")


def test_a_backend_without_descriptors(tmp_path, lab):
    """It accepts some connections, then none; the kernel still completes them."""
    with without_descriptors() as address:
        peers = ", ".join(f'"{one}"' for one in (address, *(one.address for one in lab.backends)))
        text = lab.site("policy = 'least_conn'", peers=peers, extra='timeouts = { response = "1s" }')
        with Rsp(tmp_path, text, workers=2) as rsp:
            with under_load(rsp.port, 64) as count:
                wait_until(lambda: rsp.peers()[address]["ejections"] > 0, "the peer to be out")
            assert count.failed == 0, (count.statuses, count.broken[:3])


@plain_and_tls
@short_and_long("times", 2, 30)
def test_the_proof_one_of_three_killed_and_restarted_every_two_seconds(tmp_path, lab, times):
    """Under 64 connections of GETs no request fails."""
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        victim = lab.backends[1]
        with under_load(rsp.port, 64) as count:
            for _ in range(times):
                lab.kill(victim)
                time.sleep(2)
                lab.start(victim)
                time.sleep(2)
            asked = victim.requests
            # It may be out for as long as 60 s, when its last tries fell into the times in which it was dead.
            wait_until(lambda: victim.requests > asked + 100, "it to be back", 90)
        assert count.failed == 0, (count.statuses, count.broken[:3])
        assert count.sent > 500 * times


@pytest.mark.soak
def test_all_killed_in_turns(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        with under_load(rsp.port, 16) as count:
            for victim in lab.backends * 2:
                lab.kill(victim)
                wait_until(lambda: is_out(rsp, victim.address), "the peer to be out")  # noqa: B023
                lab.start(victim)
                wait_until(lambda: rsp.state(victim.address) == "up", "the peer to be back")  # noqa: B023
        assert count.failed == 0, (count.statuses, count.broken[:3])


def test_two_of_three_dead(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        with under_load(rsp.port, 16) as count:
            lab.kill(lab.backends[0])
            lab.kill(lab.backends[1])
            wait_until(lambda: all(is_out(rsp, one.address) for one in lab.backends[:2]), "both to be out")
        assert count.failed == 0, (count.statuses, count.broken[:3])


def test_the_last_peer_is_never_ejected(tmp_path):
    with Lab(1) as lab, Rsp(tmp_path, lab.site(), workers=2) as rsp:
        lab.backends[0].fault = "reset"
        count = load(rsp.port, 4, requests=50)
        assert count.statuses == {502: 50}
        assert rsp.state(lab.backends[0].address) == "up"
        lab.backends[0].fault = "ok"
        assert load(rsp.port, 4, requests=50).failed == 0


def test_a_share_may_stay_in(tmp_path, lab):
    with Rsp(tmp_path, lab.site("failures = { share = 0.34 }"), workers=1) as rsp:
        lab.kill(lab.backends[0])
        lab.kill(lab.backends[1])
        count = load(rsp.port, 4, requests=300)
        assert count.failed == 0
        assert sum(is_out(rsp, one.address) for one in lab.backends) == 1


def test_failures_may_not_count(tmp_path, lab):
    with Rsp(tmp_path, lab.site("failures = { count = 0 }"), workers=1) as rsp:
        lab.kill(lab.backends[0])
        assert load(rsp.port, 4, requests=300).failed == 0
        assert rsp.state(lab.backends[0].address) == "up"
        assert rsp.peers()[lab.backends[0].address]["failures"] >= 90, (rsp.peers(), rsp.log)


def test_when_all_are_gone_it_says_so_and_recovers_at_once(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        for backend in lab.backends:
            lab.kill(backend)
        count = load(rsp.port, 4, requests=60)
        assert count.statuses == {502: 60}
        for backend in lab.backends:
            lab.start(backend)
        wait_until(lambda: load(rsp.port, 1, requests=1).failed == 0, "an answer", 5)
        wait_until(
            lambda: (
                load(rsp.port, 4, requests=20).failed == 0 and all(one["state"] == "up" for one in rsp.peers().values())
            ),
            "all to be back",
        )


# -- what may be sent twice


def request(method, body=b"", extra=b""):
    return b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b" % (method, len(body), extra, body)


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_kept_for_another_try(tmp_path, lab, chunked):
    for backend in lab.backends:
        backend.keep = True
    lab.backends[0].fault = lab.backends[1].fault = "reset"
    body = os.urandom(30_000)
    put = request(b"PUT", body)
    if chunked:
        put = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        put += b"".join(b"2710\r\n%b\r\n" % body[at : at + 10_000] for at in range(0, 30_000, 10_000)) + b"0\r\n\r\n"
    with Rsp(tmp_path, lab.site("failures = { count = 0 }"), workers=1) as rsp:
        assert load(rsp.port, 2, requests=20, request=put).failed == 0
    assert lab.backends[2].bodies == [body] * 20
    assert lab.backends[0].bodies.count(body) >= 5


def test_a_body_beyond_the_limit_is_not_kept(tmp_path, lab):
    lab.backends[0].fault = lab.backends[1].fault = "reset"
    with Rsp(tmp_path, lab.site('failures = { count = 0 }, retry = { body = "10KB" }'), workers=1) as rsp:
        count = load(rsp.port, 1, requests=12, request=request(b"PUT", bytes(10_241)))
        assert count.statuses == {200: 4, 502: 8}
        assert load(rsp.port, 1, requests=12, request=request(b"PUT", bytes(10_240))).failed == 0


@plain_and_tls
def test_a_post_is_never_sent_twice(tmp_path, lab):
    for backend in lab.backends:
        backend.keep = True
    lab.backends[0].fault = "reset"
    lab.kill(lab.backends[1])
    with Rsp(tmp_path, lab.site("failures = { count = 0 }"), workers=1) as rsp:
        posts = iter(range(10**9))
        count = load(rsp.port, 1, requests=30, request=lambda: request(b"POST", b"%d" % next(posts)))
    seen = [body for backend in lab.backends for body in backend.bodies]
    assert len(seen) == len(set(seen)) == 30
    assert count.statuses[200] == len(lab.backends[2].bodies)
    assert count.statuses[502] == len(lab.backends[0].bodies) >= 10  # it may have acted on them


def test_a_delete_is_idempotent_a_patch_is_not(tmp_path, lab):
    lab.backends[0].fault = lab.backends[1].fault = "reset"
    with Rsp(tmp_path, lab.site("failures = { count = 0 }"), workers=1) as rsp:
        assert load(rsp.port, 1, requests=12, request=request(b"DELETE")).failed == 0
        assert load(rsp.port, 1, requests=12, request=request(b"PATCH")).failed == 8


def test_statuses_that_another_peer_may_do_better_than(tmp_path, lab):
    lab.backends[0].fault = "busy"
    with Rsp(tmp_path, lab.site("retry = { on = { 502, 503 } }"), workers=2) as rsp:
        count = load(rsp.port, 8, requests=300)
        assert count.failed == 0
        assert is_out(rsp, lab.backends[0].address)
        assert count.bodies[b"oops"] == 0
        for backend in lab.backends:
            backend.fault = "busy"
        assert load(rsp.port, 1, requests=5).statuses == {503: 5}  # the answer itself, when nobody does better
        assert exchange(rsp.port, request(b"POST", extra=b"Connection: close\r\n")).endswith(b"oops")


def test_an_error_is_the_backends_answer_by_default(tmp_path, lab):
    lab.backends[0].fault = "busy"
    with Rsp(tmp_path, lab.site(), workers=1) as rsp:
        assert load(rsp.port, 1, requests=30).statuses == {200: 20, 503: 10}
        assert rsp.state(lab.backends[0].address) == "up"
        assert rsp.peers()[lab.backends[0].address]["errors"] == 10


def test_tries_are_limited(tmp_path, lab):
    lab.backends[0].fault = lab.backends[1].fault = "reset"
    with Rsp(tmp_path, lab.site("failures = { count = 0 }, retry = { tries = 2 }"), workers=1) as rsp:
        assert 1 <= load(rsp.port, 1, requests=12).failed <= 8
    assert not any(line.count(b",") > 1 for line in rsp.access_log.encode().splitlines())


def test_a_sick_upstream_is_not_stormed(tmp_path, lab):
    """Every request fails: no more than the budget is sent again."""
    for backend in lab.backends:
        backend.fault = "reset"
    with Rsp(tmp_path, lab.site("failures = { count = 0 }, retry = { budget = 0.1 }"), workers=1) as rsp:
        started = time.monotonic()
        count = load(rsp.port, 16, requests=3000)
        tens = 1 + (time.monotonic() - started) // 10
        assert count.statuses == {502: 3000}
        reached = sum(backend.requests for backend in lab.backends)
        # A tenth, and a hundred in ten seconds; stale connections do not exist here.
        assert reached <= 3000 * 1.1 + tens * 100 + 20


def test_no_retries_without_a_budget(tmp_path, lab):
    lab.backends[0].fault = "reset"
    with Rsp(tmp_path, lab.site("failures = { count = 0 }, retry = { budget = 0 }"), workers=1) as rsp:
        assert load(rsp.port, 1, requests=30).statuses == {200: 20, 502: 10}


# -- outliers


def test_a_peer_with_more_errors_than_its_siblings_is_out(tmp_path, lab):
    bad = lab.backends[2]
    bad.fault = "tenth"
    options = 'outliers = { errors = 0.06, interval = "3s", out = "2s", requests = 50 }'
    with Rsp(tmp_path, lab.site(options), workers=2) as rsp:
        with under_load(rsp.port, 16) as count:
            wait_until(lambda: rsp.state(bad.address) == "ejected", "the peer to be out")
            assert rsp.peers()[bad.address]["reason"] == "errors"
            seen = bad.requests
            time.sleep(0.5)
            assert bad.requests - seen <= 16
            bad.fault = "ok"
            wait_until(lambda: rsp.state(bad.address) == "up", "the peer to be back")
        assert set(count.statuses) <= {200, 500}
        assert "its error rate is" in rsp.log


def test_a_peer_much_slower_than_its_siblings_is_out(tmp_path, lab):
    slow = lab.backends[1]
    slow.delay = 0.3
    with Rsp(tmp_path, lab.site('outliers = { latency = 4, interval = "3s" }'), workers=2) as rsp:
        with under_load(rsp.port, 16, pause=0.01) as count:
            wait_until(lambda: rsp.state(slow.address) == "ejected", "the peer to be out")
            assert rsp.peers()[slow.address]["reason"] == "latency"
        assert count.failed == 0


def test_when_all_are_slow_or_sick_nobody_is_out(tmp_path, lab):
    for backend in lab.backends:
        backend.fault = "error"
    with Rsp(tmp_path, lab.site('outliers = { interval = "2s" }'), workers=1) as rsp:
        load(rsp.port, 4, seconds=4, pause=0.005)
        assert [one["state"] for one in rsp.peers().values()] == ["up"] * 3


# -- limits and the queue


@plain_and_tls
def test_no_peer_gets_more_than_it_may_over_all_workers(tmp_path, lab):
    for backend in lab.backends:
        backend.delay = 0.02
    with Rsp(tmp_path, lab.site("max_conns = 2"), workers=4) as rsp:
        count = load(rsp.port, 32, requests=1500)
        assert count.failed == 0, count.statuses
        assert [backend.most for backend in lab.backends] == [2, 2, 2]
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 0, "an empty queue")


def test_a_request_waits_so_long_and_no_longer(tmp_path):
    with Lab(1) as lab, Rsp(tmp_path, lab.site('max_conns = 1, queue = { timeout = "1s" }'), workers=1) as rsp:
        lab.backends[0].fault = "hang"
        holder = socket.create_connection(("127.0.0.1", rsp.port))
        holder.sendall(GET)
        wait_until(lambda: lab.backends[0].running, "the peer to be busy")
        started = time.monotonic()
        answer = get(rsp.port)
        assert answer.startswith(b"HTTP/1.1 503") and b"Retry-After" in answer
        assert b"no peer was available in time" in answer
        assert 0.99 < time.monotonic() - started < 20
        vanish(holder)
        wait_until(lambda: rsp.peers()[lab.backends[0].address]["in_flight"] == 0, "the peer to be free")
        lab.backends[0].fault = "ok"
        assert get(rsp.port).endswith(b"b0")


def test_a_queue_that_is_full(tmp_path):
    with Lab(1) as lab, Rsp(tmp_path, lab.site("max_conns = 1, queue = { size = 1 }"), workers=1) as rsp:
        lab.backends[0].fault = "hang"
        clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(2)]
        for client in clients:
            client.sendall(GET)
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "one to wait")
        answer = get(rsp.port)
        assert answer.startswith(b"HTTP/1.1 503") and b"too many requests in the queue" in answer
        for client in clients:  # who waits and leaves makes room
            vanish(client)
        wait_until(lambda: rsp.peers()[lab.backends[0].address]["in_flight"] == 0, "the peer to be free")
        lab.backends[0].fault = "ok"
        assert get(rsp.port).endswith(b"b0")


def test_those_who_wait_survive_a_reload(tmp_path):
    with Lab(1) as lab:
        text = lab.site('max_conns = 1, queue = { timeout = "20s" }')
        with Rsp(tmp_path, text, workers=1) as rsp:
            lab.backends[0].delay = 3.0
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(get(rsp.port))) for _ in range(2)]
            for thread in threads:
                thread.start()
            wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "one to wait")
            lab.backends[0].delay = 0.0
            rsp.reload()
            for thread in threads:
                thread.join()
            assert all(answer.endswith(b"b0") for answer in answers), answers


def test_connections_that_are_being_made_are_limited(tmp_path):
    """A peer whose queue of connections is full does not answer SYNs: the limit keeps the crowd away from it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    fillers = []
    for _ in range(4):  # until the kernel takes no more
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", listener.getsockname()[1]))
        fillers.append(filler)
    with Lab(1) as lab:
        peers = f'"{address}", "{lab.backends[0].address}"'
        text = lab.site(
            "max_connecting = 2, failures = { count = 0 }", peers=peers, extra='timeouts = { connect = "2s" }'
        )
        with Rsp(tmp_path, text, workers=2) as rsp:
            count = load(rsp.port, 16, requests=400)
            assert count.failed == 0, count.statuses
            assert rsp.peers()[address]["connecting"] <= 2
            assert count.quantile(0.9) < 2.0, "few wait for it until its time is up"
    listener.close()


# -- the pool


def test_connections_are_kept_within_bounds(tmp_path, lab):
    with Rsp(tmp_path, lab.site("keepalive = 2"), workers=1) as rsp:
        load(rsp.port, 16, requests=300)
        wait_until(lambda: all(one["idle"] == 2 for one in rsp.peers().values()), "few idle connections")


def test_connections_have_an_age(tmp_path):
    with Lab(1) as lab, Rsp(tmp_path, lab.site('keepalive_age = "1s"'), workers=1) as rsp:
        load(rsp.port, 1, seconds=5, pause=0.01)
        assert 2 <= lab.backends[0].connections <= 7


def test_connections_are_made_ahead_for_peers_with_traffic(tmp_path, lab):
    with Rsp(tmp_path, lab.site("warm = 4"), workers=1) as rsp:
        assert all(one["idle"] <= 1 for one in rsp.peers().values())
        load(rsp.port, 1, requests=3)
        wait_until(lambda: all(one["idle"] >= 4 for one in rsp.peers().values()), "warm connections")


# -- hedging


def test_a_late_answer_is_overtaken(tmp_path, lab):
    with Rsp(tmp_path, lab.site('hedge = { after = "50ms" }'), workers=1) as rsp:
        load(rsp.port, 2, requests=30)
        lab.backends[0].delay = 20.0
        count = load(rsp.port, 2, requests=60)
        assert count.failed == 0
        assert count.bodies[b"b0"] == 0
        assert max(count.seconds) < 10.0
        wait_until(lambda: rsp.admin("/status")["totals"]["hedges"] >= 15, "hedges to be counted")
        wait_until(lambda: all(one["in_flight"] == 0 for one in rsp.peers().values()), "the losers to be gone")


@plain_and_tls
def test_the_first_answer_counts_and_the_second_request_is_cancelled(tmp_path, lab):
    for backend in lab.backends:
        backend.delay = 0.15
    with Rsp(tmp_path, lab.site('hedge = { after = "50ms" }'), workers=2) as rsp:
        count = load(rsp.port, 8, requests=200)
        assert count.failed == 0
        assert sum(count.bodies.values()) == 200
        wait_until(lambda: all(one["in_flight"] == 0 for one in rsp.peers().values()), "the losers to be gone")


def test_the_delay_is_learnt(tmp_path, lab):
    with Rsp(tmp_path, lab.site("hedge = true"), workers=1) as rsp:
        load(rsp.port, 4, seconds=2.5, pause=0.005)
        lab.backends[0].delay = 10.0
        count = load(rsp.port, 4, requests=60, pause=0.005)
        assert count.failed == 0
        assert count.quantile(0.9) < 5.0


def test_a_post_is_not_hedged(tmp_path, lab):
    for backend in lab.backends:
        backend.delay = 0.2
    with Rsp(tmp_path, lab.site('hedge = { after = "20ms" }'), workers=1) as rsp:
        assert load(rsp.port, 4, requests=20, request=request(b"POST", b"x")).failed == 0
        assert sum(backend.requests for backend in lab.backends) == 20
        assert rsp.admin("/status")["totals"]["hedges"] == 0


@pytest.mark.parametrize("fault", ["reset", "busy", "hang"])
def test_hedges_and_failures_together(tmp_path, lab, fault):
    for backend in lab.backends:
        backend.delay = 0.05
    lab.backends[0].fault = fault
    options = 'hedge = { after = "20ms" }, failures = { count = 0 }, retry = { on = { 503 }, budget = 1 }'
    with Rsp(tmp_path, lab.site(options), workers=1) as rsp:
        count = load(rsp.port, 4, requests=120)
        assert count.failed == 0, (count.statuses, count.broken[:3])
        wait_until(lambda: all(one["in_flight"] == 0 for one in rsp.peers().values()), "nothing to be left")


def test_two_workers_share_a_queue_fairly(tmp_path):
    """One place at the only peer; what a worker frees it must not always take again itself."""
    with Lab(1) as lab:
        lab.backends[0].delay = 0.01
        with Rsp(tmp_path, lab.site('max_conns = 1, queue = { timeout = "30s" }'), workers=2) as rsp:
            began = time.monotonic()
            count = load(rsp.port, 24, requests=600)
            assert count.failed == 0, count.statuses
            assert lab.backends[0].most == 1
            # A fair wait is a twenty-fifth of it; the clients of a worker that gets nothing wait to the end.
            assert max(count.seconds) < 0.5 * (time.monotonic() - began)


def test_a_peer_is_tried_again_even_if_nothing_can_be_repeated(tmp_path, lab):
    bad = lab.backends[0]
    with Rsp(tmp_path, lab.site(), workers=1) as rsp:
        bad.fault = "reset"
        post = request(b"POST", b"x")
        with under_load(rsp.port, 4, request=post, pause=0.01) as count:
            wait_until(lambda: is_out(rsp, bad.address), "the peer to be out")
            bad.fault = "ok"
            wait_until(lambda: rsp.state(bad.address) == "up", "the peer to be back")
        assert count.failed <= 8, count.statuses


def test_a_client_that_waits_may_leave(tmp_path):
    with Lab(1) as lab, Rsp(tmp_path, lab.site("max_conns = 1"), workers=1) as rsp:
        lab.backends[0].fault = "hang"
        clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(3)]
        for client in clients:
            client.sendall(GET)
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 2, "two to wait")
        vanish(clients[1])
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "one to be left")
        for client in (clients[0], clients[2]):
            vanish(client)
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 0, "none to be left")
