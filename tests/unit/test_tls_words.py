"""Why a handshake has failed: real failures, as rsp's side of them says it in a log line."""

import re
import ssl
import subprocess
import sys
from collections.abc import Callable

import pytest

from rsp.config.tls import Tls, UpstreamTls
from rsp.tls import words
from rsp.tls.contexts import client_content, client_context, profile_of, server_context
from rsp.tls.engine import Context, TlsError
from rsp.tls.material import Keyring
from rsp.tls.policy import Verification
from tests.certificates import Issued, authority
from tests.unit.tls_lab import Client, both, chain, chain_of, client

CA, STAFF = authority(), authority("Staff CA")
SITE = chain("site.example")
ALICE = STAFF.issue("alice", client=True)


def serving(one=SITE, crl: bytes | None = None, **tls) -> Context:
    """``crl``: clients need a certificate."""
    rule = Verification(STAFF.pem, crl) if crl is not None else None
    return server_context([one], profile_of(Tls(**tls)), rule)


def asking(own: Issued | None = None, ca: bytes = CA.pem, crl: bytes = b"", **secure) -> Context:
    files = {"ca": ca, "crl": crl}
    keys = {("own", "own"): chain_of(own)} if own is not None else {}
    how = UpstreamTls(ca="ca", crl="crl" if crl else None, certificate="own" if own else None, **secure)
    return client_context(client_content(how, Keyring(authorities=files, own=keys)))


def of_client(server: Context, far: ssl.SSLContext) -> str:
    """What rsp says of a client whose handshake fails."""
    new = Client(far, "site.example")
    with pytest.raises(TlsError) as caught:
        new.shake(server.server(b""))
    return words.of_client(caught.value, new.hello.versions)


def of_peer(server: Context, near: Context, name: str = "site.example") -> str:
    """What rsp says of a peer."""
    error = both(server.server(b""), near.client(name, None))[1]
    assert error is not None
    return words.of_peer(error, name)


def answered(data: bytes) -> TlsError:
    """The error of a peer that answers with ``data``."""
    near = asking().client("site.example", None)
    near.open(b"")
    with pytest.raises(TlsError) as caught:
        near.open(data)
    return caught.value


# -- clients


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("newest", "said"),
    [("TLSv1", "offers TLS 1.0 only"), ("TLSv1_1", "offers TLS 1.1 only"), ("TLSv1_2", "offers TLS 1.2 only")],
)
def test_versions_of_clients(newest, said):
    assert of_client(serving(min="1.3"), client(newest=newest, ciphers="ALL:@SECLEVEL=0")) == said


def test_versions_that_mean_nothing_are_left_out():
    error = TlsError("unsupported protocol", "UNSUPPORTED_PROTOCOL")
    assert words.of_client(error, (0xFAFA, 0x0302, 0x0301, 0x7F1C)) == "offers TLS 1.1 only"
    assert words.of_client(error, (0xFAFA,)) == "accepts no TLS version in common"
    assert words.of_client(error) == "accepts no TLS version in common"


@pytest.mark.parametrize(
    ("far", "said"),
    [
        (lambda: client(newest="TLSv1_2", ciphers="ECDHE-RSA-AES128-GCM-SHA256"), "offers no cipher in common"),
        (lambda: client(newest="TLSv1_2", ciphers="AES128-SHA"), "offers no cipher in common"),
        (lambda: client(STAFF), r"does not trust the authority of rsp's certificate \(alert: unknown ca\)"),
    ],
)
def test_what_clients_do_not_like(far: Callable[[], ssl.SSLContext], said):
    assert re.match(said, of_client(serving(), far()))


@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
@pytest.mark.parametrize(
    ("shows", "crl", "said"),
    [
        (None, b"", "shows no certificate, and one is required"),
        (CA.issue("mallory", client=True), b"", "has a certificate of an authority that is not trusted"),
        (STAFF.issue("alice", client=True, ends=-0.1), b"", "has a certificate that expired on {yesterday}"),
        (STAFF.issue("alice"), b"", "has a certificate that is not for clients (extended key usage)"),
        (ALICE, STAFF.crl(ALICE), "has a certificate that has been revoked"),
        (ALICE, STAFF.crl(ends=-0.5), "has a certificate whose authority's revocation list (crl) has expired"),
        (ALICE, CA.crl(), "has a certificate of an authority without a revocation list (crl)"),
    ],
)
def test_certificates_of_clients(version, shows, crl, said):
    day = shows.certificate.not_valid_after_utc.strftime("%Y-%m-%d") if shows else ""
    assert of_client(serving(crl=crl), client(shows=shows, newest=version)) == said.format(yesterday=day)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "speaks plain HTTP"),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "speaks plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS"),
    ],
)
def test_what_clients_speak(data, said):
    with pytest.raises(TlsError) as caught:
        serving().server(b"").open(data)
    assert words.of_client(caught.value) == said


# -- peers


@pytest.mark.parametrize(
    ("issued", "near", "name", "said"),
    [
        (
            CA.issue("a.example", "10.0.0.1"), asking(), "b.example",
            "has a certificate for a.example, 10.0.0.1, not for b.example",
        ),
        (
            CA.issue(*(f"{at}.example" for at in range(5))), asking(), "10.0.0.2",
            "has a certificate for 0.example, 1.example, 2.example and others, not for 10.0.0.2",
        ),
        (CA.issue(subject="a b"), asking(), "a.example", "has a certificate for no name, not for a.example"),
        (
            CA.issue("a.example"), asking(ca=STAFF.pem), "a.example",
            "has a certificate of an authority that is not trusted, or sends an incomplete chain",
        ),
        (CA.issue("a.example", begins=1), asking(), "a.example", "has a certificate that is not valid yet"),
        (CA.issue("a.example"), asking(crl=CA.crl(CA.issue("a.example"))), "a.example", "has a certificate that has been revoked"),
        (CA.issue("a.example", client=True), asking(), "a.example", "has a certificate that is not for servers (extended key usage)"),
    ],
)  # fmt: skip
def test_certificates_of_peers(issued, near, name, said):
    assert of_peer(serving(chain_of(issued)), near, name) == said


def test_a_peer_whose_certificate_has_expired():
    issued = CA.issue("site.example", begins=-9, ends=-8)
    day = issued.certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    assert of_peer(serving(chain_of(issued)), asking()) == f"has a certificate that expired on {day}"


def test_a_peer_that_is_self_signed():
    own = authority("site.example")
    near = asking()
    said = of_peer(serving(chain_of(Issued(own.certificate, own.private))), near)
    assert said == "has a self-signed certificate, which is not trusted"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (None, "requires a certificate (alert: certificate required)"),
        (CA.issue("mallory", client=True), "does not trust the authority of rsp's certificate (alert: unknown ca)"),
        (
            STAFF.issue("a", client=True, ends=-1),
            "says that rsp's certificate has expired (alert: certificate expired)",
        ),
        (
            STAFF.issue("a"),
            "does not accept rsp's certificate for this purpose, or its kind (alert: unsupported certificate)",
        ),
    ],
)
def test_peers_that_require_a_certificate(own, said):
    assert of_peer(serving(crl=b""), asking(own)) == said


def test_a_peer_with_older_versions():
    far = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    far.maximum_version = ssl.TLSVersion.TLSv1_2
    said = of_peer(Context(far), asking(min="1.3"))
    assert said == "accepts none of the TLS versions that rsp offers (alert: protocol version)"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks plain HTTP"),
        (b"220 mail.example ESMTP\r\n", "does not speak TLS"),
        (bytes(40), "does not speak TLS"),
    ],
)
def test_what_peers_speak(data, said):
    assert words.of_peer(answered(data), "site.example", data) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            40,
            "accepts nothing of what rsp offers: no cipher in common, or it requires a certificate (alert: handshake failure)",
        ),
        (42, "does not accept rsp's certificate (alert: bad certificate)"),
        (80, "has an internal error (alert: internal error)"),
        (112, "does not know the server name (alert: unrecognized name)"),
        (120, "does not speak the version of HTTP that rsp offers (ALPN) (alert: no application protocol)"),
        (47, "refuses to continue (alert: illegal parameter)"),
        (115, "refuses to continue (alert: unknown psk identity)"),
    ],
)
def test_alerts(number, said):
    """Python has no name for some; OpenSSL 3.2 has another name for many."""
    error = answered(b"\x15\x03\x03\x00\x02\x02" + bytes([number]))
    assert words.of_peer(error, "site.example") == said
    newer = TlsError(str(error).replace("sslv3", "ssl/tls"), error.code.replace("SSLV3", "SSL/TLS"))
    assert words.of_peer(newer, "site.example") == said
    assert words.of_peer(TlsError(str(newer)), "site.example") == said


def test_what_has_no_words_is_said_as_openssl_says_it():
    assert words.of_peer(TlsError("bad key share", "BAD_KEY_SHARE"), "a") == "does not keep to TLS: bad key share"
    error = TlsError("path length constraint exceeded", "CERTIFICATE_VERIFY_FAILED", b"no certificate")
    assert words.of_peer(error, "a") == "has a certificate that is not accepted: path length constraint exceeded"


def test_names_in_certificates_cannot_break_a_line():
    issued = CA.issue("a.example\r\n{name}" + "x" * 200, subject="a")
    error = TlsError("hostname mismatch", "CERTIFICATE_VERIFY_FAILED", issued.der)
    said = words.of_peer(error, "b.example")
    assert said.startswith("has a certificate for a.example??{name}xxx")
    assert said.isprintable() and len(said) < 200


def test_certificates_that_cannot_be_read():
    for der in (b"", b"no certificate", CA.issue("a.example").der[:-1]):
        expired = TlsError("certificate has expired", "CERTIFICATE_VERIFY_FAILED", der)
        assert words.of_peer(expired, "a") == "has a certificate that has expired"
        other = TlsError("hostname mismatch", "CERTIFICATE_VERIFY_FAILED", der)
        assert words.of_peer(other, "a") == "has a certificate for another name, not for a"


def test_dates_that_cannot_be_read(monkeypatch):
    """OpenSSL writes "Bad time value"; what else is wrong with such a certificate is said first."""
    error = TlsError("certificate has expired", "CERTIFICATE_VERIFY_FAILED", b"certificate")
    for date, said in (
        ("Bad time value", "has expired"), ("", "has expired"), ("Nov  1 12:00:00 2026 GMT", "expired on 2026-11-01"),
    ):  # fmt: skip
        monkeypatch.setattr(words, "_read", lambda _, date=date: {"notAfter": date})
        assert words.of_peer(error, "a") == f"has a certificate that {said}"


def test_a_certificate_is_read_without_another_library():
    """`cryptography` would cost each worker 14 MB for one line of the log."""
    error = TlsError(
        "certificate has expired", "CERTIFICATE_VERIFY_FAILED", CA.issue("a.example", begins=-9, ends=-8).der
    )
    code = "import sys; from rsp.tls import engine, words; "
    code += f"print(words.of_peer(engine.TlsError({str(error)!r}, {error.code!r}, {error.certificate!r}), 'a'), 'cryptography' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("has a certificate that expired on 20")
    assert said.endswith(" False\n")
