"""Routes with client_ca: which handshakes do for which requests, and what is told of a client's certificate."""

import base64
import datetime
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.commands import explain
from rsp.commands.rehearsal import Rehearsal
from rsp.config.errors import ConfigError
from rsp.config.routes import Route
from rsp.exchange.filter import HOLD
from rsp.lua.evaluate import evaluate
from rsp.tls.certificate import ClientCertificate
from rsp.tls.facts import Facts
from rsp.tls.material import Keyring
from rsp.tls.names import verification_of
from tests.certificates import authority
from tests.soak import examples
from tests.unit.fakes import CLIENT, FakeFilter, configuration, serving

STAFF, OTHERS = authority("Staff CA"), authority("Other CA")
ALICE = STAFF.issue("alice.example.com", "192.0.2.7", "alice@example.com", client=True, subject="alice")
KEYRING = Keyring(authorities={"staff.pem": STAFF.pem, "others.pem": OTHERS.pem, "staff.crl": STAFF.crl()})
NO_POLICY = b""

SITE = """
listen "127.0.0.1:3" { tls = true }
certificate { "site.pem" }
upstream "app" { "127.0.0.1:2" }
route { host = "staff.example.com", to = "app", client_ca = "staff.pem",
        request_headers = { set = { ["Client-Cert"] = "{client_cert}", ["X-Subject"] = "{client_cert_subject}",
                                    ["X-Print"] = "{client_cert_fingerprint}",
                                    ["X-TLS"] = "{tls_version}/{tls_cipher}/{sni}" } } }
route { host = "*.staff.example.com", to = "app", client_ca = "staff.pem", client_crl = "staff.crl" }
route { host = "maybe.example.com", to = "app", client_ca = "staff.pem", client_verify = "optional",
        request_headers = { set = { ["X-Subject"] = "{client_cert_subject}", ["X-SNI"] = "{sni}" } } }
route { host = "others.example.com", to = "app", client_ca = "others.pem" }
route { host = "moved.example.com", redirect = "https://elsewhere/", client_ca = "staff.pem" }
route { to = "app", request_headers = { set = { ["X-Subject"] = "{client_cert_subject}" } } }
"""
ALL = {
    "staff": ("staff.pem", None, "required"),
    "below": ("staff.pem", "staff.crl", "required"),
    "maybe": ("staff.pem", None, "optional"),
    "others": ("others.pem", None, "required"),
}


def policy(name, keyring=KEYRING):
    if name is None:
        return NO_POLICY
    ca, crl, verify = ALL[name]
    return verification_of(Route(client_ca=ca, client_crl=crl, client_verify=verify), keyring).digest


def facts(name=None, certificate=None, sni=b"", keyring=KEYRING, **more):
    """Of a handshake under the rules of ``name``."""
    der = certificate.der if certificate is not None else b""
    return Facts(b"TLSv1.3", b"TLS_AES_128_GCM_SHA256", sni, b"", False, policy(name, keyring), der, bool(der), **more)


@pytest.fixture
def worker():
    with serving(SITE) as made:
        made.service.use_keyring(KEYRING)
        yield made


def session_of(worker, tls, client=CLIENT):
    session = worker.session(client)
    if tls is not None:
        session.secure(tls)
    return session


def ask(worker, host, session, target="/", fields=b"", version=b"1.1"):
    """The client's stream, after a 200 of the peer where the request got that far."""
    head = b"GET %b HTTP/%b\r\nHost: %b\r\n%b\r\n" % (target.encode(), version, host.encode(), fields)
    client = worker.ask(head, session=session)
    if not client.status:
        pool = worker.pool()
        peer = worker.accept() if pool.attempts else pool.streams[-1]
        client.sent = peer.lines
        peer.answer()
    return client


PLAIN, OPEN = "plain", None
CASES = [
    # how the connection was made, host, answer
    (PLAIN, "staff.example.com", 403),
    (OPEN, "staff.example.com", 421),
    ("staff", "staff.example.com", 200),
    ("others", "staff.example.com", 421),
    ("maybe", "staff.example.com", 421),  # its rules are others, whatever the client has shown
    ("below", "staff.example.com", 421),  # so are those with a revocation list
    ("staff", "a.staff.example.com", 421),
    ("below", "a.staff.example.com", 200),
    ("below", "b.a.staff.example.com", 200),
    (PLAIN, "maybe.example.com", 200),
    (OPEN, "maybe.example.com", 421),
    ("staff", "maybe.example.com", 421),
    ("maybe", "maybe.example.com", 200),
    ("others", "others.example.com", 200),
    (PLAIN, "moved.example.com", 403),
    (OPEN, "moved.example.com", 421),
    ("staff", "moved.example.com", 302),
    (PLAIN, "open.example.com", 200),
    (OPEN, "open.example.com", 200),
    ("staff", "open.example.com", 200),
]


@pytest.mark.parametrize(("how", "host", "status"), CASES)
def test_which_handshake_will_do(worker, how, host, status):
    tls = None if how == PLAIN else facts(how, ALICE if how else None)
    client = ask(worker, host, session_of(worker, tls))
    assert client.status == status
    assert client.ended == ("closed" if status == 421 else "kept"), "a client that asks again gets a new handshake"


SPELLINGS = [
    "STAFF.Example.COM",
    "staff.example.com.",
    "staff.example.com:443",
    "staff.example.com:1",
    "Staff.example.com.:8",
]


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("how", [PLAIN, OPEN, "others"])
def test_no_spelling_of_a_host_is_a_way_around(worker, how, host):
    tls = None if how == PLAIN else facts(how)
    assert ask(worker, host, session_of(worker, tls)).status == (403 if how == PLAIN else 421)
    again = ask(worker, "open.example.com", session_of(worker, tls), target=f"http://{host}/x")
    assert again.status == (403 if how == PLAIN else 421), "absolute-form goes before Host (RFC 9112 section 3.2.2)"


def test_each_request_of_a_connection_counts_for_itself(worker):
    session = session_of(worker, facts("staff", ALICE))
    asked = [
        ask(worker, host, session).status for host in ("staff.example.com", "open.example.com", "others.example.com")
    ]
    assert asked == [200, 200, 421]
    session = session_of(worker, facts())
    asked = [
        ask(worker, host, session).status for host in ("open.example.com", "staff.example.com", "open.example.com")
    ]
    assert asked == [200, 421, 200]


def test_a_certificate_that_was_not_verified_is_none(worker):
    tls = facts("staff", ALICE)
    tls.verified = False
    assert ask(worker, "staff.example.com", session_of(worker, tls)).status == 403
    assert ask(worker, "staff.example.com", session_of(worker, facts("staff"))).status == 403


@pytest.mark.parametrize("changed", ["staff.pem", "staff.crl"])
def test_an_authority_that_changes_ends_older_handshakes(worker, changed):
    older = session_of(worker, facts("below", ALICE))
    assert ask(worker, "a.staff.example.com", older).status == 200
    content = OTHERS.pem if changed == "staff.pem" else STAFF.crl(ALICE)
    keyring = Keyring(authorities=KEYRING.authorities | {changed: content})
    worker.service.use_keyring(keyring)
    assert ask(worker, "a.staff.example.com", older).status == 421
    resumed = facts("below", ALICE)
    resumed.resumed = True
    assert ask(worker, "a.staff.example.com", session_of(worker, resumed)).status == 421
    assert ask(worker, "a.staff.example.com", session_of(worker, facts("below", ALICE, keyring=keyring))).status == 200


def test_a_reload_that_requires_a_certificate_holds_for_older_connections(worker):
    session = session_of(worker, facts())
    assert ask(worker, "new.example.com", session).status == 200
    worker.use(SITE + 'route { host = "new.example.com", to = "app", client_ca = "staff.pem" }')
    worker.service.renew(session)
    worker.service.use_keyring(KEYRING)
    assert ask(worker, "new.example.com", session).status == 421
    worker.use(SITE)
    worker.service.renew(session)
    worker.service.use_keyring(KEYRING)
    assert ask(worker, "new.example.com", session).status == 200


def test_an_authority_that_was_not_read_lets_nothing_pass(worker):
    worker.service.use_keyring(Keyring())
    for tls, status in ((facts("staff", ALICE), 421), (facts(), 421), (None, 403)):
        assert ask(worker, "staff.example.com", session_of(worker, tls)).status == status


@pytest.mark.parametrize(
    "style", [b"X-Forwarded-Proto: https", b"Forwarded: for=192.0.2.9;proto=https", b"X-Client-Cert: x"]
)
def test_what_a_trusted_proxy_says_is_no_certificate(style):
    with serving('trusted = { "192.0.2.0/24" }\n' + SITE) as worker:
        worker.service.use_keyring(KEYRING)
        assert ask(worker, "staff.example.com", session_of(worker, None), fields=style + b"\r\n").status == 403


def test_the_reason_is_told(worker):
    plain = ask(worker, "staff.example.com", session_of(worker, None))
    assert b"client certificate is required" in plain.body
    assert (
        b"does not meet the rules for client certificates of this host"
        in ask(worker, "staff.example.com", session_of(worker, facts())).body
    )
    assert "staff.example.com" not in worker.log.lines[0], "log lines are as they are"


# -- what peers are told


def test_what_peers_are_told(worker):
    tls = facts("staff", ALICE, sni=b"staff.example.com")
    lines = ask(worker, "staff.example.com", session_of(worker, tls)).sent
    assert b"Client-Cert: :%b:" % base64.b64encode(ALICE.der) in lines
    assert b"X-Subject: " + x509.load_der_x509_certificate(ALICE.der).subject.rfc4514_string().encode() in lines
    assert b"X-Print: " + ALICE.fingerprint.encode() in lines
    assert b"X-TLS: TLSv1.3/TLS_AES_128_GCM_SHA256/staff.example.com" in lines


@pytest.mark.parametrize("how", [PLAIN, OPEN, "staff", "others", "maybe"])
def test_only_what_the_rules_of_the_request_have_verified_is_told(worker, how):
    tls = None if how == PLAIN else facts(how, ALICE if how else None)
    for name in (b"X-Subject", b"x_subject", b"X-SUBJECT"):
        lines = ask(worker, "open.example.com", session_of(worker, tls), fields=name + b": CN=root\r\n").sent
        assert not [line for line in lines if b"subject" in line.lower()], "what stands for nothing is left out"


def test_optional_without_a_certificate(worker):
    lines = ask(worker, "maybe.example.com", session_of(worker, facts("maybe", sni=b"maybe.example.com"))).sent
    assert b"X-SNI: maybe.example.com" in lines and not [line for line in lines if b"Subject" in line]
    lines = ask(worker, "maybe.example.com", session_of(worker, facts("maybe", ALICE))).sent
    assert b"X-Subject: CN=alice" in lines and not [line for line in lines if b"SNI" in line]


NAMES = ["Client-Cert", "client-cert", "CLIENT-CERT", "Client_Cert", "CLIENT_CERT", "client.cert", "cLiEnT-cErT"]


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("tls", [None, facts("staff", ALICE)])
@pytest.mark.parametrize("host", ["staff.example.com", "open.example.com"])
def test_a_clients_own_client_cert_never_passes(trusted, tls, host):
    with serving(('trusted = { "192.0.2.0/24" }\n' if trusted else "") + SITE) as worker:
        worker.service.use_keyring(KEYRING)
        for name in NAMES:
            for suffix in ("", "-Chain", "_Chain"):
                field = f"{name}{suffix}: :Zm9yZ2Vk:\r\n".encode()
                client = ask(worker, host, session_of(worker, tls), fields=b"A: 1\r\n" + field)
                if client.status == 200:
                    assert not [line for line in client.sent if b"Zm9yZ2Vk" in line], field
                    assert b"A: 1" in client.sent
                else:
                    assert client.status == 403 and tls is None


# -- hooks

HOOKED = """
listen "127.0.0.1:8443" {{ tls = true }}
listen "127.0.0.1:8080"
certificate {{ "site.pem" }}
upstream "app" {{ "127.0.0.1:9001" }}
upstream "inner" {{ "127.0.0.1:9002" }}
{hook}
route {{ host = "staff.example.com", to = "app", client_ca = "staff.pem", on_request = function(req) {own} end }}
route {{ host = "others.example.com", to = "app", client_ca = "others.pem" }}
route {{ host = "*.wide.example.com", to = "app", client_ca = "staff.pem" }}
route {{ host = "half.wide.example.com", path = "/open", to = "app" }}
route {{ to = "app" }}
test("it", function()
  local function ask(host, tls, path) return simulate{{ host = host, tls = tls, path = path }} end
  local alice = {{ subject = "CN=alice" }}
  local open, crossed = {{ sni = "open.example.com" }}, {{ sni = "others.example.com", subject = "CN=mallory" }}
  {test}
end)
"""


def run(tmp_path, test, hook="", own=""):
    """Why the test failed, or ``None``."""
    path = tmp_path / "site.lua"
    path.write_text(HOOKED.format(hook=hook, own=own, test=test))
    config, files = evaluate(str(path))
    rehearsal = Rehearsal(config, str(path), files)
    try:
        return rehearsal.run_tests()[0][1]
    finally:
        rehearsal.close()


ALL_REFUSED = """
  assert(ask("staff.example.com", false).status == 403)
  for _, tls in ipairs{ open, crossed } do assert(ask("staff.example.com", tls).status == 421) end
"""

AROUND = {
    "a hook of the route that answers": ("", 'return respond(200, "secret")', ALL_REFUSED),
    "a hook of the route that sends elsewhere": ("", 'return proxy("inner")', ALL_REFUSED),
    "a hook of the route that changes the host": ("", 'req.host = "open.example.com"', ALL_REFUSED),
    "a hook that changes the host to this one": (
        'function on_request(req) req.host = "staff.example.com" end',
        "",
        """for _, host in ipairs{ "open.example.com", "staff.example.com" } do
             assert(ask(host, false).status == 403)
             assert(ask(host, { sni = "open.example.com" }).status == 421)
             assert(ask(host, { sni = "staff.example.com", subject = "CN=a" }).status == 200)
           end""",
    ),
    "a hook that sends past all routes": (
        'function on_request(req) return proxy("inner") end',
        "",
        ALL_REFUSED
        + """local r = ask("staff.example.com", alice) assert(r.status == 200 and r.upstream == "inner")
             r = ask("open.example.com", false) assert(r.status == 200 and r.upstream == "inner")
             r = ask("STAFF.example.com.:80", false) assert(r.status == 403)""",
    ),
    "a hook that sends a path past the route of a less specific host": (
        'function on_request(req) return proxy("inner") end',
        "",
        """local host, half = "half.wide.example.com", { sni = "half.wide.example.com" }
           assert(ask(host, half, "/open").status == 200 and ask(host, false, "/open").status == 200)
           for _, path in ipairs{ "/", "/x", "/open/../x", "/%78" } do
             assert(ask(host, half, path).status == 421 and ask(host, false, path).status == 403)
           end""",
    ),
    "a hook that changes the path": ('function on_request(req) req.path = "/x" end', "", ALL_REFUSED),
}


@pytest.mark.parametrize("name", AROUND)
def test_no_hook_is_a_way_around(tmp_path, name):
    hook, own, test = AROUND[name]
    assert run(tmp_path, test, hook, own) is None


def test_on_error_sees_the_refusal(tmp_path):
    hook = 'function on_error(req, err) return respond(err.status, err.reason .. (req.tls and " tls" or " plain")) end'
    test = """local r = ask("staff.example.com", open) assert(r.status == 421 and r.body:find("does not meet the rules for client certificates of this host.* tls"))
              r = ask("staff.example.com", false) assert(r.status == 403 and r.body:find("required.* plain"), r.body)"""
    assert run(tmp_path, test, hook) is None


SEES = {
    "over plain HTTP there is none": ("assert(req.tls == nil)", 'assert(ask("open.example.com", false).status == 200)'),
    "what a handshake settles": (
        """local t = req.tls
           assert(t.version == "TLSv1.2" and t.cipher == "C" and t.sni == "open.example.com" and t.alpn == nil)
           assert(t.resumed == true and t.verified == false and t.subject == nil and t.sans == nil and t.not_after == nil)
           assert(req.scheme == "https")""",
        """local r = simulate{ host = "open.example.com", tls = { version = "TLSv1.2", cipher = "C", alpn = "", resumed = true } }
           assert(r.status == 200, r.log[1])""",
    ),
    "no name": (
        "assert(req.tls.sni == nil)",
        'local r = simulate{ host = "127.0.0.1:8443" } assert(r.status == 200, r.log[1])',
    ),
    "a certificate": (
        """local t = req.tls
           assert(t.verified and t.subject == "CN=alice" and t.issuer == "CN=Staff CA" and t.serial == "ff")
           assert(t.fingerprint == "00aa" and t.not_after == 1234567 and #t.sans == 2 and t.sans[2] == "DNS:b")""",
        """local r = ask("staff.example.com", { subject = "CN=alice", issuer = "CN=Staff CA", serial = "ff",
                        fingerprint = "00aa", not_after = 1234567, sans = { "DNS:a", "DNS:b" } })
           assert(r.status == 200, r.log[1])""",
    ),
    "a certificate that another host's authority has verified is none here": (
        "assert(req.tls.verified == false and req.tls.subject == nil)",
        'local r = ask("open.example.com", crossed) assert(r.status == 200, r.log[1])',
    ),
    "a list is the hook's own": (
        'req.tls.sans[1] = "DNS:root" assert(req.tls.sans[1] == "DNS:a")',
        'local r = ask("staff.example.com", { sans = { "DNS:a" } }) assert(r.status == 200, r.log[1])',
    ),
    "it is for reading": (
        'req.tls.subject = "CN=root"',
        'local r = ask("open.example.com") assert(r.log[1]:find("req.tls is read%-only"), r.log[1])',
    ),
    "a slip is named": (
        "return req.tls.subjct",
        'local r = ask("open.example.com") assert(r.log[1]:find("req.tls.subjct: unknown field; known: alpn"), r.log[1])',
    ),
}


@pytest.mark.parametrize("name", SEES)
def test_what_hooks_see(tmp_path, name):
    hook, test = SEES[name]
    assert run(tmp_path, test, f"function on_request(req) {hook} end") is None


def test_simulate_says_what_is_wrong_with_its_tls(tmp_path):
    for tls, wrong in (
        ("{ subjct = 'x' }", "subjct"),
        ("{ sni = {} }", "sni"),
        ("'yes'", "tls: expected"),
        ("{ verified = 'x' }", "verified"),
    ):
        assert wrong in run(tmp_path, f"simulate{{ tls = {tls} }}")


def test_without_a_word_a_request_comes_as_the_first_listener_has_it(tmp_path):
    test = 'assert(simulate{ host = "open.example.com" }.headers.x == "https") assert(ask("staff.example.com").status == 403)'
    assert run(tmp_path, test, 'response_headers = { set = { ["X"] = "{scheme}" } }') is None


# -- what a certificate says


def certificate(subject, *names):
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_what_a_certificate_says():
    said = ClientCertificate(ALICE.der)
    parsed = x509.load_der_x509_certificate(ALICE.der)
    assert said.subject.decode() == parsed.subject.rfc4514_string()
    assert said.issuer.decode() == parsed.issuer.rfc4514_string()
    assert int(said.serial, 16) == parsed.serial_number and said.not_after == parsed.not_valid_after_utc.timestamp()
    assert said.fingerprint.decode() == ALICE.fingerprint
    assert said.sans == (b"DNS:alice.example.com", b"IP:192.0.2.7", b"email:alice@example.com")
    assert said.field == b":" + base64.b64encode(ALICE.der) + b":"


def test_kinds_of_names_are_told_apart():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    names = (
        x509.UniformResourceIdentifier("spiffe://a/b"),
        x509.DNSName("spiffe://a/b"),
        x509.RegisteredID(x509.NameOID.COMMON_NAME),
    )
    assert ClientCertificate(certificate(name, *names)).sans == (b"URI:spiffe://a/b", b"DNS:spiffe://a/b")


@given(st.text(min_size=1, max_size=40).filter(lambda text: len(text.encode("utf-8", "replace")) <= 64))
@settings(max_examples=60, deadline=None)
def test_whatever_a_subject_is_it_may_stand_in_a_field(text):
    try:
        der = certificate(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]))
    except (ValueError, UnicodeError):
        return
    said = ClientCertificate(der).subject
    assert said.startswith(b"CN=") and all(0x20 <= byte < 0x7F for byte in said)


@given(st.binary(max_size=200))
def test_what_cannot_be_read_is_empty(der):
    said = ClientCertificate(der)
    assert (said.subject, said.issuer, said.serial, said.sans, said.not_after) == (b"", b"", b"", (), 0.0)


@given(st.integers(0, len(ALICE.der) - 1), st.integers(0, 255))
@examples(300)
def test_a_certificate_with_any_byte_changed(place, byte):
    der = bytearray(ALICE.der)
    der[place] = byte
    said = ClientCertificate(bytes(der))
    for text in (said.subject, said.issuer, said.serial, *said.sans):
        assert isinstance(text, bytes) and b"\n" not in text
    assert isinstance(said.not_after, float)


def test_a_certificate_is_read_once_a_connection(worker):
    session = session_of(worker, facts("staff", ALICE))
    ask(worker, "staff.example.com", session)
    first = session.tls.about
    ask(worker, "staff.example.com", session)
    assert session.tls.about is first and isinstance(first, ClientCertificate)


def test_what_was_not_verified_is_not_told(worker):
    tls = facts("maybe", ALICE)
    tls.verified = False
    assert not [line for line in ask(worker, "maybe.example.com", session_of(worker, tls)).sent if b"Subject" in line]


def test_an_exchange_of_an_older_configuration_is_judged_by_the_files_as_they_are():
    one = FakeFilter(request=HOLD)
    with serving(SITE, everywhere=(one,)) as worker:
        worker.service.use_keyring(KEYRING)
        session = session_of(worker, facts("staff", ALICE))
        client = worker.ask(b"GET / HTTP/1.1\r\nHost: staff.example.com\r\n\r\n", session=session)
        worker.use(SITE)
        worker.service.use_keyring(Keyring(authorities=KEYRING.authorities | {"staff.pem": OTHERS.pem}))
        one.go_on()
        one.exchange = None  # it is on none of these routes, so it does not hear of the end
        assert client.status == 421


# -- rsp explain

EXPLAINED = """
listen "127.0.0.1:80" { redirect = "https" }
listen "127.0.0.1:443" { tls = true }
certificate { "site.pem" }
upstream "app" { "127.0.0.1:9001" }
route { host = "staff.example.com", to = "app", client_ca = "staff.pem",
        request_headers = { set = { ["X-Subject"] = "{client_cert_subject}" } } }
route { to = "app" }
"""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["GET http://staff.example.com/x"], "Location: https://staff.example.com/x"),
        (["GET https://staff.example.com/x"], "403, by rsp itself"),
        (["GET /x", "-H", "Host: staff.example.com"], "403, by rsp itself"),
        (["GET https://staff.example.com/x", "--sni", "open.example.com"], "421, by rsp itself"),
        (["GET https://staff.example.com/x", "--certificate", "alice.pem"], "X-Subject: CN=alice"),
        (["GET https://staff.example.com/x", "--certificate", "alice.pem", "--sni", "a.example.com"], "421, by rsp"),
        (["GET https://open.example.com/x"], "X-Forwarded-Proto: https"),
        (["GET https://[::1]:443/x"], "X-Forwarded-Proto: https"),
    ],
)
def test_explain(tmp_path, monkeypatch, capsys, arguments, wanted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(EXPLAINED)
    (tmp_path / "alice.pem").write_bytes(ALICE.pem)
    assert explain.main(["site.lua", *arguments]) == 0
    assert wanted in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [None, b"no certificate", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
)
def test_explain_without_the_certificate(tmp_path, capsys, content):
    (tmp_path / "site.lua").write_text(EXPLAINED)
    file = tmp_path / "alice.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit):
        explain.main([str(tmp_path / "site.lua"), "GET /", "--certificate", str(file)])
    assert "--certificate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("$ssl_client_s_dn", "{client_cert_subject}"),
        ("${ssl_protocol}", "{tls_version}"),
        ("%[ssl_fc_sni]", "{sni}"),
        ("{client_cert_subjct}", "{client_cert_subject}"),
    ],
)
def test_words_of_other_programs(theirs, ours):
    route = f'route {{ to = "app", request_headers = {{ set = {{ ["X-A"] = "{theirs}" }} }} }}'
    with pytest.raises(ConfigError, match=re.escape(ours)):
        configuration(f'upstream "app" {{ "127.0.0.1:2" }}\n{route}')


@pytest.mark.parametrize(
    ("route", "warned"),
    [
        ('host = "192.0.2.1", client_ca = "a.pem"', 'the address "192.0.2.1"'),
        ('host = "[2001:db8::1]", client_ca = "a.pem"', 'the address "[2001:db8::1]"'),
        ('host = "a.test", client_ca = "a.pem"', ""),
        ('request_headers = { set = { ["X-A"] = "{client_cert}" } }', "set: X-A: it is never sent"),
        ('request_headers = { add = { ["X-A"] = "{client_cert_subject}" } }', "add: X-A: it is never sent"),
        ('request_headers = { set = { ["X-A"] = "{sni} {tls_version}" } }', ""),
        ('client_ca = "a.pem", request_headers = { set = { ["X-A"] = "{client_cert}" } }', ""),
    ],
)
def test_warnings_of_what_no_handshake_asks_for(route, warned):
    begin = 'listen "127.0.0.1:3" { tls = true }\ncertificate { "site.pem" }\nupstream "app" { "127.0.0.1:2" }\n'
    warnings = configuration(f'{begin}route {{ to = "app", {route} }}').warnings
    assert [warned in line for line in warnings] == ([True] if warned else [])
