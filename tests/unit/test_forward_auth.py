"""Forward authentication, an exchange alone: what the service is asked, and what each of its answers leads to.

Between real processes: ``tests/process/test_forward_auth.py``.
"""

import pytest

from rsp.exchange.filter import HOLD, PASS, Filter
from rsp.exchange.forward.journal import Journal
from rsp.net.watcher import Watcher
from tests.unit.fakes import put_first, serving

SITE = """
upstream "app" { "127.0.0.1:2" }
upstream "auth" { "127.0.0.1:9" }
route { path = "/x", to = "app", timeouts = { request = "9s" },
  auth = { forward = "auth", path = "/verify?a=b", copy = { "Remote-User", "X-Forwarded-Groups", "Authorization" } MORE } KEYS }
"""
FORWARD = SITE.replace("MORE", "").replace("KEYS", "")
BY_STATUS = SITE.replace("MORE", ', style = "auth_request"').replace("KEYS", "")
USER = b"Remote-User: ann\r\nSet-Cookie: s=1\r\nX-Other: no\r\n"


def lines(stream, *names: bytes) -> list[bytes]:
    return [line for line in stream.lines if line.partition(b":")[0].lower() in names]


def asked(worker):
    return worker.pool(0, "auth").accept()


@pytest.mark.parametrize("style", [FORWARD, BY_STATUS])
def test_a_request_that_is_let_through(style):
    with serving(style) as worker:
        client = worker.ask("GET /x/y?q=1\nRemote-User: root\nAuthorization: Basic abc\nCookie: c=d")
        service = asked(worker)
        assert (service.method, service.target, service.host) == (b"GET", b"/verify?a=b", b"t")
        assert lines(service, b"authorization", b"cookie") == [b"Authorization: Basic abc", b"Cookie: c=d"]
        assert not lines(service, b"remote-user")
        told = lines(
            service,
            b"x-forwarded-for",
            b"x-forwarded-proto",
            b"x-forwarded-host",
            b"x-forwarded-method",
            b"x-forwarded-uri",
        )
        assert told == [
            b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: t",
            b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /x/y?q=1",
        ]  # fmt: skip
        original = lines(service, b"x-original-method", b"x-original-uri", b"x-original-url")
        wanted = [b"X-Original-Method: GET", b"X-Original-URI: /x/y?q=1", b"X-Original-URL: http://t/x/y?q=1"]
        assert original == (wanted if style is BY_STATUS else [])
        assert not worker.pool().attempts and client.events.is_moot()
        service.answer(204, b"", USER)
        peer = worker.pool().accept()
        assert lines(peer, b"remote-user", b"authorization", b"x-other") == [b"Remote-User: ann"]
        peer.answer(200, b"yes", b"Set-Cookie: p=2\r\n")
        assert client.status == 200 and client.body == b"yes"
        assert lines(client, b"set-cookie") == [b"Set-Cookie: p=2", b"Set-Cookie: s=1"]


SPELLINGS = ["Remote-User", "remote-user", "REMOTE_USER", "Remote_User", "remote.user"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_client_cannot_say_who_it_is(name):
    with serving(FORWARD) as worker:
        client = worker.ask(f"POST /x\n{name}: root\nTransfer-Encoding: chunked\nTrailer: {name}", last=False)
        service = asked(worker)
        assert not [line for line in service.lines if line.endswith(b"root")]
        service.answer(200)
        peer = worker.pool().accept()
        assert not [line for line in peer.lines if line.endswith(b"root")]
        client.send(b"a", last=True, trailers=(f"{name}: root".encode(), b"X-Sum: 1"))
        assert peer.trailers == [b"X-Sum: 1"]
        peer.answer()


@pytest.mark.parametrize("status", [200, 299])
def test_what_a_field_that_is_told_of_clients_becomes(status):
    """X-Forwarded-Groups is dropped from clients anyway; from a trusted proxy it would pass."""
    with serving('trusted = { "192.0.2.0/24" }' + FORWARD) as worker:
        client = worker.ask(
            "GET /x\nX-Forwarded-Groups: root\nX_Forwarded_Groups: root\nX-Forwarded-Other: a\nX-Forwarded-Uri: /no"
        )
        service = asked(worker)
        assert lines(service, b"x-forwarded-uri") == [b"X-Forwarded-Uri: /x"]
        assert lines(service, b"x-forwarded-other") == [b"X-Forwarded-Other: a"]
        service.answer(status, b"", b"X-Forwarded-Groups: staff\r\nX-Forwarded-Groups: more\r\n")
        peer = worker.pool().accept()
        assert lines(peer, b"x-forwarded-groups", b"x_forwarded_groups") == [
            b"X-Forwarded-Groups: staff", b"X-Forwarded-Groups: more"
        ]  # fmt: skip
        peer.answer()
        assert client.status == 200


def test_what_is_not_asked():
    """Conditions and ranges are about what the peer has; an upgrade and a body are the peer's as well."""
    with serving(FORWARD) as worker:
        client = worker.ask(
            "POST /x\nIf-None-Match: *\nRange: bytes=0-1\nUpgrade: websocket\nConnection: upgrade\nContent-Length: 3"
            "\nExpect: 100-continue\nAccept: a/b",
            last=False,
        )
        service = asked(worker)
        names = {line.partition(b":")[0].lower() for line in service.lines}
        assert not names & {b"if-none-match", b"range", b"upgrade", b"connection", b"content-length", b"expect"}
        assert b"accept" in names and service.body == b"" and service.method == b"GET"
        client.send(b"abc", last=True)
        service.answer(200)
        peer = worker.pool().accept()
        assert peer.body == b"abc" and lines(peer, b"if-none-match", b"range")
        peer.answer()


@pytest.mark.parametrize("status", [301, 302, 304, 401, 403, 404, 407, 500, 503])
def test_any_other_answer_goes_to_the_client_as_it_is(status):
    with serving(FORWARD) as worker:
        client = worker.ask("GET /x")
        body = b"" if status == 304 else b"log in"
        asked(worker).answer(status, body, b"Location: /login\r\nSet-Cookie: s=1\r\nWWW-Authenticate: Bearer\r\n")
        assert (client.status, client.body, client.own) == (status, body, False)
        assert lines(client, b"location") == [b"Location: /login"]
        assert lines(client, b"set-cookie") == [b"Set-Cookie: s=1"]
        assert not worker.pool().attempts and worker.statuses == [status]


def test_an_answer_in_parts_and_a_slow_client():
    with serving(FORWARD) as worker:
        client = worker.ask("POST /x\nContent-Length: 6", b"abc", last=False)
        service = asked(worker)
        service.begin(403, [b"a"])
        assert client.status == 403 and client.body == b"a"
        client.send(b"def", last=True)
        assert service.body == b""
        client.fill()
        assert service.paused
        client.drain()
        service.send(b"b", last=True)
        assert client.body == b"ab"


def test_an_answer_to_head():
    with serving(FORWARD) as worker:
        client = worker.ask("HEAD /x")
        asked(worker).answer(401, b"log in")
        assert (client.status, client.body, client.framing) == (401, b"", 0)
        client = worker.ask("HEAD /x")
        worker.pool(0, "auth").stream.begin(401, [b"lo"])
        assert (client.status, client.body) == (401, b"")


def test_an_answer_that_breaks_off():
    with serving(FORWARD) as worker:
        client = worker.ask("GET /x")
        service = asked(worker)
        service.begin(403, [b"a"])
        service.fail()
        assert client.ended == "reset" and not worker.pool().attempts


class HoldsOnce(Filter):
    """A hook that looks at the first response for long."""

    def __init__(self):
        self.held = False

    def looks_back(self):
        return True

    def response(self, exchange):
        says = PASS if self.held else HOLD
        self.held = True
        return says


def test_an_answer_that_fails_while_a_hook_looks_at_it():
    """It is not asked for once more: the exchange's own request is not what the service was asked."""
    with serving(FORWARD.replace('"127.0.0.1:9"', '"127.0.0.1:9", "127.0.0.1:8"')) as worker:
        put_first(worker, HoldsOnce())
        client = worker.ask("GET /x")
        service = worker.accept()
        service.begin(403, [b"a"])
        service.fail()
        assert client.status == 502 and not any(pool.running() for pool in worker.pools)


def test_the_service_is_asked_once_more_where_that_is_right():
    """As any upstream: a connection that was closed meanwhile is no answer."""
    with serving(FORWARD.replace('"127.0.0.1:9"', '"127.0.0.1:9", "127.0.0.1:8"')) as worker:
        client = worker.ask("POST /x\nContent-Length: 1", b"a")
        worker.asked().accept().fail()
        worker.accept().answer(200, b"", USER)
        worker.accept().answer(200)
        assert client.status == 200


@pytest.mark.parametrize("style", [FORWARD, BY_STATUS])
@pytest.mark.parametrize("how", ["refused", "reset", "timed out", "switched"])
def test_a_service_that_does_not_answer_lets_nothing_through(style, how):
    with serving(style) as worker:
        client = worker.ask("GET /x")
        pool = worker.pool(0, "auth")
        if how == "refused":
            pool.refuse()
        else:
            service = pool.accept()
            service.fail(timed_out=how == "timed out") if how != "switched" else service.switch()
        assert client.status == 503 and client.own and lines(client, b"retry-after")
        assert not worker.pool().attempts


def test_no_service_at_all():
    with serving(FORWARD) as worker:
        worker.upstream("auth").arrange([], ())
        client = worker.ask("GET /x")
        assert client.status == 503 and not worker.pool().attempts


STATUSES = [(401, 401), (403, 403), (302, 500), (404, 500), (500, 500), (503, 500)]


@pytest.mark.parametrize(("status", "seen"), STATUSES)
def test_auth_request_is_by_status(status, seen):
    with serving(BY_STATUS) as worker:
        client = worker.ask("GET /x")
        fields = b"WWW-Authenticate: Basic realm=a\r\nSet-Cookie: s=1\r\nLocation: /x\r\n"
        asked(worker).answer(status, b"the service's", fields)
        assert (client.status, client.own) == (seen, True) and b"the service's" not in client.body
        challenge = lines(client, b"www-authenticate")
        assert challenge == ([b"WWW-Authenticate: Basic realm=a"] if status == 401 else [])
        assert lines(client, b"set-cookie") == [b"Set-Cookie: s=1"] and not lines(client, b"location")
        assert not worker.pool().attempts


@pytest.mark.parametrize("how", ["go", "leave", "time"])
@pytest.mark.parametrize("moment", ["connecting", "asked", "answering"])
def test_a_client_that_does_not_wait(how, moment):
    with serving(FORWARD) as worker:
        client = worker.ask("GET /x")
        service = asked(worker) if moment != "connecting" else None
        if moment == "answering" and service is not None:
            service.begin(200, [b"a"])
        if how == "time":
            worker.wait(11)
            assert client.status == 504
        else:
            getattr(client, how)()
        assert service is None or service.aborted
        assert not worker.pool().running()


def test_a_body_that_is_of_no_use():
    """Read to its end, so that the connection is used again; a large one is not."""
    with serving(FORWARD) as worker:
        first = worker.ask("GET /x")
        service = asked(worker)
        service.begin(200, [b"a"])
        peer = worker.pool().accept()
        service.send(b"b" * 60000, last=True)
        peer.answer()
        assert first.status == 200 and len(worker.pool(0, "auth").idle) == 1
        second = worker.ask("GET /x")
        service = worker.pool(0, "auth").stream
        service.begin(200, [b"a" * 40000])
        service.send(b"a" * 40000)
        assert service.aborted
        worker.pool().stream.answer()
        assert second.status == 200


def test_a_body_of_no_use_that_breaks_off():
    with serving(FORWARD) as worker:
        client = worker.ask("GET /x")
        service = asked(worker)
        service.begin(200, [b"a"])
        service.fail()
        worker.pool().accept().answer()
        assert client.status == 200


def test_the_request_waits_with_its_body():
    with serving(FORWARD) as worker:
        client = worker.ask("PUT /x\nTransfer-Encoding: chunked", b"a" * 50000, last=False)
        client.send(b"b" * 50000)
        assert client.paused
        asked(worker).answer(200)
        peer = worker.pool().accept()
        assert not client.paused and len(peer.body) == 100000
        client.send(b"c", last=True)
        peer.answer()


class Admits(Filter):
    def request(self, exchange):
        exchange.admitted = True
        return PASS


def test_clients_that_are_let_in_otherwise():
    """`any = true` with `allow`: nothing is asked, but what a client says of itself is gone."""

    with serving(FORWARD) as worker:
        put_first(worker, Admits())
        worker.ask("GET /x\nRemote_User: root\nAuthorization: Basic x")
        peer = worker.accept()
        assert not lines(peer, b"remote_user", b"remote-user", b"authorization")
        peer.answer()


class Looks(Filter):
    def __init__(self):
        self.seen = []

    def looks_back(self):
        return True

    def error(self, exchange, status, reason):
        self.seen.append(exchange.head.fields)
        return PASS


def test_what_a_client_says_of_itself_is_gone_on_every_way_out():
    """Hooks and logs of errors do not see it either."""
    text = FORWARD.replace("timeouts =", 'limits = { body = "1B" }, timeouts =')
    with serving(text) as worker:
        looks = Looks()
        put_first(worker, looks)
        client = worker.ask("POST /x\nRemote-User: root\nContent-Length: 5", last=False)
        assert client.status == 413
        client = worker.ask("GET /x\nREMOTE_USER: root")
        worker.pool(0, "auth").refuse()
        assert client.status == 503
    assert len(looks.seen) == 2 and not [fields for fields in looks.seen if b"root" in fields]


def test_a_sticky_service():
    with serving(FORWARD.replace('{ "127.0.0.1:9" }', '{ "127.0.0.1:9", "127.0.0.1:8", sticky = "which" }')) as worker:
        client = worker.ask("GET /x")
        worker.asked().accept().answer(200)
        worker.accept().answer(200)
        (cookie,) = lines(client, b"set-cookie")
        assert cookie.startswith(b"Set-Cookie: which=")
        again = worker.ask("GET /x\nCookie: " + cookie.partition(b": ")[2].partition(b";")[0].decode())
        worker.asked().stream.answer(200)
        worker.pool().stream.answer(200)
        assert not lines(again, b"set-cookie")


class Watch(Watcher):
    """As ``rspctl trace`` has it."""

    def __init__(self):
        self.seen = []

    def begin(self, head):
        return Journal(head)

    def see(self, exchange, ended):
        self.seen.append(exchange.journal)


def test_traces_have_the_sub_request():
    with serving(FORWARD) as worker:
        watch = worker.context.watch = Watch()
        for status in (200, 403):
            worker.ask("GET /x")
            pool = worker.pool(0, "auth")
            (pool.accept() if pool.attempts else pool.stream).answer(status)
        worker.pool().accept().answer()
        denied, served = watch.seen
        for journal in (served, denied):
            (call,) = journal.calls
            assert call.head.target == b"/verify?a=b" and call.tries[0].peer == b"127.0.0.1:9"
        assert [each.status for each in served.tries] == [200] and not denied.tries
        assert served.calls[0].tries[0].status == 200 and denied.calls[0].tries[0].status == 403
        worker.context.watch = None
        del watch, journal, call, served, denied


def test_the_user_is_known_to_logs():
    with serving(FORWARD) as worker:
        worker.ask("GET /x")
        asked(worker).answer(200, b"", USER)
        exchange = worker.clients[0].events
        assert exchange.user == b"ann"
        worker.pool().accept().answer()
        del exchange
