"""Transports over real sockets and a real loop: nothing lost, nothing blocked, one end."""

import asyncio
import contextlib
import errno
import gc
import os
import random
import resource
import socket
import struct
import weakref

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from rsp.net.acceptor import Acceptor
from rsp.net.connector import Connector
from rsp.net.poller import Poller, Watched
from rsp.net.transport import Protocol, Transport
from tests.soak import examples

LIMIT = 64 << 10


class Owner(Protocol):
    """Notes what it is told, and whether it was told from within a call of its own."""

    def __init__(self, keep_open: bool = False) -> None:
        super().__init__()
        self.received = b""
        self.events: list[str] = []
        self.error: OSError | None = None
        self.keep_open = keep_open
        self.calling = False
        self.on_data = lambda data: None

    def data_received(self, data):
        assert not self.calling
        self.received += data
        self.on_data(data)

    def eof_received(self):
        self.events.append("eof")
        return self.keep_open

    def connection_lost(self, error):
        assert not self.calling
        self.events.append("lost")
        self.error = error

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

    def call(self, name, *arguments):
        self.calling = True
        try:
            getattr(self.transport, name)(*arguments)
        finally:
            self.calling = False


@contextlib.contextmanager
def connected(poller, **kwargs):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    owner = Owner(**kwargs)
    owner.transport = Transport(poller, ours.detach())
    owner.transport.begin(owner, LIMIT)
    with theirs:
        yield owner, theirs
    owner.transport.abort()


def player(lab):
    """A fixture: runs ``test(lab(poller, **options))`` on a loop."""

    @pytest.fixture
    def play():
        def play(test, **options):
            async def whole(poller):
                made = lab(poller, **options)
                try:
                    await test(made)
                finally:
                    made.close()

            run(whole)

        return play

    return play


def run(test):
    """Run ``test(poller)`` on uvloop."""

    async def main():
        poller = Poller(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(test(poller), 30)
        finally:
            poller.close()

    uvloop.run(main())


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def drained(sock) -> bytes:
    """Everything that arrives until the end, read slowly."""
    received = b""
    loop = asyncio.get_running_loop()
    while more := await loop.sock_recv(sock, 100_000):
        received += more
    return received


@examples(20)
@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=12), st.booleans(), st.integers(0, 100))
def test_what_is_written_arrives_in_order(sizes, in_pairs, seed):
    source = random.Random(seed)
    pieces = [random.Random(size).randbytes(size) for size in sizes]

    async def test(poller):
        with connected(poller) as (owner, peer):
            reader = asyncio.create_task(drained(peer))
            rest = list(pieces)
            while rest:
                if in_pairs and len(rest) > 1:
                    owner.call("write_both", rest.pop(0), rest.pop(0))
                else:
                    owner.call("write", rest.pop(0))
                if source.random() < 0.5:
                    await asyncio.sleep(0)
            owner.call("close")
            assert await reader == b"".join(pieces)
            await until(lambda: "lost" in owner.events)
            assert owner.error is None
            flow = [one for one in owner.events if one in ("pause", "resume")]
            assert flow == (["pause", "resume"] * len(flow))[: len(flow)]

    run(test)


def test_a_full_peer_pauses_its_writer_and_resumes_it():
    async def test(poller):
        with connected(poller) as (owner, peer):
            while "pause" not in owner.events:
                owner.call("write", b"x" * 50_000)
            assert owner.transport.waiting > LIMIT
            written = owner.transport.waiting
            reader = asyncio.create_task(drained(peer))
            await until(lambda: "resume" in owner.events)
            assert owner.transport.waiting <= LIMIT // 4 < written
            owner.call("write_eof")
            owner.call("write", b"too late")
            assert set(await reader) == {ord("x")}
            assert "lost" not in owner.events  # half closed: it still reads
            peer.send(b"answer")
            await until(lambda: owner.received == b"answer")

    run(test)


def test_an_end_is_told_once_and_never_from_within_a_call():
    async def test(poller):
        for name in ("close", "abort", "reset"):
            with connected(poller) as (owner, _peer):
                owner.call(name)
                for again in ("close", "abort", "reset", "write_eof", "pause_reading", "resume_reading"):
                    owner.call(again)
                owner.call("write", b"nowhere")
                assert owner.events == []
                await until(lambda owner=owner: owner.events)
                await asyncio.sleep(0.01)
                assert owner.events == ["lost"]
                assert owner.error is None

    run(test)


def test_the_peer_ends():
    async def test(poller):
        with connected(poller) as (owner, peer):
            peer.send(b"last")
            peer.close()
            await until(lambda: "lost" in owner.events)
            assert (owner.received, owner.events) == (b"last", ["eof", "lost"])
        with connected(poller, keep_open=True) as (owner, peer):
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: owner.events)
            calls = []
            original = asyncio.get_running_loop().time()
            owner.call("resume_reading")  # what is over stays over
            while asyncio.get_running_loop().time() < original + 0.05:
                await asyncio.sleep(0.01)
                calls.append(list(owner.events))
            assert owner.events == ["eof"]
            owner.call("write", b"answer")
            assert peer.recv(10) == b"answer"

    run(test)


def test_a_reset_is_an_error_for_the_other_side():
    async def test(poller):
        listening = socket.create_server(("127.0.0.1", 0))
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
        ours.setblocking(False)
        owner = Owner()
        owner.transport = Transport(poller, ours.detach())
        owner.transport.begin(owner, LIMIT)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        await until(lambda: owner.events)
        assert owner.error is not None
        assert owner.error.errno == errno.ECONNRESET
        listening.close()

    run(test)


def test_a_paused_reader_gets_nothing():
    async def test(poller):
        with connected(poller) as (owner, peer):
            owner.call("pause_reading")
            peer.send(b"early")
            await asyncio.sleep(0.02)
            assert owner.received == b""
            owner.call("resume_reading")
            await until(lambda: owner.received == b"early")
            # Pausing from within, with more to come.
            owner.on_data = lambda data: owner.transport.pause_reading()
            peer.send(b" more")
            await until(lambda: owner.received == b"early more")
            peer.send(b" yet")
            await asyncio.sleep(0.02)
            assert owner.received == b"early more"

    run(test)


def test_a_defect_costs_one_connection():
    async def test(poller):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

        def fail(data):
            raise ValueError("a defect")

        with connected(poller) as (bad, bad_peer), connected(poller) as (good, good_peer):
            bad.on_data = fail
            bad_peer.send(b"x")
            good_peer.send(b"x")
            await until(lambda: bad.events == ["lost"] and good.received == b"x")
            assert [str(one) for one in told] == ["a defect"]

    run(test)


def test_connections_are_made_and_accepted():
    async def test(poller):
        accepted, connected_ones = [], []
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", 0)),
            (socket.AF_INET6, ("::1", 0)),
            (socket.AF_UNIX, ""),
        ):
            with socket.socket(family) as listening:
                listening.bind(address)  # an abstract name, where it is a local socket
                listening.listen(8)
                name = listening.getsockname()
                acceptor = Acceptor(poller, listening, lambda *found: accepted.append(found), "here:1")
                Connector(
                    poller, name[:2] if isinstance(name, tuple) else "\0" + name[1:].decode(),
                    lambda *found: connected_ones.append(found),
                )  # fmt: skip
                await until(lambda: accepted and connected_ones)
                (ours, client, listener), (theirs, reason) = accepted.pop(), connected_ones.pop()
                assert listener == "here:1"
                assert client == (b"unix:" if family == socket.AF_UNIX else address[0].encode())
                assert reason == ""
                with socket.socket(fileno=ours.descriptor) as one, socket.socket(fileno=theirs.descriptor) as other:
                    other.send(b"x")
                    assert await asyncio.get_running_loop().sock_recv(one, 1) == b"x"
                    assert not one.get_inheritable()
                    assert os.get_blocking(one.fileno()) is False
                    if family != socket.AF_UNIX:
                        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                        assert other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                acceptor.stop()

    run(test)


@pytest.mark.parametrize("listening", [("127.0.0.1", socket.AF_INET), ("::", socket.AF_INET6)])
@pytest.mark.parametrize("client", ["127.0.0.9", "127.90.100.255", "127.200.9.10"])
def test_an_ipv4_client_has_its_ipv4_address(listening, client):
    """Also at a socket for both families."""

    async def test(poller):
        accepted = []
        address, family = listening
        with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as server:
            acceptor = Acceptor(poller, server, lambda *found: accepted.append(found), "")
            with socket.create_connection(("127.0.0.1", server.getsockname()[1]), source_address=(client, 0)):
                await until(lambda: accepted)
            acceptor.stop()
        transport, found, _ = accepted.pop()
        assert found == client.encode()
        transport.abort()

    run(test)


class Scripted(Acceptor):
    """``waiting``: so many connections wait; ``asked``: for how many it has asked each time."""

    waiting = 0

    def take(self, most):
        self.asked.append(most)
        count = min(most, self.waiting)
        self.waiting -= count
        return count


def scripted(poller, listening):
    acceptor = Scripted(poller, listening, lambda *_: None, "")
    acceptor.asked = []
    return acceptor


def test_connections_that_come_one_by_one_cost_one_call_each():
    async def test(poller):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            acceptor = scripted(poller, listening)
            for _ in range(200):
                acceptor.waiting = 1
                acceptor.ready(0)
            assert sum(acceptor.asked) < 200 * 1.1
            acceptor.stop()

    run(test)


def test_a_queue_of_connections_is_soon_accepted_in_larger_portions():
    async def test(poller):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            acceptor = scripted(poller, listening)
            for _ in range(200):  # it has seen a quiet day
                acceptor.waiting = 1
                acceptor.ready(0)
            acceptor.asked.clear()
            acceptor.waiting = 2000
            while acceptor.waiting:
                acceptor.ready(0)
            assert len(acceptor.asked) < 80
            assert max(acceptor.asked) == 64
            acceptor.stop()

    run(test)


class Turn(Watched):
    def __init__(self, noted):
        super().__init__(-1)
        self.noted = noted

    def turn(self):
        self.noted.append("turn")


def test_what_wants_its_turn_soon_has_it_before_the_loop_goes_on():
    async def test(poller):
        noted = []
        turn = Turn(noted)

        def begin(data):
            noted.append("data")
            asyncio.get_running_loop().call_soon(noted.append, "loop")
            poller.soon(turn)

        with connected(poller) as (owner, peer):
            owner.on_data = begin
            peer.send(b"x")
            await until(lambda: len(noted) == 3)
            assert noted == ["data", "turn", "loop"]
        poller.soon(turn)  # nothing is looked at now
        assert len(noted) == 3
        await until(lambda: len(noted) == 4)

    run(test)


def test_connections_that_fail_say_why():
    async def test(poller):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        results = []
        Connector(poller, ("127.0.0.1", port), lambda *found: results.append(found))
        Connector(poller, "/nowhere/sock", lambda *found: results.append(found))
        Connector(poller, "/" + "long" * 100, lambda *found: results.append(found))
        slow = Connector(poller, ("10.255.255.1", 9), lambda *found: results.append(found))
        slow.cancel("too slow")
        slow.cancel("too slow")
        await until(lambda: len(results) == 4)
        assert {transport for transport, _ in results} == {None}
        assert {"Connection refused", "No such file or directory"} < {reason for _, reason in results}

    run(test)


@pytest.mark.parametrize("outcome", ["connected", "refused", "cancelled"])
def test_an_attempt_is_freed_at_its_end(outcome):
    """Without the collector: what makes a connection holds it, and is held by a whole request."""

    class Attempt:
        def __init__(self, poller, address):
            self.results = results
            self.connector = Connector(poller, address, self.end)

        def end(self, *found):
            self.results.append(found)

    async def test(poller):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = listening.getsockname()
            if outcome == "refused":
                listening.close()
            attempt = Attempt(poller, address)
            if outcome == "cancelled":
                attempt.connector.cancel("too slow")
            await until(lambda: results)
            freed = weakref.ref(attempt)
            del attempt
            await until(lambda: freed() is None)  # the poller may be in its call still
            for transport, _ in results:
                if transport is not None:
                    transport.abort()

    results = []
    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()


def test_without_descriptors_new_connections_wait():
    async def test(poller):
        accepted = []
        with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stack:
            acceptor = Acceptor(poller, listening, lambda *found: accepted.append(found[0].descriptor), "")
            client = stack.enter_context(socket.socket())
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            try:
                client.connect(listening.getsockname())
                await asyncio.sleep(0.05)
                assert accepted == []
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await asyncio.sleep(0.01)
            assert accepted == []  # it does not spin
            acceptor.retry()
            await until(lambda: accepted)
            socket.socket(fileno=accepted.pop()).close()
            acceptor.stop()

    run(test)


@pytest.mark.parametrize("size", [1, 70_000, 1_000_000])
def test_an_echo_of(size):
    """Both directions at once, pausing the reader while the writer is full, as a proxy does."""

    async def test(poller):
        with connected(poller, keep_open=True) as (owner, peer):
            owner.on_data = lambda data: owner.transport.write(data)
            owner.pause_writing = lambda: None
            data = random.Random(size).randbytes(size)
            reader = asyncio.create_task(drained(peer))
            await asyncio.get_running_loop().sock_sendall(peer, data)
            await until(lambda: len(owner.received) == size)
            owner.call("close")
            assert await reader == data

    run(test)


# -- parts of files


@contextlib.contextmanager
def opened(tmp_path, data: bytes):
    path = tmp_path / "file"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def send_all(owner, descriptor, first, start, size) -> int:
    """As an owner does that goes on when it is resumed; where the file ends."""
    while size:
        pauses = owner.events.count("pause")
        sent = owner.transport.write_file(first, descriptor, start, size)
        if sent < 0:
            break
        first, start, size = b"", start + sent, size - sent
        if sent < size + sent:
            assert owner.events.count("pause") == pauses + 1
            await until(lambda pauses=pauses: owner.events.count("resume") == pauses + 1 or "lost" in owner.events)
            if "lost" in owner.events:
                break
    return start


@pytest.mark.parametrize("before", [0, 300_000])
def test_a_file_arrives_behind_what_was_written(before, tmp_path):
    data = random.Random(7).randbytes(3_000_000)

    async def test(poller):
        with opened(tmp_path, data) as file, connected(poller) as (owner, peer):
            assert owner.transport.takes_files()
            reader = asyncio.create_task(drained(peer))
            if before:
                owner.call("write", b"b" * before)
                await until(lambda: "pause" not in owner.events or "resume" in owner.events)
            await send_all(owner, file, b"head", 1000, 2_500_000)
            owner.call("write", b"end")
            owner.call("close")
            assert await reader == b"b" * before + b"head" + data[1000:2_501_000] + b"end"
            await until(lambda: "lost" in owner.events)
            assert owner.error is None

    run(test)


def test_a_file_that_ends_before(tmp_path):
    async def test(poller):
        with opened(tmp_path, b"x" * 100_000) as file, connected(poller) as (owner, peer):
            reader = asyncio.create_task(drained(peer))
            assert await send_all(owner, file, b"", 0, 200_000) == 100_000
            assert owner.transport.write_file(b"", file, 100_000, 1) == -1
            owner.call("close")
            assert await reader == b"x" * 100_000

    run(test)


def test_a_file_that_cannot_be_sent_so_is_to_be_read(tmp_path):
    async def test(poller):
        with connected(poller) as (owner, peer):
            descriptor = os.open(tmp_path, os.O_RDONLY)
            try:
                assert owner.transport.write_file(b"head", descriptor, 0, 10) == -1
            finally:
                os.close(descriptor)
            owner.call("write", b"body")
            owner.call("close")
            assert await drained(peer) == b"headbody"

    run(test)


def test_a_client_that_leaves_while_a_file_is_sent(tmp_path):
    async def test(poller):
        with opened(tmp_path, b"x" * 3_000_000) as file, connected(poller) as (owner, peer):
            sending = asyncio.create_task(send_all(owner, file, b"head", 0, 3_000_000))
            await asyncio.sleep(0)
            peer.close()
            await sending
            await until(lambda: "lost" in owner.events)
            assert owner.transport.write_file(b"", file, 0, 10) == 0

    run(test)


def test_an_end_while_a_file_waits_for_room(tmp_path):
    async def test(poller):
        for name in ("close", "abort", "write_eof"):
            with opened(tmp_path, b"x" * 3_000_000) as file, connected(poller) as (owner, peer):
                while owner.transport.write_file(b"", file, 0, 1_000_000) == 1_000_000:
                    pass
                owner.call(name)
                received = await drained(peer)
                assert set(received) == {ord("x")}

    run(test)
