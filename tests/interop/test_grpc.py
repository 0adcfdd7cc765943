"""grpcio, through rsp: its client, its server, and HTTP/2 on both sides; calls of all four kinds, and how they end."""

import asyncio
import os
import queue
import socket
import subprocess
import sys

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # pytest starts processes, but forks none that use gRPC

import grpc
import grpc.aio
import pytest

from tests.certificates import authority
from tests.grpc_peer import GrpcPeer, run
from tests.harness import Backend, Rsp, wait_until
from tests.over_tls import not_over_tls
from tests.paths import ROOT
from tests.ports import free_port
from tests.soak import short_and_long

pytestmark = not_over_tls("these speak HTTP/2 anyway")

SITE = """
listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }
access_log = { path = "stdout", format = "{status} {grpc_status} {protocol} {path}" }
upstream "calls" { "%s", http = 2 }
route { to = "calls" }
"""
REFUSES = """
upstream "dead" { "127.0.0.1:DEAD", http = 2 }
route { path = "/test.Echo/Unary", to = "calls", limits = { body = "1KB" } }
route { path = "/test.Echo/Count", respond = { status = 403, body = "not here" } }
route { path = "/test.Echo/Sum", to = "calls", on_request = function(req) return respond(401, "ñ?") end }
route { path = "/test.Echo/Chat", to = "calls", timeouts = { request = "1s" } }
route { path = "/test.Echo/Unknown", to = "dead" }
route { path = "/own", to = "calls", on_request = function(req)
  return respond { status = 200, headers = {
    ["content-type"] = "application/grpc", ["grpc-status"] = "3", ["grpc-message"] = "a%20b",
  } }
end }
"""
LARGE = bytes(range(256)) * 8192  # 2 MB, which no window takes at once
_ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Calls:
    """A client; messages are bytes."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.unary = channel.unary_unary("/test.Echo/Unary")
        self.count = channel.unary_stream("/test.Echo/Count")
        self.sum = channel.stream_unary("/test.Echo/Sum")
        self.chat = channel.stream_stream("/test.Echo/Chat")
        self.unknown = channel.unary_unary("/test.Echo/Unknown")


@pytest.fixture(scope="module")
def peer():
    with GrpcPeer() as one:
        yield one


@pytest.fixture(scope="module")
def site(tmp_path_factory, peer):
    with Rsp(tmp_path_factory.mktemp("site"), SITE % peer.address) as rsp:
        yield rsp


@pytest.fixture(scope="module")
def calls(site):
    with grpc.insecure_channel(f"127.0.0.1:{site.port}", options=_ANY_SIZE) as channel:
        yield Calls(channel)


def failed(call, *arguments, **options) -> grpc.RpcError:
    """What ``call`` is told."""
    with pytest.raises(grpc.RpcError) as caught:
        result = call(*arguments, **{"timeout": 20, **options})
        list(result)
    return caught.value


# -- the four kinds


def test_unary_calls_with_metadata_both_ways(calls, peer):
    message, call = calls.unary.with_call(b"hello", timeout=20, metadata=(("x-mine", "7"), ("b-bin", b"\0\1\xff")))
    assert message == b"hello" and call.code() is grpc.StatusCode.OK
    assert dict(call.initial_metadata())["first"] == "1"
    assert dict(call.trailing_metadata())["last"] == "2"
    assert dict(call.trailing_metadata())["bytes-bin"] == b"\0\xff"
    seen = peer.seen[-1]
    assert (seen["x-mine"], seen["b-bin"]) == ("7", str(b"\0\1\xff"))
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-request-id"]


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 65_535, len(LARGE)])
def test_messages_of_any_size(calls, size):
    assert calls.unary(LARGE[:size], timeout=20) == LARGE[:size]


def test_a_stream_of_responses(calls):
    assert [int(message) for message in calls.count(b"500", timeout=20)] == list(range(500))
    assert list(calls.count(b"0", timeout=20)) == []


def test_a_stream_of_requests(calls):
    assert calls.sum(iter([b"a", b"", b"bc", LARGE]), timeout=20) == b"abc" + LARGE
    assert calls.sum(iter([]), timeout=20) == b""


def test_two_streams_one_message_at_a_time(calls):
    """Each message is sent once the one before has come back, so nothing may wait for more in rsp."""
    arrived = []

    def say():
        for number in range(20):
            yield b"%d" % number
            wait_until(lambda count=number: len(arrived) > count, "an echo")

    for message in calls.chat(say(), timeout=20):
        arrived += [message]
    assert arrived == [b"%d" % number for number in range(20)]


def test_many_large_messages_in_both_directions(calls):
    sent = [LARGE[: 100_000 + number] for number in range(50)]
    assert list(calls.chat(iter(sent), timeout=30)) == sent


def test_a_stream_that_is_not_read_stops_none_of_the_others(calls):
    unread = calls.chat(iter([LARGE] * 20), timeout=60)
    for number in range(50):
        assert calls.unary(b"%d" % number, timeout=20) == b"%d" % number
    assert sum(len(message) for message in unread) == 20 * len(LARGE)


# -- how calls end


def test_statuses_and_messages_of_the_peer_arrive(calls, site):
    for code in ("invalid_argument", "not_found", "unauthenticated", "unavailable", "data_loss"):
        error = failed(calls.unary, f"fail:{code}:Grüße, 100 %\n".encode())
        assert error.code().name.lower() == code and error.details() == "Grüße, 100 %\n"
        assert dict(error.trailing_metadata())["why"] == "asked"
    wait_until(lambda: "200 15 HTTP/2.0 /test.Echo/Unary" in site.access_log, "the log")


def test_a_call_that_fails_between_messages(calls):
    arrived = []
    with pytest.raises(grpc.RpcError) as caught:
        for message in calls.chat(iter([b"a", b"b", b"fail:aborted:enough", b"c"]), timeout=20):
            arrived += [message]
    assert arrived == [b"a", b"b"]
    assert caught.value.code() is grpc.StatusCode.ABORTED


def test_an_unknown_method(calls):
    assert failed(calls.unknown, b"").code() is grpc.StatusCode.UNIMPLEMENTED


def test_deadlines_end_at_the_peer_as_well(calls, peer):
    cancelled = peer.cancelled
    assert failed(calls.unary, b"wait", timeout=0.3).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: peer.cancelled > cancelled, "the end of the call at the peer")


def test_cancellation_ends_the_call_at_the_peer(calls, peer):
    cancelled = peer.cancelled
    stream = calls.count(b"wait", timeout=30)
    assert next(stream) == b"0"
    stream.cancel()
    wait_until(lambda: peer.cancelled > cancelled, "the end of the call at the peer")
    assert calls.unary(b"x", timeout=20) == b"x"


def test_what_rsp_refuses_has_a_status_of_grpc(tmp_path, peer):
    text = SITE % peer.address + REFUSES.replace("DEAD", str(free_port()))
    with Rsp(tmp_path, text) as rsp, grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
        calls = Calls(channel)
        assert calls.unary(b"x" * 1000, timeout=20) == b"x" * 1000
        assert failed(calls.unary, b"x" * 2000).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        error = failed(calls.count, b"1")
        assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "not here")
        error = failed(calls.sum, iter([b"x"]))
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "ñ?")
        error = failed(calls.chat, iter([b"a", b"wait"]))
        assert (error.code(), error.details()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "the response broke off")
        error = failed(calls.unknown, b"x")
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details().startswith("502 Bad Gateway; request id: ")
        error = failed(channel.unary_unary("/own"), b"x")
        assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "a b")
        wait_until(lambda: "502 14 HTTP/2.0 /test.Echo/Unknown\n200 3 HTTP/2.0 /own\n" in rsp.access_log, "the log")


@pytest.mark.soak
def test_a_call_goes_on_to_a_peer_that_can_serve_it(tmp_path):
    retried = 'retry = { on_grpc = { "unavailable" } }, failures = { count = 0 }'
    site = SITE.replace('"%s"', f'"%s", "%s", {retried}')
    with GrpcPeer() as good, GrpcPeer() as bad:
        bad.refuses = True
        with Rsp(tmp_path, site % (good.address, bad.address)) as rsp:
            with grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
                calls = Calls(channel)
                for number in range(6):
                    assert calls.unary(b"%d" % number, timeout=20) == b"%d" % number
                for number in range(6):  # refused before the second message comes, so what comes is kept
                    said = queue.SimpleQueue()
                    said.put(b"a")
                    summed = calls.sum.future(iter(said.get, None), timeout=20)
                    wait_until(lambda served=6 + number: good.calls > served, "another peer")
                    said.put(b"b")
                    said.put(None)
                    assert summed.result() == b"ab"
        assert bad.calls >= 4 and good.calls == 12


@pytest.mark.soak
def test_a_peer_that_dies_ends_its_calls(tmp_path):
    """Another program, which can be killed."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.grpc_peer", str(port)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"ready\n"
        with Rsp(tmp_path, SITE % f"127.0.0.1:{port}") as rsp:
            with grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
                stream = Calls(channel).count(b"wait", timeout=20)
                assert next(stream) == b"0"
                server.kill()
                error = failed(lambda **_: stream)
                assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "the response broke off")
            wait_until(lambda: "200 14 HTTP/2.0 /test.Echo/Count" in rsp.access_log, "the log")
    finally:
        server.kill()
        server.wait()


# -- silence


@pytest.mark.soak
def test_streams_may_be_silent_for_longer_than_other_requests(tmp_path, peer):
    """Another request shows how long that is: it waits for its body as long as any."""
    text = 'timeouts = { body = "1s", read = "1s", response = "1s", send = "1s" }\n' + SITE % peer.address
    text += 'upstream "app" { "%s" }\nroute { path = "/app", to = "app" }\n'
    with (
        Backend() as app,
        Rsp(tmp_path, text % app.address) as rsp,
        grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel,
    ):
        said = [queue.SimpleQueue() for _ in range(3)]
        calls = Calls(channel)
        silent = calls.sum.future(iter(said[0].get, None), timeout=60)  # before its first message
        chat = calls.chat(iter(said[1].get, None), timeout=60)
        said[1].put(b"a")
        assert next(chat) == b"a"
        watch = calls.chat(iter(said[2].get, None), timeout=60)
        said[2].put(b"later")
        assert next(watch) == b"later"
        said[2].put(None)  # from here on only the peer speaks
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=60) as other:
            other.sendall(b"POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            assert other.recv(100)[9:12] in (b"408", b"504")
        said[1].put(b"b")
        assert next(chat) == b"b"
        for one in (b"c", None):
            said[0].put(one)
        said[1].put(None)
        peer.release()
        assert list(watch) == [b"now"]
        assert silent.result() == b"c" and list(chat) == []


@pytest.mark.soak
def test_a_tunnels_silence_is_the_most(tmp_path, peer):
    with Rsp(tmp_path, 'timeouts = { tunnel = "1s" }\n' + SITE % peer.address) as rsp:
        with grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
            said = queue.SimpleQueue()
            stream = Calls(channel).chat(iter(said.get, None), timeout=60)
            said.put(b"a")
            assert next(stream) == b"a"
            assert failed(lambda **_: stream).code() is not grpc.StatusCode.OK
            said.put(None)


# -- while other things happen


def test_a_reload_ends_no_call(tmp_path, peer):
    with Rsp(tmp_path, SITE % peer.address) as rsp, grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
        calls = Calls(channel)
        said = queue.SimpleQueue()
        chat = calls.chat(iter(said.get, None), timeout=60)
        for number in range(3):
            said.put(b"%d" % number)
            assert next(chat) == b"%d" % number
            rsp.reload()
            assert calls.unary(b"x", timeout=20) == b"x"
        said.put(None)
        assert list(chat) == []


@pytest.mark.soak
def test_a_server_that_stops_fails_no_call(tmp_path):
    """It says so with GOAWAY, and ends what runs; what comes meanwhile goes to the other one."""
    site = SITE.replace('"%s"', '"%s", "%s", retry = { on_grpc = { "cancelled" } }')
    with GrpcPeer() as stays, GrpcPeer() as leaves, Rsp(tmp_path, site % (stays.address, leaves.address)) as rsp:
        with grpc.insecure_channel(f"127.0.0.1:{rsp.port}") as channel:
            calls = Calls(channel)
            said = queue.SimpleQueue()
            chats = [calls.chat(iter(said.get, None), timeout=60) for _ in range(4)]
            wait_until(lambda: leaves.calls and stays.calls, "calls at both")
            stopped = leaves.stop(grace=30)
            asked = [calls.unary.future(b"%d" % number, timeout=30) for number in range(200)]
            assert [one.result() for one in asked] == [b"%d" % number for number in range(200)]
            for _ in chats:
                said.put(None)
            assert [list(chat) for chat in chats] == [[]] * 4
            stopped.result(30)


# -- health checks


def test_health_checks_by_grpc(tmp_path):
    health = 'health = {{ type = "grpc", service = "{}", interval = "100ms", timeout = "100ms", fall = 1, rise = 1 }}'
    with GrpcPeer() as peer:
        peer.health = {"": 1, "shop.Cart": 1}
        text = 'listen "127.0.0.1:{port}"\nroute { to = "calls" }\n'
        for name, service in (("calls", ""), ("cart", "shop.Cart")):
            text += f'upstream "{name}" {{ "{peer.address}", http = 2, {health.format(service)} }}\n'
        with Rsp(tmp_path, text) as rsp:
            wait_until(lambda: rsp.state(peer.address, "calls") == rsp.state(peer.address, "cart") == "up", "peers")
            peer.health["shop.Cart"] = 2
            said = f'"cart": peer {peer.address} is'
            wait_until(lambda: f"{said} doubtful: answered NOT_SERVING" in rsp.log, "a verdict")
            assert rsp.state(peer.address, "calls") == "up"
            peer.health["shop.Cart"] = 1
            wait_until(lambda: f"{said} up" in rsp.log, "a peer that is up again")


# -- TLS on both sides


def test_over_tls_on_both_sides(tmp_path):
    site = authority().issue("localhost", "127.0.0.1")
    site.write(tmp_path, "site")
    authority().write(tmp_path / "ca.pem")
    text = """
        listen "127.0.0.1:{port}" { tls = true }
        certificate { "site.bundle.pem" }
        upstream "calls" { "localhost:%d", http = 2, tls = { ca = "ca.pem" }, health = "grpc" }
        route { to = "calls" }
    """
    tls = (tmp_path / "site.key").read_bytes(), (tmp_path / "site.pem").read_bytes()
    trusted = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
    with GrpcPeer(tls=tls) as peer, Rsp(tmp_path, text % peer.port) as rsp:
        with grpc.secure_channel(f"localhost:{rsp.port}", trusted) as channel:
            calls = Calls(channel)
            assert calls.unary(LARGE[:100_000], timeout=20) == LARGE[:100_000]
            assert list(calls.chat(iter([b"a", b"b"]), timeout=20)) == [b"a", b"b"]
        wait_until(lambda: rsp.state(rsp.admin("/peers")["peers"][0]["peer"], "calls") == "up", "a peer that is up")


# -- many at once


@short_and_long("connections", 2, 8)
def test_a_thousand_streams_at_once(site, connections):
    """All are open before the first one ends; eight connections, because each takes 128 (``limits.streams``)."""

    async def chat(streams: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{site.port}", options) as channel:
            opened = [channel.stream_stream("/test.Echo/Chat")(timeout=60) for _ in range(streams)]
            for number, stream in enumerate(opened):
                await stream.write(b"%d" % number)
            assert [await stream.read() for stream in opened] == [b"%d" % number for number in range(streams)]
            arrived.append(streams)
            while sum(arrived) < 125 * connections:
                await asyncio.sleep(0.01)
            await asyncio.gather(*(stream.done_writing() for stream in opened))
            assert {await stream.code() for stream in opened} == {grpc.StatusCode.OK}

    async def chats() -> None:
        await asyncio.gather(*(chat(125) for _ in range(connections)))

    arrived: list[int] = []
    run(chats())
