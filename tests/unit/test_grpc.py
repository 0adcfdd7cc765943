"""Calls of gRPC: what is known of them, and what an exchange does for them beside passing them on."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.errors import ConfigError
from rsp.config.failure import Retry
from rsp.config.limits import Timeouts
from rsp.config.units import Duration, Size
from rsp.config.words import hint
from rsp.control import grpc_health
from rsp.control.asking_http2 import Answer
from rsp.exchange.grpc import answer_call, bound_call
from rsp.http import grpc
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request, parse_response
from rsp.http.h2.heads import request_of
from rsp.http.h2.hpack import Fields
from rsp.http.limits import Limits
from rsp.http.message import ResponseHead
from rsp.http.stream import ClientStream
from rsp.ipc import peer_cells
from rsp.ipc.worker_cells import GRPC_CALLS, GRPC_FAILURES, STATUS_5XX
from rsp.system.descriptors import Room
from tests.unit.fakes import configuration, serving
from tests.unit.forward_lab import Lab, in_loop

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app" }\n'
CALL = "POST /a.B/C\nContent-Type: application/grpc\nTE: trailers\nTransfer-Encoding: chunked"
MESSAGE = b"\0\0\0\0\1x"


def call(worker, *lines: str, body: bytes = MESSAGE):
    """A call that has begun."""
    client = worker.hear("\n".join([CALL, *lines]))
    client.events.head.grpc = True  # as the reader of HTTP/2's heads has it
    client.send(body, last=True)
    client.events.start()
    return client


def told(client) -> dict[str, str]:
    """What rsp itself has told the client of gRPC."""
    lines = [line.decode().split(": ", 1) for line in client.lines]
    return {name.lower(): value for name, value in lines}


# -- what is said in fields


@pytest.mark.parametrize(
    ("kind", "is_call"),
    [
        ("application/grpc", True), ("application/grpc+proto", True), ("Application/GRPC;x=y", True),
        ("application/grpc ; x=y", True), ("application/grpc-web", False), ("application/grpc-web+proto", False),
        ("application/grpc-web-text", False), ("application/grpcx", False), ("application/json", False),
        ("xapplication/grpc", False), ("", False),
    ],
)  # fmt: skip
def test_calls_are_known_by_their_content_type(kind, is_call):
    assert grpc.is_call(f"A: b\r\nContent-Type: {kind}\r\n".encode()) == is_call


def test_what_has_no_content_type_is_no_call():
    assert not grpc.is_call(b"") and not grpc.is_call(b"A: application/grpc\r\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1S", 1), ("100m", 0.1), ("2M", 120), ("1H", 3600), ("250000u", 0.25), ("1n", 1e-9), ("0S", 0),
        ("99999999H", 99999999 * 3600.0), ("100000000S", -1), ("S", -1), ("1", -1), ("1s", -1), ("-1S", -1),
        ("1.5S", -1), ("1S,2S", -1), ("", -1),
    ],
)  # fmt: skip
def test_times_of_calls(text, seconds):
    assert grpc.timeout(f"grpc-timeout: {text}\r\n".encode()) == pytest.approx(seconds)


@given(st.binary(max_size=8))
def test_no_grpc_timeout_is_an_error(value):
    value = value.replace(b"\r", b"").replace(b"\n", b"")
    assert grpc.timeout(b"grpc-timeout: " + value + b"\r\n") >= -1


@pytest.mark.parametrize(
    ("value", "code"),
    [("0", 0), ("14", 14), (" 5 ", 5), ("16", 16), ("17", -1), ("-1", -1), ("", -1), ("1x", -1), ("014", -1)],
)
def test_statuses_in_heads_and_in_trailers(value, code):
    assert grpc.status_in(f"A: b\r\nGrpc-Status:{value}\r\n".encode()) == code
    assert grpc.status_of([b"a: b", f"grpc-status:{value}".encode()]) == code


@given(st.binary(max_size=50))
def test_messages_are_percent_encoded_and_can_be_read_again(text):
    encoded = grpc.message(text)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    parts = encoded.split(b"%")
    assert parts[0] + b"".join(bytes((int(part[:2], 16),)) + part[2:] for part in parts[1:]) == text


# -- limits


def test_calls_may_be_silent_for_as_long_as_a_tunnel():
    limits = Limits((Timeouts(body=Duration(5), tunnel=Duration(900)), Timeouts(response=Duration(7))), (), Room(9, 9))
    of_calls = limits.for_calls()
    assert (of_calls.body_time, of_calls.read_time, of_calls.min_rate) == (901, 901, 0)  # the clock may be behind
    assert (of_calls.response_time, of_calls.buffer) == (8, limits.buffer)
    assert (limits.body_time, limits.min_rate) == (6, Size(100))
    assert limits.for_calls() is of_calls


def test_limits_of_a_call_and_of_another_request():
    with serving('timeouts = { tunnel = "20m" }\n' + APP) as worker:
        client = call(worker)  # to peers without HTTP/2, which have no use for it
        assert (client.limits.body_time, client.limits.min_rate) == (31, 100)
        worker.accept().answer()
        worker.upstream().shares = True
        for level in worker.service.config.router.levels(b"t"):
            for choice in level.choices:
                choice.destination.shares = True
        client = call(worker)
        assert (client.limits.body_time, client.limits.min_rate) == (1201, 0)
        assert worker.pool().stream.request.limits.read_time == 1201
        worker.pool().stream.answer()
        client = worker.ask("POST /x\nContent-Type: application/grpc\nContent-Length: 0")  # over HTTP/1
        assert (client.limits.body_time, client.limits.min_rate) == (31, 100)
        worker.pool().stream.answer()


# -- what rsp answers itself


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 13), (401, 16), (403, 7), (404, 12), (413, 8), (429, 14), (431, 8), (502, 14), (503, 14), (504, 14),
        (500, 2), (405, 2), (302, 2),
    ],
)  # fmt: skip
def test_statuses_of_http_as_grpc_has_them(status, code):
    head = ResponseHead(status, b"Why", 1)
    head.fields = b"Content-Type: text/html\r\nX-Request-Id: 1\r\n"
    head.framing = 3
    assert answer_call(head, [b"<b>"], -1) == []
    assert (head.status, head.framing) == (200, 0)
    assert head.fields == (
        b"X-Request-Id: 1\r\nContent-Type: application/grpc\r\ngrpc-status: %d\r\ngrpc-message: %d Why\r\n"
        % (code, status)
    )


@pytest.mark.parametrize(("status", "fields"), [(200, b""), (204, b""), (503, b"grpc-status: 8\r\n")])
def test_answers_that_are_meant_for_grpc_or_no_errors_stay_as_they_are(status, fields):
    head = ResponseHead(status, b"Why", 1)
    head.fields = fields
    assert answer_call(head, [b"x"], -1) == [b"x"]
    assert (head.status, head.fields) == (status, fields)


def test_no_route_is_unimplemented():
    with serving('upstream "app" { "127.0.0.1:2" }\nroute { path = "/a", to = "app" }\n') as worker:
        client = call(worker)
        assert (client.status, client.body, client.trailers, client.ended) == (200, b"", [], "kept")
        assert told(client)["grpc-status"] == "12"
        assert told(client)["grpc-message"].startswith("404 Not Found; request id: ")
        assert told(client)["content-type"] == "application/grpc"
        assert worker.statuses == [404]


def test_peers_that_cannot_be_reached_are_unavailable_and_counted_as_errors():
    with serving(APP) as worker:
        client = call(worker)
        worker.refuse()
        assert (client.status, told(client)["grpc-status"]) == (200, "14")
        assert worker.statuses == [502] and worker.count(STATUS_5XX) == 1


def test_a_page_says_nothing_to_a_client_of_grpc():
    page = 'page { status = 502, body = "<h1>down</h1>" }\n'
    with serving(page + APP) as worker:
        client = call(worker)
        worker.refuse()
        assert (told(client)["grpc-status"], told(client)["grpc-message"]) == ("14", "502 Bad Gateway")


def test_fixed_answers_are_errors_of_grpc_unless_they_are_meant_for_it():
    fixed = 'upstream "app" { "127.0.0.1:2" }\nroute { respond = { status = 403, body = "100% no\\nñ\\n" } }\n'
    with serving(fixed) as worker:
        client = call(worker)
        assert (told(client)["grpc-status"], told(client)["grpc-message"]) == ("7", "100%25 no; %C3%B1")
    fixed = fixed[: fixed.index("{ status")] + '{ headers = { ["grpc-status"] = "0" }, type = "application/grpc" } }\n'
    with serving(fixed) as worker:
        client = call(worker)
        assert (client.status, told(client)["grpc-status"]) == (200, "0")


def test_a_request_that_is_no_call_is_answered_as_ever():
    with serving(APP) as worker:
        client = worker.ask(CALL, MESSAGE)  # over HTTP/1
        worker.refuse()
        assert (client.status, "grpc-status" in told(client)) == (502, False)


def test_a_body_that_cannot_be_understood():
    with serving(APP) as worker:
        client = worker.hear(CALL)
        client.events.head.grpc = True
        client.events.start()
        worker.accept()
        client.fail(408, "the body took too long")
        assert (client.status, told(client)["grpc-status"], client.body) == (200, "4", b"")
        assert worker.statuses == [408]


# -- time


@pytest.mark.parametrize(
    ("settings", "timeout", "seconds"),
    [("", "5S", 5), ('timeouts = { request = "3s" }', "5S", 3), ('timeouts = { request = "9s" }', "5S", 5)],
)
def test_a_deadline_only_shortens_the_time_of_a_request(settings, timeout, seconds):
    with serving(settings + "\n" + APP) as worker:
        client = call(worker, f"grpc-timeout: {timeout}")
        peer = worker.accept()
        assert f"grpc-timeout: {timeout}".encode() in peer.lines
        worker.wait(seconds - 1)
        assert not client.ended
        worker.wait(2)
        assert (client.status, told(client)["grpc-status"]) == (200, "4")
        assert peer.aborted and worker.statuses == [504]


@pytest.mark.parametrize(
    ("fields", "most", "seconds"),
    [(b"", 0, None), (b"", 2, 2), (b"grpc-timeout: 1S\r\n", 2, 1), (b"grpc-timeout: 3S\r\n", 2, 2)],
)
def test_a_deadline_counts_from_the_head_of_the_request(fields, most, seconds):
    class Stream(ClientStream):
        deadline = None

        def set_deadline(self, deadline: float) -> None:
            self.deadline = deadline

    stream = Stream()
    bound_call(stream, parse_request(b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n", 9), 100.5, most)
    assert stream.deadline == (None if seconds is None else 100.5 + seconds)


def test_no_deadline():
    with serving(APP) as worker:
        client = call(worker, "grpc-timeout: soon")
        assert client.deadline == float("inf")
        worker.accept().answer()


def test_a_deadline_in_the_middle_of_a_response():
    with serving(APP) as worker:
        client = call(worker, "grpc-timeout: 5S")
        peer = worker.accept()
        peer.begin(200, [MESSAGE])
        worker.wait(7)
        assert (client.body, client.trailers[0], client.ended) == (MESSAGE, b"grpc-status: 4", "kept")
        assert peer.aborted


def test_a_response_that_breaks_off_ends_with_a_status():
    with serving(APP) as worker:
        client = call(worker)
        peer = worker.accept()
        peer.begin(200, [MESSAGE])
        peer.fail()
        assert client.trailers == [b"grpc-status: 14", b"grpc-message: the response broke off"]
        assert client.ended == "kept"


def test_other_responses_that_break_off_are_cut():
    with serving(APP) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"x"])
        peer.fail()
        assert client.ended == "reset"


# -- the log


LOGGED = 'access_log = { path = "stdout", format = "{status} {grpc_status}" }\n' + APP


@pytest.mark.parametrize(
    ("end", "logged"),
    [
        (lambda peer: peer.send(last=True, trailers=(b"grpc-status: 7",)), "200 7"),
        (lambda peer: peer.send(last=True, trailers=(b"grpc-status: 0",)), "200 0"),
        (lambda peer: peer.send(last=True), "200 -"),
        (lambda peer: peer.fail(), "200 14"),
    ],
)
def test_the_status_in_trailers_is_logged(end, logged):
    with serving(LOGGED) as worker:
        call(worker)
        peer = worker.accept()
        peer.begin(200, [MESSAGE])
        end(peer)
        assert worker.log.lines == [logged + "\n"]
        assert (worker.count(GRPC_CALLS), worker.count(GRPC_FAILURES)) == (1, logged != "200 0")


def test_the_status_in_heads_is_logged():
    with serving(LOGGED) as worker:
        call(worker)
        worker.accept().answer(200, b"", b"grpc-status: 5\r\n")
        call(worker)
        worker.pool().stream.fail()
        worker.ask()
        worker.accept().answer(200, b"", b"grpc-status: 5\r\n")  # over HTTP/1
        assert worker.log.lines == ["200 5\n", "502 14\n", "200 -\n"]
        assert (worker.count(GRPC_CALLS), worker.count(GRPC_FAILURES)) == (2, 2)


# -- another peer


def answered(stream, fields=b"grpc-status: 14\r\n", *, status=200, whole=True):
    head = parse_response(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n%b\r\n" % (status, fields), b"POST")
    request = stream._done() if whole else stream.request
    request.response(head, [] if whole else [b"x"], [] if whole else None)


def of_call(lab, body=b"once", **how):
    """At peers with HTTP/2, which are made up: only what that means for bodies matters here."""
    lab.upstream.shares = True

    def before(forward):
        forward.head.grpc = True

    return lab.forward(b"POST", body, before=before, **how)


@in_loop
async def test_a_call_goes_on_to_another_peer_where_its_status_is_named():
    lab = Lab(2, retry=Retry(on_grpc=("unavailable",)))
    _, user = of_call(lab)
    first = lab.asked
    answered(first.make())
    assert lab.asked is not first
    stream = lab.asked.make()
    assert stream.sent == b"once"
    answered(stream, b"grpc-status: 0\r\n")
    assert (user.statuses, user.ends) == ([200], ["whole"])
    assert first.peer.stats.own(peer_cells.ERRORS) == 1
    lab.check()


@pytest.mark.parametrize(
    ("options", "fields", "whole"),
    [
        ({}, b"grpc-status: 14\r\n", True),
        ({"retry": Retry(on_grpc=("aborted",))}, b"grpc-status: 14\r\n", True),
        ({"retry": Retry(on_grpc=("unavailable",))}, b"grpc-status: 0\r\n", True),
        ({"retry": Retry(on_grpc=("unavailable",))}, b"grpc-status: x\r\n", True),
        ({"retry": Retry(on_grpc=("unavailable",))}, b"grpc-status: 14\r\n", False),  # a message follows
        ({"retry": Retry(on_grpc=("unavailable",), body=Size(3))}, b"grpc-status: 14\r\n", True),  # it is not kept
        ({"retry": Retry(on_grpc=("unavailable",), tries=1)}, b"grpc-status: 14\r\n", True),
    ],
)
@in_loop
async def test_other_responses_are_passed_on(options, fields, whole):
    lab = Lab(2, **options)
    _, user = of_call(lab)
    stream = lab.asked.make()
    answered(stream, fields, whole=whole)
    if not whole:
        stream.more(b"y")
    assert (user.statuses, user.ends) == ([200], ["whole"])
    lab.check()


@in_loop
async def test_what_is_no_call_is_not_repeated_by_its_grpc_status():
    lab = Lab(2, retry=Retry(on_grpc=("unavailable",)))
    lab.upstream.shares = True
    _, user = lab.forward(b"POST", b"once")
    answered(lab.asked.make())
    assert user.statuses == [200]
    lab.check()


@in_loop
async def test_a_body_is_kept_as_long_as_there_may_be_another_try():
    lab = Lab(2)
    forward, _ = of_call(lab, None, fields=b"Transfer-Encoding: chunked\r\n")
    stream = lab.asked.make()
    forward.request_body([b"a" * 100], None)
    assert forward.is_whole()
    answered(stream, b"", whole=False)
    forward.request_body([b"b"], None)
    assert not forward.is_whole()
    forward.request_body([], [])
    stream.more(b"y")
    lab.check()


# -- health checks


def health(body: bytes = b"\x08\x01", code: int | None = 0, *, status=200, fields=b"") -> Answer:
    head = ResponseHead(status, b"", 1)
    head.fields = fields
    message = b"\0" + struct.pack(">I", len(body)) + body
    return Answer(head, message, [] if code is None else [b"grpc-status: %d" % code])


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (health(), ""),
        (health(b"\x08\x02"), "answered NOT_SERVING"),
        (health(b""), "answered UNKNOWN"),
        (health(b"\x08\x03"), "answered SERVICE_UNKNOWN"),
        (health(b"\x08\x09"), "answered 9"),
        (health(b"\x12\x03abc\x08\x01\x1d1234\x19123456781"[:-1]), ""),  # fields that are not known
        (health(code=5), 'its health service does not know the service "a.B"'),
        (health(code=12), "has no health service (grpc.health.v1.Health)"),
        (health(code=13), "answered with grpc-status 13 (INTERNAL)"),
        (health(code=None), "answered without a grpc-status"),
        (health(code=None, fields=b"grpc-status: 12\r\n"), "has no health service (grpc.health.v1.Health)"),
        (health(status=404), "answered 404, which is not gRPC"),
    ],
)
def test_what_a_health_service_says(answer, fault):
    assert grpc_health.verdict(answer, "a.B") == fault


@pytest.mark.parametrize("body", [b"\x08", b"\x08\x80", b"\x12\x05abc", b"\x1d123", b"\x0b", b"\x08" + b"\x80" * 11])
def test_messages_that_are_not_valid(body):
    with pytest.raises(ProtocolError):
        grpc_health.verdict(health(body), "")
    answer = health()
    for wrong in (b"", b"\1\0\0\0\0", b"\0\0\0\0\2\x08", answer.body + b"\0\0\0\0\0"):
        with pytest.raises(ProtocolError, match="not one plain message"):
            grpc_health.verdict(answer._replace(body=wrong), "")


def test_the_question_is_protobuf():
    assert grpc_health.question("") == b"\0\0\0\0\0"
    assert grpc_health.question("a.B") == b"\0\0\0\0\5\x0a\3a.B"
    assert grpc_health.question("n" * 300)[5:8] == b"\x0a\xac\x02"


@given(st.binary(max_size=20))
def test_no_answer_is_an_error_of_ours(body):
    try:
        grpc_health.verdict(health(body), "")
    except ProtocolError:
        pass


# -- the reader of HTTP/2's heads


@pytest.mark.parametrize(
    ("method", "lines", "is_call"),
    [
        (b"POST", b"te: trailers\r\ncontent-type: application/grpc+proto\r\n", True),
        (b"POST", b"content-type: application/grpc\r\n", False),
        (b"POST", b"te: trailers\r\ncontent-type: application/grpc-web\r\n", False),
        (b"GET", b"te: trailers\r\ncontent-type: application/grpc\r\n", False),
    ],
)
def test_heads_of_http_2_say_whether_they_are_calls(method, lines, is_call):
    fields = Fields()
    fields.method, fields.scheme, fields.authority, fields.path, fields.lines = method, b"http", b"a", b"/a.B/C", lines
    head = request_of(fields, False, 1000, 100)
    assert head.grpc == is_call


# -- the configuration


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        ('health = "grpc"', "health: gRPC needs HTTP/2 at the peers; add http = 2"),
        ('retry = { on_grpc = { "aborted" } }', "on_grpc: gRPC needs HTTP/2 at the peers; add http = 2"),
        ('http = 2, health = { service = "x" }', '"service" is for type = "grpc", not for "http"'),
        ('http = 2, health = { grpc = "x" }', '(in rsp: type = "grpc", service = "name")'),
        ("http = 2, retry = { retry_on = { 1 } }", "(in rsp: on_grpc = "),
        ("on_grpc = {}", "(in rsp: retry = { on_grpc = "),
        ('http = 2, health = { type = "grpc", path = "/x" }', '"path" is for type = "http", not for "grpc"'),
        ('http = 2, health = { type = "grpc", status = 200 }', '"status" is for type = "http", not for "grpc"'),
        ('http = 2, health = { type = "grpc", service = "/a.B/Check" }', 'without a slash; write "a.B"'),
        ('http = 2, retry = { on_grpc = { "Aborted" } }', 'did you mean "aborted"?'),
    ],
)
def test_what_makes_no_sense_is_refused(upstream, said):
    with pytest.raises(ConfigError) as caught:
        configuration(f'upstream "app" {{ "127.0.0.1:2", {upstream} }}\nroute {{ to = "app" }}\n')
    assert said in str(caught.value)


@pytest.mark.parametrize("upstream", ['http = 2, health = "grpc"', 'health = { type = "grpc", port = 9 }'])
def test_checks_by_grpc(upstream):
    text = f'upstream "app" {{ "127.0.0.1:2", {upstream} }}\nroute {{ to = "app" }}\n'
    assert configuration(text).upstreams[0].checks.type == "grpc"


@pytest.mark.parametrize("word", ["grpc_pass", "grpc_next_upstream", "grpc_read_timeout", "grpc_web"])
def test_words_of_other_programs(word):
    assert hint(word).startswith((" (in rsp: ", " (rsp "))
