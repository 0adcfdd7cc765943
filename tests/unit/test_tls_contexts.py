"""What contexts allow: versions, ciphers, certificates of clients and of peers, each tried with real handshakes."""

import ssl
from pathlib import Path

import pytest

from rsp.config.tls import Tls, UpstreamTls
from rsp.tls import engine
from rsp.tls.contexts import (
    INTERMEDIATE,
    ContextError,
    client_content,
    client_context,
    client_ssl_context,
    profile_of,
    server_context,
    system_stamp,
)
from rsp.tls.engine import Context, TlsError
from rsp.tls.material import Keyring
from rsp.tls.policy import Profile, Verification
from tests.certificates import Authority, Issued, authority
from tests.unit.test_tls_hello import block, message, records
from tests.unit.tls_lab import both, chain, chain_of, client, talk

CA, STAFF = authority(), authority("Staff CA")
BETWEEN = STAFF.intermediate("Staff Issuing CA")
SITE, RSA_SITE = chain("site.example"), chain("site.example", kind="rsa")
ALICE = STAFF.issue("alice", client=True)
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])


def serving(*chains, verification: Verification | None = None, **tls) -> Context:
    return server_context(chains or (SITE,), profile_of(Tls(**tls)), verification)


def accepted(server: Context, far: ssl.SSLContext) -> str:
    """The version and the cipher, or why not."""
    try:
        spoken = talk(server, far, "site.example").object
    except TlsError as error:
        return str(error)
    return f"{spoken.version()} {spoken.cipher()[0]}"


# -- versions and ciphers


@pytest.mark.parametrize(
    ("tls", "oldest"),
    [({}, "1.2"), ({"min": "1.3"}, "1.3"), ({"ciphers": "modern"}, "1.3"), ({"ciphers": "AES128-SHA256"}, "1.2")],
)
def test_versions(tls, oldest):
    assert profile_of(Tls(**tls)).min == oldest
    server = serving(**tls)
    assert accepted(server, client()).startswith("TLSv1.3")
    older = accepted(server, client(newest="TLSv1_2", ciphers="ALL"))
    assert older == "unsupported protocol" if oldest == "1.3" else older.startswith(("TLSv1.2", "no shared cipher"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
@pytest.mark.parametrize("ciphers", ["intermediate", "modern"])
def test_versions_that_are_never_spoken(version, ciphers):
    old = client(newest=version, ciphers="ALL:@SECLEVEL=0")
    assert accepted(serving(ciphers=ciphers), old) == "unsupported protocol"


@pytest.mark.parametrize("cipher", INTERMEDIATE.split(":"))
def test_ciphers_of_the_intermediate_profile(cipher):
    assert accepted(serving(SITE, RSA_SITE), client(newest="TLSv1_2", ciphers=cipher)) == f"TLSv1.2 {cipher}"


@pytest.mark.parametrize(
    "cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_other_ciphers_are_refused(cipher):
    server = serving(SITE, RSA_SITE)
    assert accepted(server, client(newest="TLSv1_2", ciphers=cipher)) == "no shared cipher"


def test_the_cheapest_cipher_is_taken_unless_the_client_is_better_off_with_chacha():
    chacha, aes, large = (
        f"ECDHE-ECDSA-{name}" for name in ("CHACHA20-POLY1305", "AES128-GCM-SHA256", "AES256-GCM-SHA384")
    )
    for offered, taken in (
        ((chacha, aes), chacha),
        ((aes, chacha), aes),
        ((large, aes), aes),
        ((large, chacha), large),
    ):
        far = client(newest="TLSv1_2", ciphers=":".join(offered))
        assert accepted(serving(), far) == f"TLSv1.2 {taken}"


@pytest.mark.skipif(not engine.COMPLETE, reason="stdlib does not set the suites of TLS 1.3")
def test_the_cheapest_suite_of_tls_1_3_is_taken():
    assert accepted(serving(), client()) == "TLSv1.3 TLS_AES_128_GCM_SHA256"


@pytest.mark.skipif(not engine.COMPLETE, reason="stdlib lets OpenSSL look for issuers")
@VERSIONS
def test_clients_get_the_chain_of_the_file_whatever_clients_are_verified_with(version):
    alone = Issued(BETWEEN.issue("site.example").certificate, BETWEEN.issue("site.example").private)
    server = serving(chain_of(alone), verification=Verification(BETWEEN.pem + STAFF.pem, required=False))
    far = talk(server, client(None, newest=version), "site.example").object
    assert len(far._sslobj.get_unverified_chain()) == 1


def test_ciphers_of_one_s_own():
    server = serving(ciphers="ECDHE-ECDSA-AES128-SHA256")
    assert accepted(server, client(newest="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-SHA256")).startswith("TLSv1.2")
    assert accepted(server, client(newest="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")) == "no shared cipher"


@VERSIONS
def test_without_tickets_nothing_resumes(version):
    server, far = serving(session_tickets=False), client(newest=version)
    first = talk(server, far, "site.example").object
    assert first.session is None or not first.session.has_ticket
    assert not talk(server, far, "site.example", first.session).object.session_reused
    server = serving()
    first = talk(server, far, "site.example").object
    assert talk(server, far, "site.example", first.session).object.session_reused


def offering(group: int, share: bytes) -> bytes:
    """A hello of TLS 1.3 with a key for one group."""
    one = group.to_bytes(2)
    extensions = (
        (43, block(b"\x03\x04", 1)),
        (10, block(one)),
        (13, block(b"\x04\x03")),
        (51, block(one + block(share))),
    )
    return records(message(*extensions))


@pytest.mark.skipif(not engine.COMPLETE, reason="Python's ssl can choose a single group only")
@pytest.mark.parametrize(
    ("group", "share", "taken"),
    [
        (0x001D, bytes(31) + b"\x09", True),
        (0x001E, bytes(55) + b"\x05", False),
        (0x0100, bytes(255) + b"\x02", False),
        (0x0104, bytes(1023) + b"\x02", False),
    ],
    ids=["x25519", "x448", "ffdhe2048", "ffdhe8192"],
)
def test_groups(group, share, taken):
    """A key of ffdhe8192 costs a client nothing and would take a server 125 ms."""
    server = serving().server(b"")
    if taken:
        server.open(offering(group, share))
        assert len(server.take()) > 500
    else:
        with pytest.raises(TlsError, match="no suitable key share"):
            server.open(offering(group, share))


# -- what OpenSSL refuses


def other_key() -> bytes:
    return authority().issue("other.example", kind="rsa", number=1).key()


@pytest.mark.parametrize(
    ("content", "key", "text"),
    [
        (SITE.chain, other_key(), "the key does not fit the certificate"),
        (RSA_SITE.chain, other_key(), "the key does not fit the certificate"),
        (SITE.chain, CA.issue("site.example").key(b"secret"), "a PEM block is missing, malformed or encrypted"),
        (SITE.chain, b"", "a PEM block is missing, malformed or encrypted"),
        (b"", SITE.key, "a PEM block is missing, malformed or encrypted"),
        (b"nothing", SITE.key, "a PEM block is missing, malformed or encrypted"),
    ],
)
def test_what_does_not_fit_is_said(content, key, text):
    wrong = type(SITE)(content, key, SITE.about)
    with pytest.raises(ContextError) as caught:
        serving(wrong)
    assert str(caught.value) == text


def test_ciphers_that_openssl_does_not_have():
    with pytest.raises(ContextError, match='OpenSSL has none of the ciphers "ECDHE-NONE"'):
        serving(ciphers="ECDHE-NONE")


@pytest.mark.parametrize("content", [b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_authorities_that_are_none(content):
    with pytest.raises(ContextError):
        serving(verification=Verification(content))


def test_keys_are_not_shown():
    keyring = Keyring((SITE,), {}, {("a", "a"): SITE})
    for shown in (repr(SITE), repr(keyring), str(keyring)):
        assert "PRIVATE" not in shown
        assert SITE.key.splitlines()[1].decode() not in shown


# -- certificates of clients


def verifying(ca: bytes = STAFF.pem, crl: bytes = b"", required: bool = True) -> Context:
    return serving(verification=Verification(ca, crl, required))


def through(issued: Issued, *above: Authority) -> Issued:
    """With these in its chain."""
    return Issued(issued.certificate, issued.private, tuple(one.certificate for one in above))


ISSUED_BETWEEN = through(BETWEEN.issue("alice", client=True), BETWEEN)


@VERSIONS
@pytest.mark.parametrize(
    ("server", "shows", "reason"),
    [
        (verifying(), ALICE, ""),
        (verifying(), None, "peer did not return a certificate"),
        (verifying(), CA.issue("mallory", client=True), "self-signed certificate in certificate chain"),
        (verifying(), STAFF.issue("alice", client=True, begins=-9, ends=-8), "certificate has expired"),
        (verifying(), STAFF.issue("alice", client=True, begins=8), "certificate is not yet valid"),
        (verifying(), STAFF.issue("alice"), "unsuitable certificate purpose"),
        (verifying(), BETWEEN.issue("alice", client=True), ""),
        (verifying(), through(BETWEEN.issue("alice", client=True)), "unable to get local issuer certificate"),
        (verifying(BETWEEN.pem), through(BETWEEN.issue("alice", client=True)), ""),
        (verifying(BETWEEN.pem), BETWEEN.issue("alice", client=True), ""),
        (verifying(BETWEEN.pem), ALICE, "unable to get local issuer certificate"),
        (verifying(CA.pem + STAFF.pem), ALICE, ""),
        (verifying(required=False), None, ""),
        (verifying(required=False), ALICE, ""),
        (verifying(required=False), CA.issue("mallory", client=True), "self-signed certificate in certificate chain"),
        (verifying(crl=STAFF.crl()), ALICE, ""),
        (verifying(crl=STAFF.crl(ALICE)), ALICE, "certificate revoked"),
        (verifying(crl=STAFF.crl(STAFF.issue("bob", client=True))), ALICE, ""),
        (verifying(crl=STAFF.crl(ends=-0.5)), ALICE, "CRL has expired"),
        (verifying(crl=CA.crl()), ALICE, "unable to get certificate CRL"),
        (verifying(CA.pem + STAFF.pem, CA.crl() + STAFF.crl(ALICE)), ALICE, "certificate revoked"),
        (verifying(BETWEEN.pem, BETWEEN.crl()), through(BETWEEN.issue("alice", client=True)), ""),
        (verifying(crl=STAFF.crl() + BETWEEN.crl()), ISSUED_BETWEEN, ""),
        (verifying(crl=STAFF.crl(BETWEEN) + BETWEEN.crl()), ISSUED_BETWEEN, "certificate revoked"),
        (verifying(STAFF.pem + BETWEEN.pem, STAFF.crl(BETWEEN) + BETWEEN.crl()), ISSUED_BETWEEN, "certificate revoked"),
        (verifying(crl=BETWEEN.crl()), ISSUED_BETWEEN, "unable to get certificate CRL"),
        (verifying(crl=STAFF.crl() + CA.crl() + CA.pem), CA.issue("mallory", client=True), "self-signed certificate"),
    ],
)
def test_certificates_of_clients(version, server, shows, reason):
    far = client(shows=shows, newest=version)
    if not reason:
        assert talk(server, far, "site.example").ready
        return
    with pytest.raises(TlsError, match=reason):
        talk(server, far, "site.example")


def test_the_policy_is_the_digest_of_the_rules():
    one = Verification(STAFF.pem)
    assert serving(verification=one).policy == one.digest
    assert serving().policy == b""
    others = (
        Verification(CA.pem), Verification(STAFF.pem, STAFF.crl()), Verification(STAFF.pem, required=False),
        Verification(STAFF.pem[:-1], STAFF.pem[-1:]),
    )  # fmt: skip
    assert len({one.digest, *(other.digest for other in others)}) == 1 + len(others)
    assert all(len(other.digest) == 32 for other in others)


# -- peers


def asking(files: dict[str, bytes] | None = None, own: Issued | None = None, **secure) -> Context:
    known = {"ca": CA.pem, "staff": STAFF.pem, **(files or {})}
    keys = {("own", "own"): chain_of(own)} if own is not None else {}
    return client_context(client_content(UpstreamTls(**{"ca": "ca", **secure}), Keyring(authorities=known, own=keys)))


def reasons(server: Context, near: Context, name: str) -> tuple[str, str]:
    """The errors of the peer's side, of rsp's side."""
    errors = both(server.server(b""), near.client(name, None))
    return str(errors[0] or ""), str(errors[1] or "")


@pytest.mark.parametrize(
    ("names", "name", "reason"),
    [
        (("site.example",), "site.example", ""),
        (("site.example",), "SITE.example", ""),
        (("site.example",), "other.example", "hostname mismatch"),
        (("*.site.example",), "a.site.example", ""),
        (("*.site.example",), "a.b.site.example", "hostname mismatch"),
        (("*.site.example",), "site.example", "hostname mismatch"),
        (("10.0.0.1",), "10.0.0.1", ""),
        (("::1",), "::1", ""),
        (("10.0.0.1",), "10.0.0.2", "IP address mismatch"),
        (("site.example",), "10.0.0.1", "IP address mismatch"),
    ],
)
def test_names_of_peers(names, name, reason):
    assert reasons(serving(chain(*names)), asking(), name)[1] == reason


@pytest.mark.parametrize(
    ("issued", "near", "reason"),
    [
        (CA.issue("site.example"), asking(ca="staff"), "unable to get local issuer certificate"),
        (CA.issue("site.example", begins=-9, ends=-8), asking(), "certificate has expired"),
        (CA.issue("site.example", client=True), asking(), "unsuitable certificate purpose"),
        (CA.issue("site.example"), asking({"crl": CA.crl(CA.issue("site.example"))}, crl="crl"), "certificate revoked"),
        (CA.issue("site.example"), asking({"crl": CA.crl(ends=-0.5)}, crl="crl"), "CRL has expired"),
        (CA.issue("site.example"), asking({"crl": CA.crl()}, crl="crl"), ""),
        (CA.issue("site.example"), asking({"ca": CA.issue("site.example").pem}), ""),  # the peer's own certificate
        (CA.issue("other.example", begins=-9, ends=-8), asking(ca=None, verify=False), ""),
    ],
)
def test_certificates_of_peers(issued, near, reason):
    assert reasons(serving(chain_of(issued)), near, "site.example")[1] == reason


def test_the_version_for_peers():
    older = Profile("1.2", INTERMEDIATE)
    assert reasons(server_context([SITE], older, None), asking(min="1.3"), "site.example") == ("", "")
    far = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    far.maximum_version = ssl.TLSVersion.TLSv1_2
    assert reasons(Context(far), asking(min="1.3"), "site.example")[1] == "tlsv1 alert protocol version"


def test_rsp_s_own_certificate():
    assert reasons(verifying(), asking(own=ALICE, certificate="own"), "site.example") == ("", "")
    assert reasons(verifying(), asking(), "site.example")[0] == "peer did not return a certificate"


@pytest.mark.parametrize("secure", [{"ca": "gone"}, {"crl": "gone"}, {"certificate": "gone"}])
def test_files_that_were_not_read(secure):
    with pytest.raises(ContextError, match='"gone" has not been read'):
        asking(**secure)


def test_the_policy_of_peers():
    assert asking().policy == Verification(CA.pem).digest
    assert asking(verify=False).policy == b""


@pytest.fixture
def system(monkeypatch, tmp_path) -> Path:
    """The file with the system's authorities."""
    file = CA.write(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return file


def test_the_authorities_of_the_system(system):
    assert reasons(serving(), asking(ca=None), "site.example") == ("", "")
    known, stamp = client_ssl_context(UpstreamTls(), Keyring()), system_stamp()
    assert client_ssl_context(UpstreamTls(), Keyring()) is known
    system.unlink()
    STAFF.write(system)
    assert system_stamp() != stamp
    assert client_ssl_context(UpstreamTls(), Keyring()) is not known
    assert reasons(serving(), asking(ca=None), "site.example")[1] == "unable to get local issuer certificate"


def test_contexts_of_equal_content_are_one():
    def one(file: str, content: bytes, **secure) -> ssl.SSLContext:
        return client_ssl_context(UpstreamTls(ca=file, **secure), Keyring(authorities={file: content}))

    assert one("a", CA.pem) is one("b", CA.pem) is one("a", CA.pem, name="other.example")
    assert len({id(one("a", CA.pem)), id(one("a", STAFF.pem)), id(one("a", CA.pem, min="1.3"))}) == 3
    assert one("a", CA.pem, verify=False) is one("a", STAFF.pem, verify=False)
