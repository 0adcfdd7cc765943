"""Whatever a child writes into its channel, the scoreboard or a pipe, the master goes on."""

import contextlib
import os
import random
import select
import socket
import time

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsp import loader
from rsp.config.errors import ConfigError
from rsp.config.failure import Outliers as Rules
from rsp.config.instance import Reload
from rsp.config.schema import Config, Settings, encode_hook
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.outliers import Outliers
from rsp.control.state import State
from rsp.ipc import channel, packets, peer_marks
from rsp.ipc.channel import Bundle, Channel, Found, Order, Ready
from rsp.ipc.packets import Broken, Inbox, Outbox, Stuck
from rsp.ipc.peer_cells import TALLY
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_table import Target
from rsp.ipc.scoreboard import BASE_ROW, CONTROL_ROW, MOST, RETIRED_ROW, SLOTS, Scoreboard, tally_at
from rsp.ipc.worker_cells import ROW
from rsp.master import Master
from rsp.supervise import upgrade
from rsp.supervise.canary import Sample, fault
from rsp.supervise.child import Process, Slot
from rsp.system import forked, sockets
from tests.soak import examples

CONFIG = Config(
    settings=Settings(admin="off"),
    listeners=(),
    routes=(),
    upstreams=(
        Upstream(name="app", peers=(UpstreamPeer(address=Peer("app.test:80")), UpstreamPeer(address=Peer("[::1]:80")))),
    ),
)
MESSAGES = [
    Ready(1),
    Ready(2),
    Order(1, "reload"),
    Order(2**63, "dry-run"),
    Order(3, "upgrade"),
    Found(Peer("app.test:80"), [Target(Peer("10.0.0.1:80"), 5, backup=True), Target(Peer("[2001:db8::1]:80"))]),
    Found(Peer("app.test:80"), None),
    Found(Peer("strange.test:80"), []),
    channel.Drain(1.0),
    channel.Configure(7, ["127.0.0.1:80"]),
]
WIRE = [b"." + channel._encoder.encode(message) for message in MESSAGES]


def mutated(seed: int) -> bytes:
    """One of the valid packets, with a few of its bytes changed, cut or doubled."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(WIRE))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(4)
        if what == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif what == 1:
            del data[at : at + chance.randrange(1, 9)]
        elif what == 2:
            data[at:at] = chance.choice([b"\xdd\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8, b"\xc0", b"+", b"\x91" * 500])
        else:
            data += data[at:]
    return bytes(data)


anything = st.one_of(
    st.binary(max_size=300),
    st.integers(0, 10**9).map(mutated),
    st.sampled_from([b"+" + b"x" * (32 << 10), b"x" * (60 << 10), b"+", b"."]),
)


@pytest.fixture(scope="module")
def master():
    """One that was never launched; what orders would start is left out."""
    made = Master("site.lua", 1)
    made._fleet.bundle = Bundle(1, "", CONFIG)
    made._fleet.control.open(made._fleet.bundle, later=False)
    made._fleet.slots.append(Slot(0))
    made._reloads._next = lambda: made._reloads._queue.clear()
    made._upgrade = made._waiting.clear
    return made


class _Victim(Process):
    killed = False

    def signal(self, number: int) -> None:
        self.killed = True


@examples(150)
@given(st.lists(st.tuples(anything, st.integers(0, 3)), max_size=8), st.booleans())
@example([(b"+" + b"x" * (32 << 10), 0), *[(b"x" * (60 << 10), 0)] * 6, (b"", 0)], False)
def test_the_master_outlives_any_bytes_and_descriptors_of_a_child(master, sent, is_control):
    fleet = master._fleet
    ours, theirs = channel.pair()
    theirs.setblocking(False)
    slot, role = (fleet.control.slot, channel.CONTROL) if is_control else (fleet.slots[0], channel.WORKER)
    row_number = CONTROL_ROW if is_control else 0
    process = _Victim("It", os.getpid(), ours, role, Scoreboard().row(row_number), row_number)
    process.asked.append(1)
    slot.process = process
    fleet._listen_to(slot, process)
    before = len(os.listdir("/proc/self/fd"))
    for data, descriptors in sent:
        with contextlib.suppress(BlockingIOError):  # full: a child that has been killed is not read any more
            try:
                socket.send_fds(theirs, [data], [0] * descriptors)
            except PermissionError:  # SO_PASSRIGHTS
                theirs.send(data[:10])
        master._hear(slot, process, 5)
    assert len(os.listdir("/proc/self/fd")) == before, "nothing that a child sends stays open"
    assert process.killed == (ours.fileno() not in fleet.by_descriptor) or process.kill_at is not None
    assert process.version in (0, 1)
    fleet.ignore(process)
    process.close()
    theirs.close()
    slot.process = None


@examples(40)
@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 600)), min_size=1, max_size=4))
def test_a_message_of_any_size_with_any_number_of_descriptors_arrives(sent):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    outbox, inbox = Outbox(ours), Inbox(theirs, 1 << 30, trusting=True)
    file = os.memfd_create("test")
    messages = [(random.Random(size).randbytes(size), count) for size, count in sent]
    for data, count in messages:
        outbox.post(data, [file] * count)
    for data, count in messages:
        while True:
            outbox.flush()
            received = inbox.read()
            if received is not None:
                break
        assert (received[0], len(received[1])) == (data, count)
        assert all(os.path.samestat(os.fstat(one), os.fstat(file)) for one in received[1])
        packets.close_all(received[1])
    assert outbox.flush()
    os.close(file)
    ours.close()
    with pytest.raises(EOFError):
        inbox.read()
    theirs.close()


def test_a_child_that_takes_nothing_is_stuck_and_its_descriptors_are_closed():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    before = len(os.listdir("/proc/self/fd"))
    outbox = Outbox(ours)
    with pytest.raises(Stuck):
        for _ in range(3000):
            outbox.post(b"x" * 1000, [0])
    assert len(os.listdir("/proc/self/fd")) > before
    outbox.clear()
    assert len(os.listdir("/proc/self/fd")) == before
    theirs.close()
    outbox.post(b"to nobody", [0])
    assert outbox.flush(), "what is sent to a side that is gone is dropped"
    ours.close()


def test_a_child_is_not_let_grow_a_message_beyond_its_limit():
    ours, theirs = channel.pair()
    listening = Channel(ours, channel.CONTROL)
    for _ in range(channel.CONTROL.limit // packets.PART):
        theirs.send(b"+" + b"x" * packets.PART)
        assert listening.receive() is None
    theirs.send(b"+" + b"x" * packets.PART)
    with pytest.raises(Broken, match="a message of more than 1048576 bytes"):
        listening.receive()


@pytest.mark.parametrize(
    "address", ["app.test:80", "unix:/run/app.sock", "srv:_http._tcp.test", "1.2.3.4.5:80", "7:80"]
)
def test_the_control_process_can_only_find_addresses(address):
    ours, theirs = channel.pair()
    data = channel._encoder.encode(
        {"type": "Found", "name": "a.test:80", "targets": [{"address": address, "weight": 1, "backup": False}]}
    )
    theirs.send(b"." + data)
    with pytest.raises(Broken, match="may not send"):
        Channel(ours, channel.CONTROL).receive()


# -- the scoreboard

cells = st.sampled_from([0, 1, 2, 999, 1 << 31, (1 << 63) - 1, 1 << 63, MOST - 1, MOST])


@examples(60)
@given(st.lists(cells, min_size=40, max_size=40), st.randoms())
def test_no_value_in_the_scoreboard_is_too_strange_to_be_read(values, chance):
    board = Scoreboard()
    table = PeerRegistry(board)
    members = table.arrange(CONFIG)[0].table()
    bundle = Bundle(1, "", CONFIG)
    state = State(board, bundle, members, "")
    outliers = Outliers(board)
    outliers._watches.clear()
    strict = msgspec.structs.replace(CONFIG.upstreams[0], outliers=Rules(errors=0.01, latency=1.1, requests=1))
    outliers.arrange(msgspec.structs.replace(CONFIG, upstreams=(strict,)), members)
    outliers.tick(time.monotonic())
    for row in (0, 1, CONTROL_ROW, RETIRED_ROW):
        for cell in range(ROW):
            board.row(row)[cell] = chance.choice(values)
    for place in range(table.places):
        for mark in range(peer_marks.TABLE.size):
            board.set_mark(place, mark, chance.choice(values))
        for tally in range(TALLY):
            for row in (1, RETIRED_ROW, BASE_ROW):
                board.cells[tally_at(place, row) + tally] = chance.choice(values)
    assert board.rows <= SLOTS
    msgspec.json.encode([state.status(), state.peers()], enc_hook=encode_hook)
    outliers.tick(time.monotonic())
    upgrade.restore(upgrade.known(table, board), table, board)
    state.drain("app", "[::1]:80", None)
    state.enable("app", "[::1]:80")
    board.retire(1, table.places)
    assert all(board.row(RETIRED_ROW)[cell] <= MOST for cell in range(ROW))


numbers = st.integers(-(2**70), 2**70) | st.integers(-3, 50)


@given(*[st.tuples(numbers, numbers, numbers, st.floats(-1e30, 1e30)) for _ in range(2)])
def test_a_trial_is_judged_whatever_was_counted(trial, others):
    fault(Sample(*trial), Sample(*others), Reload(requests=1))
    str(Sample(*trial))


# -- the loader and the other master


@examples(30)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=50).map(lambda data: b"+" + data)))
def test_whatever_a_loader_says_is_a_configuration_or_refused(said):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "_evaluate", lambda *_: said)
        with pytest.raises(ConfigError, match=r"^site\.lua: "):
            loader.load("site.lua")
        dry = loader.Loader("site.lua", 2, Bundle(1, "", CONFIG))
        while not dry.read():
            pass
        try:
            assert isinstance(dry.difference(), str)
        except ConfigError:
            pass


def test_a_loader_that_says_too_much_or_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(forked, "_LARGEST", 1 << 20)
    monkeypatch.setattr(loader, "_evaluate", lambda *_: b"+" + bytes(8 << 20))
    with pytest.raises(ConfigError, match="more than 1 MB"):
        loader.load("site.lua")

    def close_and_stay(*_):
        os.closerange(3, 1000)
        time.sleep(600)

    monkeypatch.setattr(loader, "_evaluate", close_and_stay)
    started = time.monotonic()
    with pytest.raises(ConfigError, match="ended by signal 9"):
        loader.load("site.lua")
    assert time.monotonic() - started < 10


@examples(60)
@given(
    st.one_of(
        st.binary(max_size=100),
        st.fixed_dictionaries(
            {
                "secret": st.just(""),
                "names": st.just({}),
                "files": st.just([]),
                "shared": st.just([]),
                "peers": st.lists(
                    st.fixed_dictionaries(
                        {
                            "upstream": st.just("app"),
                            "address": st.just("[::1]:80"),
                            "marks": st.dictionaries(
                                st.sampled_from([*upgrade._INHERITED, "NEW"]), numbers, max_size=3
                            ),
                        }
                    ),
                    max_size=2,
                ),
                "sockets": st.lists(st.tuples(numbers, st.just("127.0.0.1:80")), max_size=2),
            }
        ).map(msgspec.json.encode),
    ),
    st.integers(0, 3),
)
def test_whatever_a_predecessor_hands_over_is_taken_or_refused(data, given):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    from rsp.system.memory import sealed

    with sealed(data) as descriptor, socket.socket() as one:
        socket.send_fds(theirs, [b"legacy"], [descriptor])
        socket.send_fds(theirs, [b"sockets"], [one.fileno()] * given)
        theirs.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RSP_UPGRADE", str(ours.detach()))
            try:
                predecessor = upgrade.Predecessor.find()
            except sockets.BindError as error:
                assert "cannot take over from the running master" in str(error)
                return
    board = Scoreboard()
    table = PeerRegistry(board)
    table.arrange(CONFIG)
    upgrade.restore(predecessor.legacy.peers, table, board)
    for sock in predecessor.given.values():
        sock.close()
    predecessor.end.close()


# -- children of others


def test_orphans_are_reaped_and_known_children_are_left_to_their_owners():
    from rsp.supervise.child import reap_strangers

    def child(status: int) -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(status)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    strangers = [child(0) for _ in range(5)]
    own = child(7)
    reap_strangers({own})
    assert os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]) == 7
    reap_strangers(set())
    for pid in strangers:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_socket_that_nobody_reads_does_not_stop_a_successor(monkeypatch):
    """Thousands of sockets are more than fits into a socket's buffer."""
    import sys

    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import time; time.sleep(60)"])
    with socket.socket() as one:
        many = [one] * 60_000
        legacy = upgrade.Legacy(b"", {}, [], [(0, "a")] * len(many), [], [])
        started = time.monotonic()
        successor = upgrade.Successor(legacy, [], many[:5000])
        assert time.monotonic() - started < 10
        successor._process.kill()
        successor.give_up()


def test_many_children_are_heard_in_turn(master):
    ours, theirs = channel.pair()
    process = _Victim("It", os.getpid(), ours, channel.CONTROL, Scoreboard().row(0), 0)
    for _ in range(100):
        theirs.send(b"." + channel._encoder.encode(Found(Peer("x.test:1"), None)))
    assert len(list(process.heard(64))) == 64
    assert select.select([ours], [], [], 0)[0], "the rest waits for the next round"
    process.close()
    theirs.close()
