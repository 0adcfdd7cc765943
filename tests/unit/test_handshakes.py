"""Handshakes wait for their turn, and end in one way."""

import asyncio
import contextlib
import socket
import ssl
import tempfile
from pathlib import Path

import pytest

from rsp.http.limits import Limits
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.worker_cells import HANDSHAKE_FAILURES, HANDSHAKES
from rsp.net.context import WorkerContext
from rsp.net.handshake import Handshakes
from rsp.net.peer_handshake import ClientHandshake
from rsp.net.secure import TlsTransport
from rsp.net.session import SecureService, Session
from rsp.net.transport import Transport
from rsp.system.descriptors import Room
from rsp.tls.engine import Context
from rsp.tls.names import ServerNames
from tests.certificates import authority
from tests.unit.test_net import LIMIT, Owner, run, until
from tests.unit.tls_ends import NAME, Far, ours, trusting

CLIENT = b"192.0.2.1"


class Client(Session):
    pass


class Service(SecureService):
    """Takes what a handshake hands over."""

    def __init__(self, per_client=0):
        self.limits = Limits((None,), (None,), Room(1000, 8))
        self.limits.per_client = per_client
        self.accepted = []

    def session(self, client, listener, proxied=None):
        session = Client()
        session.client, session.listener, session.limits, session.series = client, listener, self.limits, None
        session.counted = self.limits.per_client > 0
        return session

    def accept_secure(self, transport, session, tls, admitted):
        owner = Owner()
        owner.transport = transport
        self.accepted.append((owner, tls, admitted))
        transport.begin(owner, LIMIT)


class Names(ServerNames):
    def __init__(self, context):
        self.context = context

    def context_for(self, hello, listener):
        return self.context


class Lab:
    def __init__(self, poller, **more):
        self.service = Service(**more)
        self.context = WorkerContext(Scoreboard(), 0, b"secret", poller)
        names = Names(ours())
        self.handshakes = Handshakes(self.context, self.service, names)
        self.ends = []

    def connect(self):
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self.ends.append(far)
        self.handshakes.accept(TlsTransport(self.context.poller, near.detach()), CLIENT, "127.0.0.1:1")
        return Far(far)

    async def greet(self, far):
        with contextlib.suppress(ssl.SSLWantReadError):
            far.tls.do_handshake()
        await far.send(far.outgoing.read())

    async def shake(self, far):
        await self.greet(far)
        while True:
            far.incoming.write(await asyncio.get_running_loop().sock_recv(far.sock, 65536))
            with contextlib.suppress(ssl.SSLWantReadError):  # the last word of TLS 1.2 is the server's
                far.tls.do_handshake()
                break
            await far.send(far.outgoing.read())
        await far.send(far.outgoing.read())

    def count(self, cell):
        return self.context.stats.get(cell)

    async def close(self):
        for end in self.ends:
            end.close()
        await until(lambda: not self.context.connections)


def test_a_flood_of_hellos_leaves_established_connections_their_turns():
    async def test(poller):
        lab = Lab(poller)
        near, far = socket.socketpair()
        near.setblocking(False)
        quiet = Owner()
        quiet.transport = Transport(poller, near.detach())
        quiet.transport.begin(quiet, LIMIT)
        flood = [lab.connect() for _ in range(60)]
        begun = []
        quiet.on_data = lambda data: begun.append(sum(handshake_has_begun(end) for end in flood))
        for end in flood:
            await lab.greet(end)
        await asyncio.sleep(0)  # the hellos are read: the first of them have had their turn, at most
        far.send(b"?")
        await until(lambda: begun)
        assert begun[0] < 40
        await until(lambda: all(map(handshake_has_begun, flood)))  # and no other event is needed for that
        quiet.transport.abort()
        far.close()
        await lab.close()

    run(test)


def handshake_has_begun(end):
    try:
        return bool(end.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_clients_that_have_left_cost_no_handshake():
    async def test(poller):
        lab = Lab(poller)
        for _ in range(20):
            far = lab.connect()
            await lab.greet(far)
            far.sock.close()
        await until(lambda: not lab.context.connections)
        assert lab.count(HANDSHAKES) == 0
        assert not lab.service.accepted

    run(test)


def test_a_request_that_comes_with_the_end_of_the_handshake_is_delivered():
    async def test(poller):
        lab = Lab(poller)
        far = lab.connect()
        await lab.greet(far)
        far.incoming.write(await asyncio.get_running_loop().sock_recv(far.sock, 65536))
        far.tls.do_handshake()
        await far.send(far.outgoing.read() + far.seal(b"request") + far.leave())
        far.sock.shutdown(socket.SHUT_WR)
        await until(lambda: lab.service.accepted)
        owner, tls, admitted = lab.service.accepted[0]
        await until(lambda: "lost" in owner.events)
        assert owner.received == b"request"
        assert owner.events == ["eof", "lost"]
        assert admitted
        assert (tls.version, tls.sni) == (b"TLSv1.3", NAME.encode())
        assert lab.count(HANDSHAKES) == 1
        assert lab.count(HANDSHAKE_FAILURES) == 0
        await lab.close()

    run(test)


def test_a_ticket_goes_out_with_the_answer_to_a_request_that_came_along():
    async def test(poller):
        lab = Lab(poller)
        far = lab.connect()
        await lab.greet(far)
        far.incoming.write(await asyncio.get_running_loop().sock_recv(far.sock, 65536))
        far.tls.do_handshake()
        await far.send(far.outgoing.read() + far.seal(b"request"))
        await until(lambda: lab.service.accepted and lab.service.accepted[0][0].received)
        assert not handshake_has_begun(far)  # nothing more has come yet
        lab.service.accepted[0][0].transport.write(b"answer")
        assert await far.receive() == b"answer"
        assert far.tls.session.has_ticket
        lab.service.accepted[0][0].transport.abort()
        await lab.close()

    run(test)


def test_an_end_that_comes_while_the_last_step_waits_loses_no_request():
    async def test(poller):
        lab = Lab(poller)
        many = [lab.connect() for _ in range(20)]
        for far in many:
            await lab.greet(far)
            far.incoming.write(await asyncio.get_running_loop().sock_recv(far.sock, 65536))
            far.tls.do_handshake()
        for far in many:  # more than one turn has room for
            far.sock.send(far.outgoing.read() + far.seal(b"request") + far.leave())
            far.sock.shutdown(socket.SHUT_WR)
        await until(lambda: not lab.context.connections)
        owners = [owner for owner, _, _ in lab.service.accepted]
        await until(lambda: all("lost" in owner.events for owner in owners))
        assert [owner.received for owner in owners] == [b"request"] * 20
        await lab.close()

    run(test)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("answer", [b"", b"answer"], ids=["no answer", "an answer"])
def test_a_client_that_leaves_is_sent_close_notify_if_it_was_answered(answer, version):
    async def test(poller):
        lab = Lab(poller)
        far = Far(lab.connect().sock, trusting(version))
        await lab.shake(far)
        await until(lambda: lab.service.accepted)
        owner = lab.service.accepted[0][0]
        if answer:
            owner.call("write", answer)
            assert await far.receive() == answer
        await far.send(far.leave())
        assert await far.drained() == b""
        await until(lambda: "lost" in owner.events)
        assert far.closed_properly == bool(answer)
        await lab.close()

    run(test)


def test_one_too_many_is_handed_over_as_such():
    async def test(poller):
        lab = Lab(poller, per_client=2)
        for _ in range(2):
            lab.connect()
        await lab.shake(lab.connect())
        await until(lambda: lab.service.accepted)
        assert not lab.service.accepted[0][2]
        lab.service.accepted[0][0].transport.abort()
        many = [lab.connect() for _ in range(20)]
        ended = [end for end in many if handshake_is_over(end)]
        assert len(ended) == 12  # 8 may linger
        await lab.close()
        assert lab.context.count_client(CLIENT) == 1  # none is left of those before

    run(test)


def handshake_is_over(end):
    try:
        return end.sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_handshake_has_its_time():
    async def test(poller):
        lab = Lab(poller)
        silent, slow = lab.connect(), lab.connect()
        await lab.greet(slow)
        await until(lambda: handshake_has_begun(slow))
        assert not any(waiting.is_due(lab.context.now + 9) for waiting in lab.context.connections)
        for waiting in list(lab.context.connections):
            assert waiting.is_due(lab.context.now + 11)
            waiting.expire()
        await until(lambda: not lab.context.connections)
        assert handshake_is_over(silent)
        assert lab.count(HANDSHAKE_FAILURES) == 2
        await lab.close()

    run(test)


def test_a_connection_gets_a_moment_for_its_first_request_while_rsp_drains():
    async def test(poller):
        lab = Lab(poller)
        lab.context.draining = True
        far = lab.connect()
        await lab.shake(far)
        await until(lambda: lab.count(HANDSHAKES))
        (waiting,) = lab.context.connections
        assert not waiting.is_idle
        assert not lab.service.accepted
        await far.send(far.seal(b"request"))
        await until(lambda: lab.service.accepted and lab.service.accepted[0][0].received == b"request")
        other = lab.connect()
        await lab.shake(other)
        await until(lambda: lab.count(HANDSHAKES) == 2)
        (waiting,) = lab.context.connections
        waiting.expire()
        assert await other.receive() == b""
        assert other.closed_properly
        await lab.close()
        assert lab.count(HANDSHAKE_FAILURES) == 0

    run(test)


# -- towards peers


class Peer:
    """A peer in the hands of a test."""

    def __init__(self, sock):
        site = authority().issue(NAME)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            context.load_cert_chain(site.write(Path(directory), "peer"))
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    async def step(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            return self.outgoing.read()
        if said := self.outgoing.read():
            await asyncio.get_running_loop().sock_sendall(self.sock, said)
        self.incoming.write(await asyncio.get_running_loop().sock_recv(self.sock, 65536))
        return None


@contextlib.contextmanager
def towards_a_peer(poller, name=NAME):
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    told = []
    owner = Owner()

    def done(transport, reason):
        told.append((transport, reason))
        if transport is not None:
            owner.transport = transport
            transport.begin(owner, LIMIT)

    transport = TlsTransport(poller, near.detach())
    trusting = ssl.create_default_context(cadata=authority().pem.decode())
    handshake = ClientHandshake(transport, Context(trusting).client(name, None), name, done)
    with far:
        yield handshake, Peer(far), owner, told
    transport.abort()


def test_a_peer_may_speak_first():
    async def test(poller):
        with towards_a_peer(poller) as (_, peer, owner, told):
            while (last := await peer.step()) is None:
                pass
            peer.tls.write(b"hello")
            await asyncio.get_running_loop().sock_sendall(peer.sock, last + peer.outgoing.read())
            await until(lambda: owner.received == b"hello")
            assert len(told) == 1
            owner.call("write", b"request")
            peer.incoming.write(await asyncio.get_running_loop().sock_recv(peer.sock, 65536))
            assert peer.tls.read(100) == b"request"
            peer.sock.close()
            await until(lambda: "lost" in owner.events)
            assert owner.events == ["lost"]  # no close_notify

    run(test)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks plain HTTP"),
        (b"", "closed the connection during the TLS handshake"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "accepts nothing of what rsp offers"),
    ],
    ids=["plain HTTP", "nothing", "an alert"],
)
def test_a_peer_that_does_not_shake_hands(said, reason):
    async def test(poller):
        with towards_a_peer(poller) as (_, peer, owner, told):
            peer.sock.recv(65536)
            peer.sock.send(said)
            peer.sock.close()
            await until(lambda: told)
            assert told[0][0] is None
            assert told[0][1].startswith(reason)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(told) == 1
            assert owner.events == []

    run(test)


def test_a_peer_with_another_name():
    async def test(poller):
        with towards_a_peer(poller, "other.example") as (_, peer, _owner, told):
            while not told:
                if await peer.step():
                    break
            await until(lambda: told)
            assert told == [(None, f"has a certificate for {NAME}, not for other.example")]

    run(test)


def test_a_handshake_with_a_peer_is_given_up():
    async def test(poller):
        with towards_a_peer(poller) as (handshake, peer, _owner, told):
            handshake.cancel("timed out")
            handshake.cancel("again")
            assert told == [(None, "timed out")]
            while await asyncio.get_running_loop().sock_recv(peer.sock, 65536):
                pass

    run(test)
