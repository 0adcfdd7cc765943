"""Peers over TLS: what is verified, when sessions are resumed, and when connections are not used again."""

import socket
import ssl
import threading

import pytest

from rsp.config.tls import UpstreamTls
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.config.upstreams import UpstreamPeer
from rsp.exchange.forward.conversations import Conversations
from rsp.exchange.forward.pool import Pool
from rsp.exchange.forward.secure_pool import SecurePool
from rsp.exchange.forward.upstream import Upstream
from rsp.ipc.peer_cells import CONNECTING
from rsp.ipc.peer_table import PeerEntry
from rsp.tls.client_rules import KnownRules, name_to_verify
from rsp.tls.material import Chain, Described, Keyring
from tests.certificates import authority
from tests.harness import answering
from tests.tls_peers import SecureBackend, plain_http
from tests.unit.test_peers import Asking, Worker

CA = authority("Peers CA")
VERIFIED = UpstreamTls(ca="ca")
CRL = CA.crl(CA.issue("127.0.0.1", number=7))


def ring(*, ca=CA.pem, crl=CRL, own=None) -> Keyring:
    chain = Chain(own.chain, own.key(), Described("", "", (), "", "", "", "", 0, 0)) if own is not None else None
    return Keyring(authorities={"ca": ca, "crl": crl}, own={("own", "own"): chain} if chain is not None else {})


class Sending(Asking):
    """It is sent at once, as requests are."""

    def connected(self, stream):
        super().connected(stream)
        self.send(stream)


class TlsWorker(Worker):
    def __init__(self, directory) -> None:
        super().__init__()
        self.path = directory
        self.backends: list[SecureBackend] = []

    def backend(self, site=None, **options) -> SecureBackend:
        options.setdefault("handler", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        backend = SecureBackend(self.path, site or CA.issue("127.0.0.1"), **options)
        self.backends.append(backend)
        return backend

    def over(self, *backends, secure=VERIFIED, keyring=None, **more) -> Upstream:
        """The upstream, from now on."""
        peers = tuple(UpstreamPeer(address=Address(each.address)) for each in backends)
        config = UpstreamConfig(name="app", peers=peers, tls=secure or False, **more)
        rules = self.directory.rules(config, keyring or ring())
        upstream = Upstream(self.context, self.directory, config, 0.0, rules)
        upstream.arrange(
            [PeerEntry(each.address, number, number, 1, False, 0) for number, each in enumerate(peers)], ()
        )
        self.directory.retire_all_but({peer.stats.number for peer in upstream.peers})
        return upstream

    def ask(self, upstream, number: int = 0) -> Asking:
        """A request and its response, or what became of it."""
        peer, request = upstream.peers[number], Sending()
        stream = peer.pool.take(request)
        if stream is not None:
            request.connected(stream)
        else:
            peer.pool.connect(request)
        self.wait(lambda: 200 in request.told or any(isinstance(each, tuple) for each in request.told))
        return request

    def failure(self, upstream) -> str:
        (told,) = self.ask(upstream).told
        assert told[1:] == (False, False)
        return told[0]


@pytest.fixture
def worker(tmp_path):
    worker = TlsWorker(tmp_path)
    yield worker
    for backend in worker.backends:
        backend.close()
    worker.wait(lambda: not worker.context.peer_connections and not worker.context.attempts)
    worker.context.poller.close()
    worker.loop.close()


# -- names and rules


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("10.0.0.1:8443", "10.0.0.1"),
        ("[::1]:8443", "::1"),
        ("api.example:8443", "api.example"),
        ("srv:_http._tcp.example.com", "example.com"),
        ("unix:/run/app.sock", "localhost"),
    ],
)
def test_the_name_is_what_the_configuration_says(given, name):
    assert name_to_verify(UpstreamTls(), Address(given)) == name
    assert name_to_verify(UpstreamTls(name="other"), Address(given)) == "other"


def test_rules_are_the_same_as_long_as_what_they_are_made_of_is():
    known, one, other = KnownRules(), CA.issue("rsp", client=True), CA.issue("rsp", client=True, number=1)
    plain = known.find(UpstreamTls(ca="ca"), ring())
    assert known.find(UpstreamTls(ca="ca", name="else"), ring()) is plain
    full = UpstreamTls(ca="ca", crl="crl", certificate="own")
    found = [
        plain,
        known.find(UpstreamTls(ca="ca"), ring(ca=authority("Another CA").pem)),
        known.find(UpstreamTls(ca="ca", min="1.3"), ring()),
        known.find(UpstreamTls(verify=False), ring()),
        known.find(full, ring(own=one)),
        known.find(full, ring(own=other)),
        known.find(full, ring(own=one, crl=CA.crl())),
    ]
    assert len(set(found)) == len(found)


# -- handshakes


def test_a_request_goes_over_a_verified_connection_that_is_kept(worker):
    backend = worker.backend()
    upstream = worker.over(backend)
    for _ in range(3):
        assert worker.ask(upstream).body == b"ok"
    assert (backend.handshakes, backend.names) == (1, [None]), "no server name for an IP address"
    assert upstream.peers[0].stats.own(CONNECTING) == 0


def test_a_name_is_sent_and_verified(worker):
    backend = worker.backend(CA.issue("api.example"))
    assert worker.ask(worker.over(backend, secure=UpstreamTls(ca="ca", name="api.example"))).body == b"ok"
    assert backend.names == ["api.example"]


def _tls_1_1(context):
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


@pytest.mark.parametrize(
    ("site", "setup", "words"),
    [
        (CA.issue("127.0.0.1", begins=-9, ends=-2), None, "has a certificate that expired on "),
        (CA.issue("127.0.0.1", begins=2), None, "has a certificate that is not valid yet"),
        (CA.issue("other.example", "127.0.0.2"), None, "for other.example, 127.0.0.2, not for 127.0.0.1"),
        (authority("Unknown CA").issue("127.0.0.1"), None, "not trusted"),
        (CA.issue("127.0.0.1", number=7), None, "has a certificate that has been revoked"),
        (CA.issue("127.0.0.1", client=True), None, "has a certificate that is not for servers"),
        (CA.issue("127.0.0.1", kind="rsa"), _tls_1_1, "accepts none of the TLS versions that rsp offers"),
    ],
)
def test_a_certificate_that_is_not_right_is_a_failure_to_connect(worker, site, setup, words):
    backend = worker.backend(site, context=setup or (lambda context: None))
    assert words in worker.failure(worker.over(backend, secure=UpstreamTls(ca="ca", crl="crl")))
    assert not backend.heads, "nothing was sent"


def test_without_verification_any_certificate_is_right(worker):
    backend = worker.backend(authority("Unknown CA").issue("other.example", begins=-9, ends=-2))
    assert worker.ask(worker.over(backend, secure=UpstreamTls(verify=False))).body == b"ok"


def test_a_peer_without_tls(worker):
    backend = worker.backend()
    backend.raw = plain_http
    assert worker.failure(worker.over(backend)) == "speaks plain HTTP"
    backend.raw = lambda connection: connection.recv(65536)
    assert worker.failure(worker.over(backend)) == "closed the connection during the TLS handshake"


def test_a_handshake_that_hangs_has_an_end(worker):
    backend = worker.backend()
    backend.raw = lambda connection: connection.recv(65536) and connection.recv(65536)
    request = Asking()
    upstream = worker.over(backend)
    upstream.peers[0].pool.connect(request)
    (attempt,) = worker.context.attempts
    worker.wait(lambda: attempt.deadline > worker.context.now + request.limits.handshake_time)
    assert not attempt.is_due(worker.context.now + request.limits.handshake_time)
    assert attempt.is_due(worker.context.now + request.limits.handshake_time + 2)
    attempt.expire()
    assert request.told == [("timed out in the TLS handshake", True, False)]
    assert not worker.context.attempts
    assert upstream.peers[0].stats.own(CONNECTING) == 0


# -- rsp's own certificate


def _wants_certificate(version):
    def setup(context):
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=CA.pem.decode())

    return setup


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate(worker, version):
    backend = worker.backend(context=_wants_certificate(version))
    own = CA.issue("rsp", client=True)
    secure = UpstreamTls(ca="ca", certificate="own")
    assert worker.ask(worker.over(backend, secure=secure, keyring=ring(own=own))).body == b"ok"
    assert backend.clients == ["rsp"]


def test_a_certificate_that_is_missed_only_after_the_handshake_leaves_the_request_untouched(worker):
    backend = worker.backend(context=_wants_certificate(ssl.TLSVersion.TLSv1_3))
    told = worker.ask(worker.over(backend)).told
    assert told[0] == "connected"
    reason, timed_out, untouched = told[-1]
    assert "requires a certificate" in reason
    assert (timed_out, untouched) == (False, True)


# -- sessions


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_sessions_are_resumed(worker, version, close):
    answer = answering(b"HTTP/1.1 200 OK\r\n" + close + b"Content-Length: 2\r\n\r\nok", keep=not close)
    backend = worker.backend(handler=answer, context=lambda context: setattr(context, "maximum_version", version))
    upstream = worker.over(backend)
    for _ in range(4):
        assert worker.ask(upstream).body == b"ok"
        worker.wait(lambda: not close or not worker.context.peer_connections)
        for connection in [each for each in worker.context.peer_connections if each.waits]:
            connection.transport.abort()
        worker.turn()
    assert (backend.handshakes, backend.resumed) == (4, 3)


def test_sessions_end_with_the_rules(worker):
    backend = worker.backend()
    upstream = worker.over(backend)
    worker.ask(upstream)
    for keyring in (ring(ca=CA.pem + authority("Another CA").pem), ring(ca=CA.pem + authority("Third CA").pem)):
        upstream = worker.over(backend, keyring=keyring)
        assert worker.ask(upstream).body == b"ok"
    assert (backend.handshakes, backend.resumed) == (3, 0)


# -- connections that were made by other rules


def test_the_same_rules_keep_connections_over_a_reload(worker):
    backend = worker.backend()
    worker.ask(worker.over(backend))
    worker.ask(worker.over(backend, keepalive=3, secure=UpstreamTls(ca="ca", name="127.0.0.1")))
    assert backend.handshakes == 1


def test_other_rules_close_what_is_idle_and_let_what_runs_finish(worker):
    turn = threading.Semaphore(1)

    def answer(connection, head, rest):
        turn.acquire(timeout=10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    backend = worker.backend(handler=answer)
    upstream = worker.over(backend)
    first, second = worker.connect_to(upstream.peers[0]), worker.connect_to(upstream.peers[0])
    first.send(first.stream)
    worker.wait(lambda: 200 in first.told)
    second.send(second.stream)
    assert len(worker.context.peer_connections) == 2
    renewed = ring(ca=CA.pem + authority("Another CA").pem)
    worker.directory.renew(renewed, [upstream])
    worker.wait(lambda: len(worker.context.peer_connections) == 1)
    turn.release(3)
    worker.wait(lambda: 200 in second.told)
    worker.wait(lambda: not worker.context.peer_connections)
    worker.ask(upstream)
    assert (backend.handshakes, backend.resumed) == (3, 0)
    worker.directory.renew(renewed, [upstream])
    worker.ask(upstream)
    assert backend.handshakes == 3, "nothing has changed"


def test_a_connection_that_is_being_made_by_other_rules_is_used_once(worker):
    backend = worker.backend()
    upstream = worker.over(backend)
    request = Asking()
    upstream.peers[0].pool.connect(request)
    worker.directory.renew(ring(ca=CA.pem + authority("Another CA").pem), [upstream])
    worker.wait(lambda: request.told)
    request.send(request.stream)
    worker.wait(lambda: 200 in request.told)
    worker.wait(lambda: not worker.context.peer_connections)
    assert not upstream.peers[0].pool.idle


def test_a_connection_that_is_kept_for_a_client_is_closed_as_well(worker):
    backend = worker.backend()
    upstream = worker.over(backend)
    (peer,) = upstream.peers
    worker.ask(upstream)
    conversations = Conversations()
    conversations.keep(peer, peer.pool.idle.take_newest())
    assert conversations.find("app", worker.context.now) is not None
    worker.directory.renew(ring(ca=CA.pem + authority("Another CA").pem), [upstream])
    worker.wait(lambda: not worker.context.peer_connections)
    assert conversations.find("app", worker.context.now) is None


def test_from_plain_to_tls_and_back(worker):
    backend = worker.backend()
    plain = worker.over(backend, secure=None)
    assert type(plain.peers[0].pool) is Pool
    secure = worker.over(backend)
    assert isinstance(secure.peers[0].pool, SecurePool)
    assert secure.peers[0] is plain.peers[0]
    assert worker.ask(secure).body == b"ok"
    again = worker.over(backend, secure=None)
    assert type(again.peers[0].pool) is Pool
    worker.wait(lambda: not worker.context.peer_connections)


def test_a_renewal_that_cannot_be_used_changes_nothing(worker):
    backend = worker.backend()
    upstream = worker.over(backend)
    worker.ask(upstream)
    with pytest.raises(Exception, match="ca"):
        worker.directory.renew(Keyring(authorities={"ca": b"nothing"}), [upstream])
    worker.ask(upstream)
    assert backend.handshakes == 1


# -- the end of a response


@pytest.mark.parametrize("proper", [True, False])
def test_a_response_without_length_needs_a_proper_end(worker, proper):
    def answer(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        if proper:
            connection.unwrap()
        else:
            connection.shutdown(socket.SHUT_RDWR)
        return False

    backend = worker.backend(handler=answer)
    request = worker.ask(worker.over(backend))
    worker.wait(lambda: "done" in request.told or isinstance(request.told[-1], tuple))
    assert request.body == b"half"
    assert ("done" in request.told) is proper
    assert proper or "close_notify" in request.told[-1][0]
