"""Sessions of the TLS engine: tickets that other contexts accept, what sessions are bound to, stapling, and memory."""

import ctypes
import gc
import hashlib
import ssl
import subprocess
import sys

import pytest

from rsp.tls import engine
from rsp.tls.engine import Context
from tests.certificates import authority, now
from tests.harness import wait_until
from tests.unit.tls_sides import CA, SITE, VERSIONS, Maker, Stock, needs_complete, shake

STAFF = authority("Staff CA")
KEYS = [bytes([number]) * 80 for number in range(1, 5)]
POLICY, OTHER = b"p" * 32, b"q" * 32


@pytest.fixture(scope="module")
def make(tmp_path_factory) -> Maker:
    return Maker(tmp_path_factory.mktemp("sessions"))


def opened(make: Maker, version: str, *keys: bytes, policy: bytes = b"", **about: object) -> Context:
    """A server's context, as each worker makes its own."""
    context = Context(make.server(version, **about), policy)
    context.use_tickets(keys)
    return context


class Client:
    """Remembers its session, as browsers do."""

    def __init__(self, stock: ssl.SSLContext) -> None:
        self.context = stock
        self.session = None

    def visit(self, server: Context) -> bool:
        """Whether the session was resumed."""
        client, served = Stock(self.context, server=False, session=self.session), server.server(b"example.com")
        shake(client, served)
        assert served.open(client.seal(b"request")) == b"request"
        assert served.facts().resumed == client.object.session_reused
        self.session = client.object.session
        client.open(served.close())
        client.finish()
        return client.object.session_reused


# -- tickets


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_tickets_resume_at_any_worker(make, version):
    client = Client(make.client(version))
    assert [client.visit(opened(make, version, KEYS[0])) for _ in range(3)] == [False, True, True]


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_rotation(make, version):
    """A ticket of the key before the newest is good, and is replaced by one of the newest."""
    client = Client(make.client(version))
    assert not client.visit(opened(make, version, KEYS[0]))
    assert client.visit(opened(make, version, KEYS[1], KEYS[0]))
    assert client.visit(opened(make, version, KEYS[2], KEYS[1]))
    assert not client.visit(opened(make, version, KEYS[3]))


def test_each_visit_brings_a_new_ticket(make):
    """A client uses a ticket of TLS 1.3 once."""
    server, client, seen = opened(make, "1.3", KEYS[0]), Client(make.client("1.3")), set()
    for _ in range(4):
        client.visit(server)
        seen.add(client.session.id)
    assert len(seen) == 4


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_that_was_tampered_with_is_no_session(make, version):
    client = Client(make.client(version))
    client.visit(opened(make, version, KEYS[0]))
    forged = KEYS[0][:16] + KEYS[1][16:]
    assert not client.visit(opened(make, version, forged))


@needs_complete
def test_keys_may_change_while_connections_are_made(make):
    server, client = opened(make, "1.3", KEYS[0]), Client(make.client("1.3"))
    client.visit(server)
    server.use_tickets([KEYS[1], KEYS[0]])
    assert client.visit(server)
    server.use_tickets([KEYS[2]])
    assert not client.visit(server)


@needs_complete  # Python's ssl keeps sessions of TLS 1.2 in memory then
@pytest.mark.parametrize("version", VERSIONS)
def test_without_tickets_nothing_is_resumed(make, version):
    stock = make.server(version)
    stock.options |= ssl.OP_NO_TICKET
    stock.num_tickets = 0
    server, client = Context(stock), Client(make.client(version))
    assert [client.visit(server), client.visit(server)] == [False, False]


@needs_complete
@pytest.mark.parametrize("keys", [[b"short"], [KEYS[0], KEYS[1][:79]]])
def test_keys_of_another_size(make, keys):
    with pytest.raises(ValueError, match="80 bytes"):
        Context(make.server()).use_tickets(keys)


# -- what a session is bound to


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_never_opens_a_name_with_other_rules(make, version):
    """CVE-2025-23419: without a certificate in at an open name, resumed at one that requires a certificate."""
    client = Client(make.client(version))
    assert not client.visit(opened(make, version, KEYS[0]))
    assert client.visit(opened(make, version, KEYS[0]))
    with pytest.raises((engine.TlsError, ssl.SSLError)):
        client.visit(opened(make, version, KEYS[0], policy=POLICY, ca=STAFF))


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_other_authorities_end_resumption(make, version):
    client = Client(make.client(version, own=STAFF.issue("ada", client=True)))
    assert not client.visit(opened(make, version, KEYS[0], policy=POLICY, ca=STAFF))
    assert client.visit(opened(make, version, KEYS[0], policy=POLICY, ca=STAFF))
    assert not client.visit(opened(make, version, KEYS[0], policy=OTHER, ca=STAFF))
    with pytest.raises(engine.TlsError, match="issuer"):
        client.visit(opened(make, version, KEYS[0], policy=POLICY[:16], ca=CA))
    assert not client.visit(opened(make, version, KEYS[0]))


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_connection_has_its_certificate(make, version):
    own = STAFF.issue("ada", client=True)
    theirs = Context(make.client(version, own=own))
    session = None
    for turn in range(2):
        client = theirs.client("example.com", session)
        server = opened(make, version, KEYS[0], policy=POLICY, ca=STAFF).server(b"example.com")
        shake(client, server)
        facts = server.facts()
        assert (facts.resumed, facts.certificate, facts.verified, facts.policy) == (turn == 1, own.der, True, POLICY)
        session = client.session()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_that_has_expired_since_is_not_verified(make, version):
    """OpenSSL resumes with the verdict of the first handshake."""
    own = STAFF.issue(f"brief-{version}", client=True, ends=1.5 / 86400)
    theirs, server = Context(make.client(version, own=own)), opened(make, version, KEYS[0], policy=POLICY, ca=STAFF)
    client, served = theirs.client("example.com", None), server.server(b"example.com")
    shake(client, served)
    assert served.facts().verified
    wait_until(lambda: own.certificate.not_valid_after_utc < now())
    again, served = theirs.client("example.com", client.session()), server.server(b"example.com")
    shake(again, served)
    assert (served.facts().resumed, served.facts().certificate, served.facts().verified) == (True, own.der, False)


# -- sessions of a client


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_resumes(make, version):
    server, theirs = Context(make.server(version)), Context(make.client(version))
    session = None
    for turn in range(3):
        client, served = theirs.client("example.com", session), server.server(b"example.com")
        assert client.session() is None or turn
        shake(client, served)
        assert served.facts().resumed == client.facts().resumed == (turn > 0)
        assert client.facts().verified
        session = client.session()
        assert session is not None
        client.close()


@needs_complete
def test_a_session_is_good_for_its_name_and_its_context_only(make):
    server, theirs = opened(make, "1.3", KEYS[0]), Context(make.client("1.3"))
    client = theirs.client("example.com", None)
    shake(client, server.server(b"example.com"))
    session = client.session()
    for context, name in ((theirs, "127.0.0.1"), (Context(make.client("1.3")), "example.com")):
        other = context.client(name, session)
        shake(other, server.server(b"example.com"))
        assert not other.facts().resumed
    same = theirs.client("example.com", session)
    shake(same, server.server(b"example.com"))
    assert same.facts().resumed


def test_something_else_than_a_session_is_none(make):
    client = Context(make.client()).client("example.com", object())
    shake(client, Context(make.server()).server(b""))
    assert not client.facts().resumed


def test_a_session_outlives_its_connection(make):
    server, theirs = Context(make.server()), Context(make.client())
    client = theirs.client("example.com", None)
    shake(client, server.server(b""))
    session = client.session()
    client.close()
    del client
    gc.collect()
    again = theirs.client("example.com", session)
    shake(again, server.server(b""))
    assert again.facts().resumed


@needs_complete
def test_a_session_outlives_a_connection_that_was_given_up(make):
    """OpenSSL takes its session for a bad one, unless it is told of an end."""
    server, theirs = opened(make, "1.3", KEYS[0]), Context(make.client("1.3"))
    client = theirs.client("example.com", None)
    shake(client, server.server(b""))
    session = client.session()
    del client
    again = theirs.client("example.com", session)
    shake(again, server.server(b""))
    assert again.facts().resumed


# -- stapling

STATUS_TYPE, STATUS_RESPONSE = 65, 70  # SSL_ctrl


def stapled(make: Maker, server: Context, version: str) -> bytes | None:
    client = Stock(make.client(version), server=False)
    client.call("SSL_ctrl", STATUS_TYPE, 1, None)
    shake(client, server.server(b"example.com"))
    response = ctypes.c_void_p()
    size = client.call("SSL_ctrl", STATUS_RESPONSE, 0, ctypes.byref(response))
    return ctypes.string_at(response, size) if size > 0 else None


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_stapling(make, version):
    ours, theirs = CA.issue(*SITE), CA.issue("other.example")
    older, newer = CA.ocsp(ours), CA.ocsp(ours)  # real ones, with different signatures: OpenSSL 3.6 reads them
    server = Context(make.server(version))
    assert stapled(make, server, version) is None
    digest, another = (hashlib.sha256(one.der).digest() for one in (ours, theirs))
    server.staple({digest: older, another: CA.ocsp(theirs), b"": b"x"})
    assert stapled(make, server, version) == older
    server.staple({digest: newer})
    assert stapled(make, server, version) == newer
    shake(Stock(make.client(version), server=False), server.server(b""))  # does not ask
    server.staple({another: CA.ocsp(theirs)})
    assert stapled(make, server, version) is None
    server.staple({})
    assert stapled(make, server, version) is None


@needs_complete
def test_each_certificate_of_a_context_has_its_response(make):
    stock = make.server("1.2")
    stock.load_cert_chain(CA.issue(*SITE, kind="rsa").write(make.folder, "second"))
    server = Context(stock)
    issued = {kind: CA.issue(*SITE, kind=kind) for kind in ("rsa", "ecdsa")}
    responses = {kind: CA.ocsp(one) for kind, one in issued.items()}
    server.staple({hashlib.sha256(one.der).digest(): responses[kind] for kind, one in issued.items()})
    for kind in issued:
        client = make.client("1.2")
        client.set_ciphers(f"ECDHE-{kind.upper()}-AES128-GCM-SHA256")
        asking = Maker(make.folder)
        asking.client = lambda version, client=client: client
        assert stapled(asking, server, "1.2") == responses[kind]


# -- nothing is kept


class Heap(ctypes.Structure):
    """struct mallinfo2"""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "used", "free", "keep"]
    ]


needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")


def in_use() -> int:
    """Bytes of the heap, and those of Python's own small objects at 50 each."""
    look = ctypes.CDLL(None).mallinfo2
    look.restype = Heap
    gc.collect()
    return look().used + 50 * sys.getallocatedblocks()


@needs_glibc
@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
def test_connections_leave_nothing(make, version):
    server, theirs = opened(make, version, KEYS[0]), Context(make.client(version))
    server.staple({hashlib.sha256(CA.issue(*SITE).der).digest(): b"r" * 1000})
    session = None

    def turn() -> None:
        nonlocal session
        client, served = theirs.client("example.com", session), server.server(b"example.com")
        shake(client, served)
        served.open(client.seal(bytes(100)))
        client.facts(), served.facts()
        session = client.session()
        broken = server.server(b"")
        with pytest.raises(engine.TlsError):
            broken.open(b"garbage" * 3)
        theirs.client("example.com", None).open(b"")  # given up

    for _ in range(100):
        turn()
    before = in_use()
    for _ in range(100):
        turn()
    assert in_use() - before < 20 << 10


@needs_complete
@needs_glibc
@pytest.mark.parametrize("version", VERSIONS)
def test_an_idle_connection_keeps_no_buffers(make, version):
    server, theirs, idle = opened(make, version, KEYS[0]), Context(make.client(version)), []
    before = 0
    for number in range(70):
        if number == 20:
            before = in_use()
        client, served = theirs.client("example.com", None), server.server(b"example.com")
        shake(client, served)
        served.open(client.seal(bytes(20_000)))
        client.open(served.seal(bytes(100_000)))
        idle.append(served)
    del client, served
    assert (in_use() - before) / 50 < 32 << 10  # OpenSSL 3.0: 12 KiB, 3.5: 26 KiB; a buffer each way: 33 KiB more


# -- where OpenSSL cannot be used


@needs_complete
@pytest.mark.parametrize(
    "spoil",
    [
        "import _ssl; _ssl.__file__ = '/nonexistent'",
        "import ssl; ssl.OPENSSL_VERSION_NUMBER = 0x1010100F",
        "import ssl; ssl.SSLContext = type('C', (ssl.SSLContext,), {'options': 0})",
    ],
    ids=["no library", "another version", "another layout"],
)
def test_otherwise_python_s_ssl_is_used(make, spoil, tmp_path):
    """A compiled transport takes the engines, so they are of its type."""
    code = f"""
{spoil}
from pathlib import Path
from rsp.tls import engine, stdlib
from tests.unit.tls_sides import Context, Maker, pair
client, server = pair(Maker(Path({str(tmp_path)!r})))
assert not engine.COMPLETE
assert isinstance(server, engine.Engine) and isinstance(server, stdlib.Engine)
assert server.open(client.seal(b"data")) == b"data"
from rsp.net.secure import TlsTransport
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
