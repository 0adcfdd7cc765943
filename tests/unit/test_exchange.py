"""An exchange alone, between a client and peers that each test plays by hand: routing, answers, bodies, tunnels, ends.

What becomes of requests that fail is in ``test_exchange_peers.py``, filters are in ``test_exchange_filters.py``.  Every
test ends with the check that all exchanges are counted and logged once, and hold nothing.
"""

import gc

import pytest

from rsp.ipc.worker_cells import BYTES_SENT, STATUS_2XX, STATUS_4XX
from tests.unit.fakes import serving

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app" }\n'
NOWHERE = 'upstream "app" { "127.0.0.1:2" }\nroute { path = "/a", to = "app" }\n'
UPLOAD = "POST /x\nContent-Length: 6"
CHUNKED = "POST /x\nTransfer-Encoding: chunked"
UPGRADE = "GET /x\nConnection: upgrade\nUpgrade: echo"


# -- a request and its response


def test_a_request_and_its_response():
    with serving(APP) as worker:
        client = worker.ask("GET /x?y\nA: b")
        peer = worker.accept()
        assert (peer.method, peer.target, peer.host, peer.body) == (b"GET", b"/x?y", b"t", b"")
        assert b"A: b" in peer.lines and b"X-Forwarded-For: 192.0.2.1" in peer.lines
        assert peer.request_id
        peer.answer(200, b"hello", b"C: d\r\n")
        assert (client.status, client.lines, client.body, client.trailers) == (200, [b"C: d"], b"hello", [])
        assert client.ended == "kept"
        assert not client.own
        assert worker.count(STATUS_2XX) == 1 and worker.count(BYTES_SENT) == 5
        (line,) = worker.log.lines
        assert line.startswith("192.0.2.1 - - [") and '"GET /x?y HTTP/1.1" 200 5' in line
        assert f"upstream=127.0.0.1:2 time=0.000 upstream_time=0.000 id={peer.request_id.decode()}" in line


def test_the_next_request_takes_the_idle_connection():
    with serving(APP) as worker:
        session = worker.session()
        for _ in range(3):
            client = worker.ask(session=session)
            peer = worker.accept() if worker.pool().attempts else worker.pool().stream
            assert peer.connection.old == (len(worker.clients) > 1)
            peer.answer()
            assert client.ended == "kept"
        assert len(worker.pool().idle) == 1


def test_a_response_in_pieces_with_trailers():
    with serving(APP) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        peer.send(b"b", b"c")
        peer.send(last=True, trailers=(b"T: u",))
        assert (client.body, client.trailers, client.ended) == (b"abc", [b"T: u"], "kept")


def test_request_body_goes_on_as_it_comes():
    with serving(APP) as worker:
        client = worker.ask(CHUNKED, b"ab", last=False)
        client.send(b"c")
        peer = worker.accept()
        assert peer.body == b"abc" and peer.trailers is None
        client.send(b"d")
        assert peer.body == b"abcd"
        client.send(last=True, trailers=(b"T: u",))
        assert peer.trailers == [b"T: u"]
        peer.answer(201)
        assert (client.status, client.ended) == (201, "kept")


def test_times_of_the_log():
    with serving(APP) as worker:
        worker.ask()
        worker.wait(1)
        peer = worker.accept()
        worker.wait(2)
        peer.begin()
        worker.wait(1)
        peer.send(last=True)
        assert "time=4.000 upstream_time=4.000" in worker.log.lines[0]


def test_interim_responses():
    with serving(APP) as worker:
        client = worker.ask(CHUNKED, last=False)
        peer = worker.accept()
        peer.interim(100)
        peer.interim(103)
        client.send(b"x", last=True)
        peer.answer()
        assert client.interims == [100, 103] and client.status == 200


@pytest.mark.parametrize("value", ["keep", "make", "off"])
def test_request_ids(value):
    with serving(f'request_id = "{value}"\n' + APP) as worker:
        worker.ask("GET /x\nX-Request-Id: mine")
        peer = worker.accept()
        given = peer.request_id
        peer.answer()
        assert {"keep": given == b"mine", "make": given not in (b"", b"mine"), "off": given == b"mine"}[value]
        worker.ask("GET /x")
        peer = worker.pool().stream
        assert bool(peer.request_id) == (value != "off")
        peer.answer()


def test_via_tells_the_version_of_each_side():
    with serving('via = "edge"\n' + APP) as worker:
        client = worker.ask(b"GET /x HTTP/1.0\r\nHost: t\r\n\r\n")
        peer = worker.accept()
        assert b"Via: 1.0 edge" in peer.lines
        peer.answer(200, b"", b"A: b\r\n", minor=1)
        assert client.lines == [b"A: b", b"Via: 1.1 edge"]


def test_http_1_0_without_a_host_gets_the_address_that_it_came_to():
    with serving(APP) as worker:
        worker.ask(b"GET /x HTTP/1.0\r\n\r\n")
        peer = worker.accept()
        assert peer.host == b"127.0.0.1:1" and b"X-Forwarded-Host: 127.0.0.1:1" in peer.lines
        peer.answer()


def test_a_trusted_proxy_tells_who_the_client_is():
    with serving('trusted = { "192.0.2.1" }\n' + APP) as worker:
        worker.ask("GET /x\nX-Forwarded-For: 198.51.100.7")
        peer = worker.accept()
        assert b"X-Forwarded-For: 198.51.100.7, 192.0.2.1" in peer.lines
        peer.answer()
        assert worker.log.lines[0].startswith("198.51.100.7 ")


def test_rules_for_fields_and_trailers():
    text = """upstream "app" { "127.0.0.1:2" }
    route { path = "/a/", to = "app", strip = true, send_host = "inside",
      request_headers = { remove = { "A" }, set = { ["X-Client"] = "{client}" } },
      response_headers = { remove = { "B" }, add = { C = "{request_id}" } } }"""
    with serving(text) as worker:
        client = worker.ask("POST /a/x?y\nA: 1\nTransfer-Encoding: chunked", b"b", last=False)
        peer = worker.accept()
        assert (peer.target, peer.host) == (b"/x?y", b"inside")
        assert b"X-Client: 192.0.2.1" in peer.lines and b"A: 1" not in peer.lines
        client.send(last=True, trailers=(b"A: 1", b"D: 2"))
        assert peer.trailers == [b"D: 2"]
        peer.begin(200, [], b"B: 1\r\n")
        peer.send(last=True, trailers=(b"B: 1", b"E: 2"))
        assert client.lines == [b"C: " + peer.request_id] and client.trailers == [b"E: 2"]


def test_a_sticky_cookie_is_set_once():
    with serving('upstream "app" { "127.0.0.1:2", "127.0.0.1:3", sticky = true }\nroute { to = "app" }') as worker:
        client = worker.ask()
        first = worker.asked()
        first.accept().answer()
        (line,) = client.lines
        assert line.startswith(b"Set-Cookie: rsp_peer=")
        cookie = line.split(b" ")[1].rstrip(b";").decode()
        for _ in range(3):
            client = worker.ask(f"GET /x\nCookie: {cookie}")
            assert worker.asked() is first
            first.stream.answer()
            assert client.lines == []


# -- answers of rsp's own


def test_fixed_answers_and_redirects():
    text = """upstream "app" { "127.0.0.1:2" }
    route { path = "/fixed", respond = { status = 410, body = "gone", headers = { A = "{authority}" } } }
    route { path = "/moved", redirect = { to = "https://{host}{path}", status = 308 } }"""
    with serving(text) as worker:
        client = worker.ask("GET /fixed/x")
        assert (client.status, client.body, client.own, client.ended) == (410, b"gone", True, "kept")
        assert b"A: t" in client.lines and b"Server: rsp" in client.lines
        client = worker.ask("GET /moved?x=y")
        assert client.status == 308 and b"Location: https://t/moved?x=y" in client.lines
        assert worker.ask("HEAD /fixed").body == b""
        assert worker.statuses == [410, 308, 410]
        assert "upstream=- time=0.000 upstream_time=0.000" in worker.log.lines[0]


def test_no_route_and_an_ambiguous_path():
    with serving(NOWHERE) as worker:
        assert worker.ask("GET /b").status == 404
        client = worker.ask("GET /%61/x")
        assert client.status == 400 and b"ambiguous path" in client.body
        assert worker.ask("GET /b\nAccept: application/json").body.startswith(b"{")
        assert worker.count(STATUS_4XX) == 3


@pytest.mark.parametrize("own", ["true", "false"])
def test_rules_for_answers_of_rsp_itself(own):
    text = f"""response_headers = {{ set = {{ A = "1" }}, own = {own} }}
    upstream "app" {{ "127.0.0.1:2" }}
    route {{ path = "/a", respond = {{ status = 200 }}, response_headers = {{ set = {{ B = "2" }} }} }}"""
    with serving(text) as worker:
        assert (b"A: 1" in worker.ask("GET /nowhere").lines) == (own == "true")
        lines = worker.ask("GET /a").lines
        assert b"B: 2" in lines and (b"A: 1" in lines) == (own == "true")


def test_error_pages_name_the_request():
    with serving('request_id = "off"\npage { status = 404, body = "{status} {request_id}" }\n' + NOWHERE) as worker:
        client = worker.ask()
        given = client.body.removeprefix(b"404 ")
        assert given and b"X-Request-Id: " + given in client.lines
        assert f"id={given.decode()}" in worker.log.lines[0]


def test_a_body_that_is_too_long():
    with serving("limits = { body = 5 }\n" + APP) as worker:
        client = worker.ask(UPLOAD, last=False)
        assert (client.status, client.ended) == (413, "closed")
        assert not worker.pool().attempts


@pytest.mark.parametrize("connected", [False, True])
def test_a_body_that_becomes_too_long(connected):
    with serving("limits = { body = 5 }\n" + APP) as worker:
        client = worker.ask(CHUNKED, b"abc", last=False)
        peer = worker.accept() if connected else None
        client.send(b"def")
        assert (client.status, client.ended) == (413, "closed")
        assert peer is None or peer.aborted


def test_a_body_that_becomes_too_long_with_its_end_costs_the_connection():
    with serving("limits = { body = 5 }\n" + APP) as worker:
        client = worker.ask(CHUNKED, last=False)
        client.send(b"abcdef", last=True)
        assert (client.status, client.ended, client.request_done) == (413, "closed", True)


def test_a_body_that_becomes_too_long_in_the_middle_of_a_response():
    with serving("limits = { body = 5 }\n" + APP) as worker:
        client = worker.ask(CHUNKED, b"abc", last=False)
        peer = worker.accept()
        peer.begin(200, [b"x"])
        client.send(b"def")
        assert (client.status, client.ended) == (200, "reset") and peer.aborted


# -- early answers


def test_a_peer_that_answers_before_it_has_the_whole_request():
    with serving(APP) as worker:
        client = worker.ask(UPLOAD, b"abc", last=False)
        peer = worker.accept()
        peer.answer(413, b"no")
        assert (client.status, client.body, client.ended) == (413, b"no", "closed")
        assert peer.connection.closed and not worker.pool().idle


def test_a_response_that_begins_before_the_request_is_complete():
    with serving(APP) as worker:
        client = worker.ask(CHUNKED, b"a", last=False)
        peer = worker.accept()
        peer.begin(200, [b"A"])
        for piece in (b"b", b"c"):
            client.send(piece)
            peer.send(piece.upper())
        client.send(last=True)
        peer.send(last=True)
        assert (peer.body, client.body, client.ended) == (b"abc", b"ABC", "closed")


# -- backpressure


def test_a_client_that_takes_no_more_pauses_the_peer():
    with serving(APP) as worker:
        client = worker.ask()
        peer = worker.accept()
        client.clogged = True
        peer.begin(200, [b"a"])
        assert peer.paused
        client.drain()
        assert not peer.paused
        client.fill()
        client.fill()
        assert peer.paused
        client.drain()
        client.drain()
        assert not peer.paused
        peer.send(b"b", last=True)
        assert client.ended == "kept"


def test_a_peer_that_takes_no_more_pauses_the_client():
    with serving(APP) as worker:
        client = worker.ask(CHUNKED, b"a", last=False)
        peer = worker.accept()
        peer.clogged = True
        client.send(b"b")
        assert client.paused
        peer.drain()
        assert not client.paused
        client.send(b"c", last=True)
        peer.answer()
        assert peer.body == b"abc"


def test_the_request_waits_for_a_connection_up_to_the_buffer():
    with serving("limits = { buffer = 4 }\n" + APP) as worker:
        client = worker.ask(CHUNKED, b"abcd", last=False)
        assert not client.paused
        client.send(b"e")
        assert client.paused
        peer = worker.accept()
        assert peer.body == b"abcde" and not client.paused
        client.send(last=True)
        peer.answer()


def test_a_peer_that_is_full_at_once_leaves_the_client_paused():
    with serving("limits = { buffer = 4 }\n" + APP) as worker:
        client = worker.ask(CHUNKED, b"abcde", last=False)
        assert client.paused
        pool = worker.pool()
        pool.clogged = True
        peer = worker.accept()
        assert client.paused
        peer.drain()
        assert not client.paused
        client.send(last=True)
        peer.answer()


# -- tunnels


def tunnel(worker):
    client = worker.ask(UPGRADE)
    peer = worker.accept()
    peer.switch(b"first")
    assert client.status == 101 and client.raw == b"first"
    return client, peer


@pytest.mark.parametrize("first", ["client", "peer"])
def test_a_tunnel_ends_when_both_sides_have_ended(first):
    with serving(APP) as worker:
        client, peer = tunnel(worker)
        client.send_up(b"up")
        peer.send_down(b" down")
        assert (peer.raw, client.raw) == (b"up", b"first down")
        ends = [lambda: client.send_up(b""), lambda: peer.send_down(b"")]
        ends[first != "client"]()
        assert not client.ended and not peer.over
        ends[first == "client"]()
        assert client.ended == "closed" and peer.over and not peer.aborted
        assert peer.raw_ended and client.raw_ended
        assert worker.statuses == [101] and worker.count(BYTES_SENT) == 10


def test_a_peer_that_is_lost_ends_the_tunnel():
    with serving(APP) as worker:
        client, peer = tunnel(worker)
        peer.fail()
        assert client.ended == "closed" and worker.statuses == [101]


def test_a_client_that_is_lost_ends_the_tunnel():
    with serving(APP) as worker:
        client, peer = tunnel(worker)
        client.go()
        assert peer.aborted and worker.statuses == [101]


def test_backpressure_in_a_tunnel():
    with serving(APP) as worker:
        client, peer = tunnel(worker)
        client.clogged = peer.clogged = True
        client.send_up(b"a")
        peer.send_down(b"b")
        assert client.paused and peer.paused
        peer.drain()
        client.drain()
        assert not client.paused and not peer.paused
        client.go()


def test_an_upgrade_that_nothing_asked_for():
    with serving(APP) as worker:
        client = worker.ask("POST /x")
        peer = worker.accept()
        peer.switch()
        assert peer.aborted and (client.status, client.ended) == (502, "kept")


def test_the_deadline_of_a_request_does_not_end_a_tunnel():
    with serving('timeouts = { request = "5s" }\n' + APP) as worker:
        client, _ = tunnel(worker)
        worker.wait(10)
        assert not client.ended
        client.go()


# -- ends


@pytest.mark.parametrize("how", ["go", "leave"])
@pytest.mark.parametrize("when", ["connecting", "sent", "begun", "body"])
def test_a_client_that_is_gone(how, when):
    with serving(APP) as worker:
        client = worker.ask(CHUNKED if when == "body" else "GET /x", last=False)
        peer = worker.accept() if when != "connecting" else None
        if when == "begun":
            peer.begin(200, [b"a"])
        if when == "body":
            client.send(b"a")
        getattr(client, how)()
        assert peer is None or peer.aborted
        assert worker.statuses == [200 if when == "begun" and how == "go" else 499]
        if peer is None:
            assert worker.accept() is None  # and the connection is given up


def test_a_client_that_is_gone_before_its_request_starts():
    with serving(APP) as worker:
        worker.hear(CHUNKED).go()
        assert worker.statuses == [499]


@pytest.mark.parametrize("when", ["early", "connecting", "sent"])
def test_a_request_that_breaks_off_is_answered(when):
    with serving('response_headers = { set = { A = "1" } }\n' + APP) as worker:
        client = worker.hear(CHUNKED) if when == "early" else worker.ask(CHUNKED, last=False)
        peer = worker.accept() if when == "sent" else None
        client.fail(400, "bad chunk")
        assert client.status == 400 and b"bad chunk" in client.body and b"A: 1" in client.lines
        assert peer is None or peer.aborted
        assert worker.statuses == [400] and worker.count(BYTES_SENT) == len(client.body)


def test_a_request_that_breaks_off_in_the_middle_of_its_response():
    with serving(APP) as worker:
        client = worker.ask(CHUNKED, last=False)
        peer = worker.accept()
        peer.begin(200, [b"a"])
        client.fail()
        assert peer.aborted and client.body == b"a" and worker.statuses == [200]


@pytest.mark.parametrize("when", ["connecting", "sent", "begun"])
def test_the_deadline_of_the_whole_request(when):
    with serving('timeouts = { request = "5s" }\n' + APP) as worker:
        client = worker.ask()
        worker.wait(4)
        peer = worker.accept() if when != "connecting" else None
        if when == "begun":
            peer.begin(200, [b"a"])
        assert not client.ended
        worker.wait(3)
        assert (client.status, client.ended) == ((200, "reset") if when == "begun" else (504, "kept"))
        assert peer is None or peer.aborted


def test_an_exchange_ends_on_the_configuration_that_it_began_with():
    with serving('response_headers = { set = { A = "1" } }\n' + APP) as worker:
        session = worker.session()
        client = worker.ask(session=session)
        worker.use('response_headers = { set = { A = "2" } }\n' + APP)
        assert len(worker.service.former) == 1
        worker.accept().answer()
        assert client.lines == [b"A: 1"]
        worker.service.renew(session)
        gc.collect()
        assert not worker.service.former
        client = worker.ask(session=session)
        worker.pool().stream.answer()
        assert client.lines == [b"A: 2"]
