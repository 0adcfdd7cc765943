"""Requests as traces: what peers are told, what a collector gets, whatever becomes of a request on its way."""

import json
import os
import re
import signal
import socket
import time

import pytest

from tests.collector import Collector, attributes, by_trace
from tests.harness import Backend, Rsp, exchange, get, receive, wait_until
from tests.ports import free_port

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_PARENT = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r\n")


def traceparent(head: bytes) -> tuple[str, str, str]:
    """What a peer got, which is exactly one."""
    assert head.lower().count(b"traceparent:") == 1, head
    found = _PARENT.search(head)
    assert found is not None, head
    return found[1].decode(), found[2].decode(), found[3].decode()


def told(flags: str = "01", **more: str) -> str:
    return f"traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in more.items()
    )


def one(spans, **wanted):
    """The span with that name, kind or attribute."""
    found = [
        span
        for span in spans
        if all(getattr(span, key, attributes(span).get(key)) == want for key, want in wanted.items())
    ]
    assert len(found) == 1, [(span.name, attributes(span)) for span in spans]
    return found[0]


def of_path(path: str):
    """Whether a collector has the spans of a request for that path."""
    return lambda spans: [span for span in spans if attributes(span).get("url.path") == path]


def under(span, spans):
    """What has been done for it: all below it.  Other requests may be in its trace."""
    below = [each for each in spans if each.parent_span_id == span.span_id]
    return below + [lower for each in below for lower in under(each, spans)]


def trace_of(collector: Collector, path: str, number: int = 2):
    """The spans of the one request for that path, once there are so many; the request's own first."""

    def found(spans):
        server = of_path(path)(spans)
        return server and len(under(server[0], spans)) >= number - 1

    spans = collector.wait(found)
    server = one(spans, **{"kind": 2, "url.path": path})
    return server, under(server, spans)


SITE = """
listen "127.0.0.1:{port}"
access_log = { path = "access.json", format = "json", fields = { trace = "trace_id" } }
tracing = { endpoint = "%s", sample = %s, slow = "500ms", service = "shop" }
%s
upstream "app" { "%s" }
upstream "two" { "127.0.0.1:%d", "%s" }
upstream "none" { "127.0.0.1:%d" }
route { to = "app" }
route { path = "/two", to = "two" }
route { path = "/none", to = "none", name = "broken" }
route { path = "/hook", to = "app", on_request = function(req)
  sleep(0.05)
  local answer = http.get("/sub?token=abc", { upstream = "app" })
  req.headers["X-Seen"] = req.headers["traceparent"]
end }
route { path = "/own", to = "app", on_request = function(req)
  req.headers["traceparent"] = "mine"
  http.get("/sub-own", { upstream = "app", headers = { traceparent = "sub" } })
end }
route { path = "/rule", to = "app", request_headers = { remove = { "traceparent" } } }
route { path = "/fails", to = "app", on_request = function(req) error("no") end }
route { path = "/fixed", respond = { body = "x" } }
"""


def site(collector_url: str, backend: Backend, sample: float, more: str = "") -> str:
    dead = free_port()
    return SITE % (collector_url, sample, more, backend.address, dead, backend.address, dead)


@pytest.fixture(scope="module")
def all_kept(tmp_path_factory):
    with Collector() as collector, Backend() as backend:
        with Rsp(tmp_path_factory.mktemp("all"), site(collector.url, backend, 1.0)) as rsp:
            yield collector, backend, rsp


@pytest.fixture(scope="module")
def none_chosen(tmp_path_factory):
    def answer(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        if b"/slow" in head:
            time.sleep(0.7)
        if b"/cut" in head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return False
        status = b"500 Broken" if b"/peer-fails" in head else b"200 OK"
        connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 1\r\n\r\nx" % status)
        return True

    with Collector() as collector, Backend(answer) as backend:
        with Rsp(tmp_path_factory.mktemp("none"), site(collector.url, backend, 0.0)) as rsp:
            yield collector, backend, rsp


def head_for(backend: Backend, path: str) -> bytes:
    return next(head for head in backend.heads if b" %b" % path.encode() in head)


# -- what a trace is


def test_a_trace_begins_here(all_kept):
    collector, backend, rsp = all_kept
    assert b" 200 " in get(rsp.port, "/begin?q=1&token=secret", host="shop.example:81", extra="User-Agent: me/1\r\n")
    server, (peer,) = trace_of(collector, "/begin")
    trace, caller, flags = traceparent(head_for(backend, "/begin"))
    assert (trace, caller, flags) == (server.trace_id.hex(), peer.span_id.hex(), "03")
    assert (server.name, server.kind, server.parent_span_id) == ("GET /", 2, b"")
    assert (peer.name, peer.kind, peer.parent_span_id) == ("GET app", 3, server.span_id)
    assert (
        server.start_time_unix_nano <= peer.start_time_unix_nano <= peer.end_time_unix_nano <= server.end_time_unix_nano
    )
    assert abs(server.start_time_unix_nano / 1e9 - time.time()) < 60
    known = attributes(server)
    assert known.pop("rsp.request_id") and known.pop("network.peer.address") == "127.0.0.1"
    assert known == {
        "http.request.method": "GET", "url.scheme": "http", "url.path": "/begin", "url.query": "q=1&token=***",
        "http.route": "/", "http.response.status_code": 200, "http.response.body.size": 3,
        "server.address": "shop.example", "server.port": 81, "client.address": "127.0.0.1",
        "network.protocol.version": "1.1", "user_agent.original": "me/1", "rsp.route": "/", "rsp.upstream": "app",
        "rsp.listener": f"127.0.0.1:{rsp.port}", "rsp.tries": 1,
    }  # fmt: skip
    known = attributes(peer)
    assert known.pop("rsp.first_byte") > 0
    known.pop("rsp.connect", None)
    assert known == {
        "http.request.method": "GET", "url.full": f"http://{backend.address}/begin?q=1&token=***",
        "http.response.status_code": 200, "server.address": "127.0.0.1", "server.port": backend.port,
        "rsp.upstream": "app",
    }  # fmt: skip
    resource = attributes(collector.requests[0].resource_spans[0].resource)
    assert resource["service.name"] == "shop"


def test_a_trace_goes_on(all_kept):
    collector, backend, rsp = all_kept
    get(rsp.port, "/goes-on", extra=told("00", tracestate="a=1,b=2"))
    server, (peer,) = trace_of(collector, "/goes-on")
    head = head_for(backend, "/goes-on")
    assert traceparent(head) == (TRACE, peer.span_id.hex(), "01")  # and not 03: the caller says nothing of its id
    assert b"\r\ntracestate: a=1,b=2\r\n" in head
    assert (server.trace_id.hex(), server.parent_span_id.hex(), server.trace_state) == (TRACE, CALLER, "a=1,b=2")


@pytest.mark.parametrize(
    "fields",
    [
        f"traceparent: 00-{TRACE.upper()}-{CALLER}-01\r\n",
        f"traceparent: 00-{TRACE}-{CALLER}-01\r\nTraceParent: 00-{TRACE}-{CALLER}-01\r\n",
        f"traceparent: ff-{TRACE}-{CALLER}-01\r\n",
        f"traceparent: 00-{'0' * 32}-{CALLER}-01\r\n",
        "TRACEPARENT: evil\r\n",
        "traceparent:\r\n",
        "",
    ],
)
def test_what_is_not_valid_begins_a_new_one(all_kept, fields):
    collector, backend, rsp = all_kept
    path = f"/wrong-{abs(hash(fields))}"
    get(rsp.port, path, extra=f"{fields}tracestate: a=1\r\nTraceState: b=2\r\n")
    server, _ = trace_of(collector, path)
    head = head_for(backend, path)
    assert traceparent(head)[0] == server.trace_id.hex() != TRACE
    assert b"tracestate" not in head.lower()
    assert server.parent_span_id == b""


def test_a_wrong_tracestate_is_dropped_alone(all_kept):
    _, backend, rsp = all_kept
    get(rsp.port, "/state", extra=told(tracestate="a=1,,wrong"))
    head = head_for(backend, "/state")
    assert traceparent(head)[0] == TRACE
    assert b"tracestate" not in head.lower()


def test_trailers_say_nothing_of_traces(all_kept):
    _, backend, rsp = all_kept
    seen = []

    def answer(connection, head, rest):
        while not rest.endswith(b"\r\n\r\n"):
            rest += receive(connection, 65536)
        seen.append(rest)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    backend._handler, before = answer, backend._handler
    try:
        answered = exchange(
            rsp.port,
            b"POST /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\nx\r\n0\r\nTraceparent: evil\r\ntracestate: a=1\r\nX-Good: 1\r\n\r\n",
        )
    finally:
        backend._handler = before
    assert b" 200 " in answered
    assert b"X-Good: 1" in seen[0]
    assert b"trace" not in seen[0].lower()


# -- what a request may go through


def test_each_peer_that_is_asked_has_a_span(all_kept):
    collector, backend, rsp = all_kept
    for number in range(4):  # one of them begins at the peer that is gone
        get(rsp.port, f"/two/{number}")
    spans = collector.wait(
        lambda spans: sum(1 for span in spans if attributes(span).get("rsp.upstream") == "two" and span.kind == 2) == 4
    )
    failed = next(span for span in spans if span.kind == 3 and span.name == "GET two" and span.status.code == 2)
    trace = by_trace(spans)[failed.trace_id.hex()]
    server, second = one(trace, kind=2), one(trace, **{"http.request.resend_count": 1})
    assert "refused" in failed.status.message and attributes(failed)["error.type"] == "_OTHER"
    assert "http.response.status_code" not in attributes(failed)
    assert attributes(second)["http.response.status_code"] == 200
    assert attributes(server)["rsp.tries"] == 2 and server.status.code == 0
    head = head_for(backend, attributes(server)["url.path"])
    assert traceparent(head)[1] == second.span_id.hex()


def test_hooks_and_what_they_ask_for(all_kept):
    collector, backend, rsp = all_kept
    get(rsp.port, "/hook/x")
    server, others = trace_of(collector, "/hook/x", 4)
    hook, sub, peer = one(others, kind=1), one(others, **{"rsp.hook_request": True}), one(others, name="GET app")
    assert hook.name == "on_request"
    assert hook.end_time_unix_nano - hook.start_time_unix_nano >= 50_000_000
    assert {span.parent_span_id for span in others} == {server.span_id}
    assert hook.start_time_unix_nano <= sub.start_time_unix_nano <= sub.end_time_unix_nano <= hook.end_time_unix_nano
    assert attributes(sub)["url.full"].endswith("/sub?token=***")
    assert traceparent(head_for(backend, "/sub?"))[:2] == (server.trace_id.hex(), sub.span_id.hex())
    head = head_for(backend, "/hook/x")
    assert traceparent(head)[:2] == (server.trace_id.hex(), peer.span_id.hex())
    seen = re.search(rb"X-Seen: 00-(\w+)-(\w+)-03", head)
    assert (seen[1].decode(), seen[2].decode()) == (server.trace_id.hex(), server.span_id.hex())


def test_a_hook_and_a_rule_have_their_way(all_kept):
    _, backend, rsp = all_kept
    get(rsp.port, "/own/x", extra=told())
    assert re.search(rb"\r\ntraceparent: mine\r\n", head_for(backend, "/own/x"))
    assert head_for(backend, "/own/x").lower().count(b"traceparent") == 1
    assert re.search(rb"\r\ntraceparent: sub\r\n", head_for(backend, "/sub-own"))
    assert head_for(backend, "/sub-own").count(b"traceparent") == 1
    get(rsp.port, "/rule/x", extra=told())
    assert b"traceparent" not in head_for(backend, "/rule/x").lower()


def test_answers_of_rsps_own_are_spans_too(all_kept):
    collector, _, rsp = all_kept
    assert b" 200 " in get(rsp.port, "/fixed")
    server, others = trace_of(collector, "/fixed", 1)
    assert others == [] and server.name == "GET /fixed"
    assert b" 400 " in exchange(rsp.port, b"MAKE /fixed/../x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    server, others = trace_of(collector, "/fixed/../x", 1)
    assert (server.name, attributes(server)["http.request.method_original"]) == ("HTTP", "MAKE")
    assert attributes(server)["http.response.status_code"] == 400 and server.status.code == 0


def test_the_log_names_the_trace(all_kept):
    _, _, rsp = all_kept
    get(rsp.port, "/logged", extra=told())
    log = rsp.directory / "access.json"
    wait_until(lambda: "/logged" in log.read_text(), "line")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert next(line for line in lines if line["target"] == "/logged")["trace"] == TRACE


# -- what is kept


def test_a_client_does_not_choose_what_is_recorded(none_chosen):
    collector, backend, rsp = none_chosen
    for _ in range(20):
        get(rsp.port, "/flagged", extra=told("01"))
    assert {traceparent(head)[2] for head in backend.heads if b"/flagged" in head} == {"00"}
    get(rsp.port, "/none/after")
    trace_of(collector, "/none/after")
    assert of_path("/flagged")(collector.spans()) == []


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/none/x", 502, 2), ("/fails/x", 500, 2), ("/peer-fails", 500, 2), ("/slow", 200, 0)]
)
def test_errors_and_slow_requests_are_kept(none_chosen, path, status, code):
    collector, _, rsp = none_chosen
    get(rsp.port, path)
    server, _ = trace_of(collector, path, 1)
    known = attributes(server)
    assert (known["http.response.status_code"], server.status.code) == (status, code)
    assert known.get("error.type") == (str(status) if code else None)
    assert server.flags & 1 == 0


def test_a_response_that_breaks_off_is_an_error(none_chosen):
    collector, _, rsp = none_chosen
    assert get(rsp.port, "/cut").endswith(b"half")
    server, (peer,) = trace_of(collector, "/cut")
    assert (server.status.code, server.status.message) == (2, "the response broke off")
    assert attributes(server)["error.type"] == "_OTHER" and attributes(server)["http.response.status_code"] == 200
    assert peer.status.code == 2 and peer.status.message


def test_errors_are_kept_within_bounds(none_chosen):
    collector, _, rsp = none_chosen

    def kept():
        return len(
            [span for span in collector.spans() if span.kind == 2 and attributes(span).get("url.path") == "/none/many"]
        )

    with socket.create_connection(("127.0.0.1", rsp.port)) as client:
        for _ in range(1000):
            client.sendall(b"GET /none/many HTTP/1.1\r\nHost: a\r\n\r\n")
            data = b""
            while b"\r\n\r\n" not in data:
                data += receive(client, 65536)
    wait_until(lambda: kept() >= 100, "spans")
    assert kept() < 1000


def test_a_trusted_proxy_chooses(tmp_path):
    with Collector() as collector, Backend() as backend:
        with Rsp(tmp_path, site(collector.url, backend, 0.0, 'trusted = { "127.0.0.1" }')) as rsp:
            get(rsp.port, "/not", extra=told("00"))
            get(rsp.port, "/chosen", extra=told("03") + "X-Forwarded-For: 192.0.2.7\r\n")
            server, _ = trace_of(collector, "/chosen")
            assert traceparent(head_for(backend, "/chosen"))[2] == "03"
            assert traceparent(head_for(backend, "/not"))[2] == "00"
            assert of_path("/not")(collector.spans()) == []
            assert attributes(server)["client.address"] == "192.0.2.7"
            rsp.reload(site(collector.url, backend, 1.0, 'trusted = { "127.0.0.1" }'))
            get(rsp.port, "/still-not", extra=told("00"))
            get(rsp.port, "/at-random")
            trace_of(collector, "/at-random")
            assert of_path("/still-not")(collector.spans()) == []


# -- reloads, deaths, upgrades


def test_a_collector_that_is_gone_is_none_of_traffics_business(tmp_path):
    with Backend() as backend, Rsp(tmp_path, site(f"http://127.0.0.1:{free_port()}/v1/traces", backend, 1.0)) as rsp:
        for _ in range(100):
            assert b" 200 " in get(rsp.port)
        wait_until(lambda: "does not accept spans" in rsp.log, "a line in the log")
        with Collector() as collector:
            rsp.reload(site(collector.url, backend, 1.0))
            get(rsp.port, "/later")
            trace_of(collector, "/later")


def metrics(port: int) -> dict[str, float]:
    text = get(port, "/metrics", host="127.0.0.1").decode().partition("\r\n\r\n")[2]
    return {name: float(value) for name, value in re.findall(r"(?m)^(rsp_spans\w*) (\S+)$", text)}


def test_each_span_is_sent_or_counted_and_traffic_goes_on(tmp_path):
    """The collector takes part of the batches, late, refuses others, and rejects some of what it takes."""

    def answer(number: int) -> tuple[int, dict[str, str], bytes]:
        if number % 4 == 0:
            return 400, {}, b""
        if number % 4 == 1:
            time.sleep(0.5)
            return 200, {}, b"{}"
        if number % 4 == 2:
            return 200, {}, b'{"partialSuccess":{"rejectedSpans":"7","errorMessage":"no"}}'
        return 503, {"Retry-After": "0"}, b""

    requests = 1500
    with Collector(answer) as collector, Backend() as backend:
        port = free_port()
        with Rsp(tmp_path, f'metrics = "127.0.0.1:{port}"\n' + site(collector.url, backend, 1.0)) as rsp:
            wait_until(lambda: metrics(port), "metrics")
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                for _ in range(requests):
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    data = b""
                    while not data.endswith(b"one"):
                        data += receive(client, 65536)
            wait_until(lambda: sum(metrics(port).values()) == 2 * requests, "all spans are accounted for")
            counted = metrics(port)
            taken = sum(
                len(scope.spans)
                for request in collector.requests
                for group in request.resource_spans
                for scope in group.scope_spans
            )
            partly = len([number for number in range(len(collector.heads)) if number % 4 == 2])
            assert counted["rsp_spans_total"] == taken - 7 * partly
            assert counted["rsp_spans_dropped_total"] > 0


def test_without_tracing_nothing_is_touched(tmp_path):
    with Collector() as collector, Backend() as backend:
        text = site(collector.url, backend, 1.0)
        without = re.sub(r"tracing = .*", "", text)
        with Rsp(tmp_path, without) as rsp:
            get(rsp.port, "/before", extra=told("03", tracestate="any thing"))
            head = head_for(backend, "/before")
            assert traceparent(head) == (TRACE, CALLER, "03") and b"tracestate: any thing\r\n" in head
            rsp.reload(text)
            get(rsp.port, "/now")
            trace_of(collector, "/now")
            rsp.reload(without)
            get(rsp.port, "/after")
            assert b"traceparent" not in head_for(backend, "/after")


def test_a_control_process_that_dies_loses_what_it_had_and_no_more(tmp_path):
    with Collector() as collector, Backend() as backend, Rsp(tmp_path, site(collector.url, backend, 1.0)) as rsp:
        get(rsp.port, "/first")
        trace_of(collector, "/first")
        os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
        for number in range(50):
            assert b" 200 " in get(rsp.port, f"/while/{number}")
        for number in range(50):
            trace_of(collector, f"/while/{number}")


def test_the_last_spans_are_sent_at_the_end(tmp_path):
    with Collector() as collector, Backend() as backend, Rsp(tmp_path, site(collector.url, backend, 1.0)) as rsp:
        rsp.admin("/status")  # the control process is there
        for number in range(20):
            get(rsp.port, f"/old/{number}")
        assert rsp.stop() == 0
        for number in range(20):
            trace_of(collector, f"/old/{number}")
