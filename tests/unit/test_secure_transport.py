"""The transport over TLS keeps the plain one's promises: nothing lost, nothing blocked, one end."""

import asyncio
import contextlib
import random
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.net.secure import TlsLost
from tests.soak import examples
from tests.unit.test_net import LIMIT, run, until
from tests.unit.tls_ends import secured

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
either_version = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


@examples(20)
@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=12), st.booleans(), st.sampled_from(VERSIONS))
def test_what_is_written_arrives_in_order(sizes, in_pairs, version):
    pieces = [random.Random(size).randbytes(size) for size in sizes]

    async def test(poller):
        with secured(poller, version=version) as (owner, far):
            reader = asyncio.create_task(far.drained())
            rest = list(pieces)
            while rest:
                if in_pairs and len(rest) > 1:
                    owner.call("write_both", rest.pop(0), rest.pop(0))
                else:
                    owner.call("write", rest.pop(0))
                await asyncio.sleep(0)
            owner.call("close")
            assert await reader == b"".join(pieces)
            assert far.closed_properly
            await until(lambda: "lost" in owner.events)
            assert owner.error is None
            flow = [one for one in owner.events if one in ("pause", "resume")]
            assert flow == (["pause", "resume"] * len(flow))[: len(flow)]

    run(test)


@examples(30)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=8), st.integers(0, 1000), st.sampled_from(VERSIONS))
def test_what_arrives_in_any_pieces_is_told_in_order(sizes, seed, version):
    source = random.Random(seed)
    pieces = [random.Random(size).randbytes(size) for size in sizes]

    async def test(poller):
        with secured(poller, version=version) as (owner, far):
            sealed = b"".join(map(far.seal, pieces)) + far.leave()
            while sealed:
                size = source.choice((1, 4, 5, 6, 1000, 50_000))
                await far.send(sealed[:size])
                sealed = sealed[size:]
                if source.random() < 0.3:
                    await asyncio.sleep(0)
            await until(lambda: "lost" in owner.events)
            assert owner.received == b"".join(pieces)
            assert owner.events == ["eof", "lost"]

    run(test)


def test_a_full_client_pauses_its_writer_and_resumes_it():
    async def test(poller):
        with secured(poller) as (owner, far):
            while "pause" not in owner.events:
                owner.call("write", b"x" * 50_000)
            assert owner.transport.waiting > LIMIT
            written = owner.transport.waiting
            reader = asyncio.create_task(far.drained())
            await until(lambda: "resume" in owner.events)
            assert owner.transport.waiting <= LIMIT // 4 < written
            owner.call("write_eof")
            owner.call("write", b"too late")
            assert set(await reader) == {ord("x")}
            assert far.closed_properly
            assert "lost" not in owner.events  # half closed: it still reads
            await far.send(far.seal(b"answer"))
            await until(lambda: owner.received == b"answer")

    run(test)


@either_version
def test_an_end_is_told_behind_the_data_that_came_with_it(version):
    async def test(poller):
        with secured(poller, keep_open=True, version=version) as (owner, far):
            await far.send(far.seal(b"the last words") + far.leave())
            await until(lambda: owner.events)
            assert owner.received == b"the last words"
            assert owner.events == ["eof"]
            owner.call("write", b"answer")
            owner.call("close")
            await until(lambda: owner.events == ["eof", "lost"])

    run(test)


@either_version
def test_the_last_bytes_take_the_end_along(version):
    async def test(poller):
        with secured(poller, version=version) as (owner, far):
            owner.transport.leaving = True
            owner.call("write", b"answer")
            assert await far.receive() == b"answer"
            assert await far.receive() == b""
            assert far.closed_properly
            owner.call("close")
            assert far.sock.recv(100) == b""  # it is not told twice
            await until(lambda: owner.events == ["lost"])

    run(test)


def test_an_end_waits_until_the_owner_reads_again():
    async def test(poller):
        with secured(poller, keep_open=True) as (owner, far):
            owner.on_data = lambda data: owner.transport.pause_reading()
            await far.send(far.seal(b"data") + far.leave())  # the socket itself stays open, and silent
            await until(lambda: owner.received)
            for _ in range(10):
                await asyncio.sleep(0)
            assert owner.events == []
            owner.call("resume_reading")
            assert owner.events == []  # never from within a call
            await until(lambda: owner.events == ["eof"])

    run(test)


def test_an_end_waits_for_the_owners_next_turn():
    async def test(poller):
        with secured(poller, keep_open=True) as (owner, far):
            owner.go_on = lambda: owner.events.append("turn")
            owner.on_data = lambda data: owner.transport.later()
            await far.send(far.seal(b"data") + far.leave())
            await until(lambda: len(owner.events) == 2)
            assert owner.events == ["turn", "eof"]

    run(test)


def test_nothing_is_read_while_the_owner_holds_bytes():
    async def test(poller):
        with secured(poller) as (owner, far):
            turns = []
            owner.go_on = lambda: turns.append(len(owner.received))
            owner.on_data = lambda data: owner.transport.later()
            await far.send(far.seal(b"first"))
            await until(lambda: owner.received)
            owner.on_data = lambda data: None
            await far.send(far.seal(b"second"))
            await until(lambda: owner.received == b"firstsecond")
            assert turns == [5]

    run(test)


@pytest.mark.parametrize("exact", [True, False], ids=["a peer", "a client"])
def test_an_end_without_close_notify(exact):
    async def test(poller):
        with secured(poller, exact=exact) as (owner, far):
            await far.send(far.seal(b"half of it"))
            far.sock.close()
            await until(lambda: "lost" in owner.events)
            assert owner.received == b"half of it"
            if exact:
                assert owner.events == ["lost"]
                assert isinstance(owner.error, TlsLost)
                assert not owner.error.refused
            else:
                assert owner.events == ["eof", "lost"]
                assert owner.error is None

    run(test)


@pytest.mark.parametrize("name", ["abort", "reset"])
def test_an_abrupt_end_says_no_close_notify(name):
    async def test(poller):
        with secured(poller) as (owner, far):
            owner.call("write", b"some")
            assert await far.receive() == b"some"
            owner.call(name)
            with contextlib.suppress(ConnectionResetError):
                assert await far.receive() == b""
            assert not far.closed_properly

    run(test)


@either_version
def test_what_is_not_valid_ends_the_connection_with_an_alert(version):
    async def test(poller):
        with secured(poller, version=version) as (owner, far):
            sealed = bytearray(far.seal(b"request"))
            sealed[-1] ^= 1
            await far.send(sealed)
            await until(lambda: "lost" in owner.events)
            assert owner.received == b""
            assert owner.events == ["lost"]
            assert isinstance(owner.error, TlsLost)
            assert not owner.error.refused
            with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
                await far.receive()

    run(test)


def test_an_alert_is_the_other_sides_word():
    async def test(poller):
        with secured(poller, version=ssl.TLSVersion.TLSv1_2) as (owner, far):
            far.incoming.write(b"\x17\x03\x03\x00\x20" + bytes(32))  # let it find fault
            with pytest.raises(ssl.SSLError):
                far.tls.read(10)
            await far.send(far.outgoing.read())
            await until(lambda: "lost" in owner.events)
            assert isinstance(owner.error, TlsLost)
            assert owner.error.refused

    run(test)


def test_a_client_that_leaves_in_the_middle():
    async def test(poller):
        with secured(poller) as (owner, far):
            while "pause" not in owner.events:
                owner.call("write", b"x" * 50_000)
            far.sock.close()
            await until(lambda: "lost" in owner.events)
            assert owner.transport.closing
            owner.call("write", b"late")
            owner.call("write_both", b"late", b"late")
            owner.call("write_eof")
            owner.call("close")
            owner.call("abort")

    run(test)


def test_a_reader_that_is_gone_does_not_keep_what_was_sent_before():
    async def test(poller):
        with secured(poller) as (owner, far):
            owner.reads_on = lambda: True
            await far.send(far.seal(b"early answer"))
            far.sock.close()
            owner.call("write", b"x" * 100_000)
            owner.call("write", b"y" * 100_000)
            await until(lambda: "lost" in owner.events)
            assert owner.received == b"early answer"

    run(test)


def test_a_close_with_a_backlog_sends_all_of_it():
    async def test(poller):
        with secured(poller) as (owner, far):
            owner.call("write", b"x" * 3_000_000)
            assert owner.transport.waiting
            owner.call("close")
            assert await far.drained() == b"x" * 3_000_000
            assert far.closed_properly
            await until(lambda: owner.events[-1] == "lost")

    run(test)


def test_bytes_pass_as_they_are_before_the_handshake():
    async def test(poller):
        with secured(poller) as (owner, far):
            owner.transport.engine = None
            owner.call("write_both", b"400", b" plain")
            owner.call("close")
            assert await asyncio.get_running_loop().sock_recv(far.sock, 100) == b"400 plain"

    run(test)
