"""Certificate and rules by the name in the hello: chosen before the handshake, and held against clients that try."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.routes import Route
from rsp.config.schema import Listener
from rsp.config.tls import Tls
from rsp.tls import engine
from rsp.tls.contexts import ContextError
from rsp.tls.engine import TlsError
from rsp.tls.hello import Hello, HelloError
from rsp.tls.material import Chain
from rsp.tls.names import ServerNames, verification_of
from rsp.tls.policy import Verification
from tests.certificates import authority
from tests.soak import examples
from tests.unit.tls_lab import Client, chain, client, config, keyring

KEYS = [bytes([number]) * 80 for number in range(4)]
STAFF = authority("Staff CA")
GUARDED = Route(to="app", host="admin.example.com", client_ca="staff")
OPEN = Route(to="app")
LISTENERS = (
    Listener(address="h2:443", tls=True), Listener(address="said:443", tls=True, http2=True),
    Listener(address="h1:443", tls=True, http2=False), Listener(address="h1:80"),
)  # fmt: skip
complete = pytest.mark.skipif(not engine.COMPLETE, reason="tickets of several contexts need the compiled engine")


def site(*routes: Route, chains=None, tls=None, before=None, tickets=KEYS[:1], **authorities) -> ServerNames:
    given = chains if chains is not None else (chain("example.com", "*.example.com"),)
    files = {"staff": STAFF.pem, **authorities}
    return ServerNames(config(*routes, tls=tls, listeners=LISTENERS), keyring(*given, **files), tickets, before)


def served(names: ServerNames, name: str | None, far: ssl.SSLContext | None = None) -> bytes:
    """The certificate that a client gets, DER."""
    return meet(names, name, far).certificate


def meet(names: ServerNames, name: str | None, far: ssl.SSLContext | None = None, session=None, at="") -> Client:
    """``at``: the listener."""
    new = Client(far or client(None), name, session)
    return new.shake(names.context_for(new.hello, at).server(new.hello.sni))


def asking(name: bytes, *alpn: bytes) -> Hello:
    hello = Hello(0x0304)
    hello.sni, hello.alpn = name, alpn
    return hello


def der(one: Chain) -> bytes:
    return ssl.PEM_cert_to_DER_cert(one.chain.decode())


# -- certificates

FIRST, EXACT, WILD = chain("first.example"), chain("www.example.com"), chain("*.example.com", "example.com")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first.example", FIRST), ("www.example.com", EXACT), ("example.com", WILD), ("other.example.com", WILD),
        ("WWW.Example.Com", EXACT), ("xn--bcher-kva.example.com", WILD), ("a.b.example.com", FIRST),
        ("unknown.example", FIRST), ("com", FIRST), ("10.0.0.1", FIRST), (None, FIRST),
    ],
)  # fmt: skip
def test_the_certificate_of_a_name(name, expected):
    assert served(site(chains=(FIRST, WILD, EXACT)), name) == der(expected)


def test_an_address_in_a_certificate_is_no_server_name():
    """RFC 6066 section 3: clients do not send addresses; one that does gets the first certificate."""
    names = site(chains=(FIRST, chain("10.0.0.1", "address.example")))
    assert served(names, "10.0.0.1") == der(FIRST)


@pytest.mark.parametrize("name", ["example.com", "www.example.com", "unknown.example", None])
def test_both_kinds_of_key_for_one_name(name):
    """ECDSA for clients that know it, RSA for the others, for those without a name as well."""
    ecdsa, rsa = chain("example.com", "*.example.com"), chain("example.com", "*.example.com", kind="rsa")
    names = site(chains=(ecdsa, chain("other.example", kind="rsa"), rsa))
    assert served(names, name) == der(ecdsa)
    assert served(names, name, client(None, newest="TLSv1_2", ciphers="ECDHE-RSA-AES128-GCM-SHA256")) == der(rsa)


def test_of_two_certificates_of_one_kind_the_first_is_served():
    first, second = chain("example.com"), chain("example.com", number=1)
    assert served(site(chains=(first, second)), "example.com") == der(first)


def test_an_exact_name_does_not_borrow_from_a_wildcard():
    """Its own kind of key alone: what the operator has set up for it."""
    names = site(chains=(chain("*.example.com"), chain("www.example.com", kind="rsa")))
    with pytest.raises(TlsError):
        served(names, "www.example.com", client(None, newest="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))


def test_a_certificate_without_names_is_served_to_those_without_one():
    nameless = chain()
    assert served(site(chains=(nameless, FIRST)), None) == der(nameless)


def test_names_that_share_a_certificate_share_a_context():
    names = site(chains=(FIRST, WILD))
    assert names.choose(b"a.example.com") is names.choose(b"b.example.com") is names.choose(b"example.com")
    assert names.choose(b"") is names.choose(b"unknown.example") is names.choose(b"first.example")


# -- which clients are refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"unknown.example", "asks for unknown.example, which is in no certificate"),
        (b"a.b.example.com", "asks for a.b.example.com, which is in no certificate"),
        (b"", "asks for no server name"),
    ],
)
def test_strict_sni(name, text):
    names = site(tls=Tls(strict_sni=True))
    assert names.choose(name) is None
    with pytest.raises(HelloError, match=text) as caught:
        names.context_for(asking(name))
    assert caught.value.alert == 112
    assert names.choose(b"www.example.com") is not None


def test_without_certificates_there_is_no_context():
    assert site(chains=()).choose(b"example.com") is None


@pytest.mark.parametrize("alpn", [(), (b"http/1.1",), (b"h2", b"http/1.1"), (b"http/1.0",), (b"\x0a\x0a", b"http/1.1")])
def test_protocols_that_rsp_speaks(alpn):
    assert site().context_for(asking(b"example.com", *alpn)) is not None


@pytest.mark.parametrize(
    ("alpn", "text"),
    [
        ((b"h2",), "h2"), ((b"acme-tls/1",), "acme-tls/1"), ((b"HTTP/1.1",), "HTTP/1.1"), ((b"\xff\r\n",), r"\\xff\\r\\n"),
        (tuple(b"p%d" % number for number in range(9)), "p0, p1, p2, p3, p4 and others"),
        ((b"\xff" * 255,), r"\\xff" * 32),
    ],
)  # fmt: skip
def test_protocols_that_rsp_does_not_speak(alpn, text):
    """As nginx does (ALPACA, RFC 7301 section 3.2)."""
    with pytest.raises(HelloError, match=f"offers none of rsp's protocols, but {text}$") as caught:
        site().context_for(asking(b"example.com", *alpn))
    assert caught.value.alert == 120


def test_the_protocol_is_agreed_on():
    assert meet(site(), "example.com", client(alpn=("h2", "http/1.1"))).object.selected_alpn_protocol() == "http/1.1"
    assert meet(site(), "example.com", client(alpn=("http/1.0",))).object.selected_alpn_protocol() == "http/1.0"


# -- HTTP/2

BOTH = ("http/1.1", "h2")
BAD = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"  # the first one
POOR = Tls(ciphers=BAD)


def agreed(met: Client) -> tuple[str | None, str]:
    """On which protocol, and with which cipher."""
    return met.object.selected_alpn_protocol(), met.object.cipher()[0]


@pytest.mark.parametrize(
    ("at", "alpn", "protocol"),
    [
        ("h2:443", BOTH, "h2"), ("said:443", BOTH, "h2"), ("h1:443", BOTH, "http/1.1"), ("h1:80", BOTH, "http/1.1"),
        ("h2:443", ("h2",), "h2"), ("h2:443", ("http/1.0",), "http/1.0"), ("h2:443", (), None), ("h1:443", (), None),
        ("h2:443", ("spdy/3", "http/1.1"), "http/1.1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_http2_is_agreed_on_where_the_listener_speaks_it(at, alpn, protocol, newest):
    met = meet(site(), "example.com", client(alpn=alpn, newest=newest), at=at)
    assert met.object.selected_alpn_protocol() == protocol


@pytest.mark.parametrize("at", ["h1:443", "h1:80", "gone:443"])
def test_a_client_of_http2_alone_is_refused_where_the_listener_does_not_speak_it(at):
    with pytest.raises(HelloError, match=r"offers none of rsp's protocols, but h2$") as caught:
        site().context_for(asking(b"example.com", b"h2"), at)
    assert caught.value.alert == 120


def test_http2_prefers_the_ciphers_that_it_may_be_used_with():
    """RFC 9113 section 9.2.2."""
    far = client(alpn=BOTH, newest="TLSv1_2")
    assert agreed(meet(site(tls=POOR), "example.com", far, at="h1:443")) == ("http/1.1", "ECDHE-ECDSA-AES128-SHA256")
    assert agreed(meet(site(tls=POOR), "example.com", far, at="h2:443")) == ("h2", "ECDHE-ECDSA-AES128-GCM-SHA256")


@pytest.mark.parametrize(
    "offered", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256"]
)
def test_with_a_cipher_that_http2_may_not_be_used_with_it_is_http1(offered):
    """Good ones for another kind of key than the certificate's do not count."""
    far = client(alpn=BOTH, newest="TLSv1_2", ciphers=offered)
    assert agreed(meet(site(tls=POOR), "example.com", far, at="h2:443")) == ("http/1.1", "ECDHE-ECDSA-AES128-SHA256")


def test_with_both_kinds_of_key_one_good_cipher_will_do():
    names = site(chains=(chain("example.com"), chain("example.com", kind="rsa")), tls=POOR)
    far = client(alpn=BOTH, newest="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
    assert agreed(meet(names, "example.com", far, at="h2:443")) == ("h2", "ECDHE-RSA-AES128-GCM-SHA256")


def test_a_client_of_http2_alone_hears_that_its_ciphers_are_not_good_enough():
    new = Client(client(alpn=("h2",), newest="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-SHA256"), "example.com")
    with pytest.raises(HelloError, match=r"but h2, for which its ciphers are not good enough$") as caught:
        site(tls=POOR).context_for(new.hello, "h2:443")
    assert caught.value.alert == 120


def test_tls_1_3_has_no_cipher_that_http2_may_not_be_used_with():
    far = client(alpn=BOTH, ciphers="ECDHE-ECDSA-AES128-SHA256")
    assert agreed(meet(site(tls=POOR), "example.com", far, at="h2:443"))[0] == "h2"


def test_contexts_for_either_kind_of_listener_outlive_a_renewal():
    before = site()
    kept = [before.choose(b"example.com", http2) for http2 in (False, True)]
    assert kept[0] is not kept[1]
    after = site(before=before)
    assert [after.choose(b"example.com", http2) for http2 in (False, True)] == kept


# -- verification

HOSTS = st.sampled_from([
    "a.example", "*.a.example", "b.a.example", "*.b.a.example", "*.example", "c.b.a.example", "*", None, "A.Example",
    "b.*", "b.a.*", "B.A.Example.*",
])  # fmt: skip
ASKED = st.sampled_from(
    [b"", b"a.example", b"b.a.example", b"c.b.a.example", b"d.c.b.a.example", b"x.example", b"example"]
)


@given(st.lists(st.tuples(HOSTS, st.booleans()), max_size=8, unique_by=lambda one: (one[0] or "*").lower()), ASKED)
@examples(300)
def test_the_rule_is_that_of_the_most_specific_host(hosts, asked):
    """Against a reading of routing.py's rules that takes no shortcut."""
    routes = [
        Route(to="app", host=host, client_ca=f"ca{at}" if rule else None) for at, (host, rule) in enumerate(hosts)
    ]
    files = keyring(FIRST, **{f"ca{at}": STAFF.pem + b"# %d" % at for at in range(len(hosts))})

    def rank(host: str | None) -> int:
        if host in (None, "*"):
            return 1
        name = host.lower().encode()
        if name.endswith(b".*"):
            return 1 + len(name) if asked.startswith(name[:-1]) else 0
        if name.startswith(b"*."):
            return 100 + len(name) if asked.endswith(name[1:]) else 0
        return 1000 if asked == name else 0

    best = max(routes, key=lambda route: rank(route.host), default=OPEN)
    rule = verification_of(best, files) if rank(best.host) else None
    assert ServerNames(config(*routes), files, KEYS).choose(asked).policy == (rule.digest if rule else b"")


def test_what_a_route_requires():
    files = keyring(staff=b"ca", revoked=b"crl")
    assert verification_of(OPEN, files) is None
    assert verification_of(GUARDED, files) == Verification(b"ca", b"", True)
    relaxed = Route(to="app", client_ca="staff", client_crl="revoked", client_verify="optional")
    assert verification_of(relaxed, files) == Verification(b"ca", b"crl", False)


@pytest.mark.parametrize("files", [{}, {"staff": b""}])
def test_a_file_that_was_not_read_does_not_pass_for_no_rule(files):
    with pytest.raises(ContextError, match='"staff" has not been read'):
        verification_of(GUARDED, keyring(**files))


ALICE, STRANGER = STAFF.issue("alice", client=True), authority().issue("mallory", client=True)
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])


@VERSIONS
@pytest.mark.parametrize("shows", [None, STRANGER], ids=["none", "another authority's"])
def test_a_name_that_requires_a_certificate_is_closed_to_clients_without(version, shows):
    """The trap: OpenSSL's own way of changing contexts by name lets these in."""
    names = site(OPEN, GUARDED)
    far = client(shows=shows, newest=version)
    assert meet(names, "www.example.com", far).ready
    with pytest.raises(TlsError):
        meet(names, "admin.example.com", far)
    with pytest.raises(TlsError):
        meet(names, "ADMIN.example.com", far)


@VERSIONS
def test_a_name_that_requires_a_certificate_is_open_to_clients_with_one(version):
    names = site(OPEN, GUARDED)
    new = Client(client(shows=ALICE, newest=version), "admin.example.com")
    server = names.context_for(new.hello).server(new.hello.sni)
    new.shake(server)
    facts = server.facts()
    assert (facts.certificate, facts.verified, facts.sni) == (ALICE.der, True, b"admin.example.com")
    assert facts.policy == verification_of(GUARDED, keyring(staff=STAFF.pem)).digest


@VERSIONS
def test_other_names_ask_for_no_certificate(version):
    names = site(OPEN, GUARDED)
    new = Client(client(shows=ALICE, newest=version), "www.example.com")
    server = names.context_for(new.hello).server(new.hello.sni)
    new.shake(server)
    assert (server.facts().certificate, server.facts().verified, server.facts().policy) == (b"", False, b"")


def test_without_a_name_the_rule_of_routes_without_a_host_holds():
    names = site(Route(to="app", client_ca="staff"), Route(to="app", host="www.example.com"))
    with pytest.raises(TlsError):
        meet(names, None)
    assert meet(names, "www.example.com").ready
    with pytest.raises(TlsError):
        meet(names, "unknown.example")


def test_routes_of_a_listener_without_tls_do_not_say_what_a_handshake_asks_for():
    guarded = Route(to="app", client_ca="staff", listener="h2:443")
    names = site(Route(redirect="https://{host}{uri}", listener="h1:80"), guarded)
    with pytest.raises(TlsError):
        meet(names, "www.example.com")
    assert meet(site(guarded.__class__(to="app"), Route(to="app", client_ca="staff", listener="h1:80")), None).ready


# -- sessions


def session_of(names: ServerNames, name: str, far: ssl.SSLContext) -> ssl.SSLSession:
    session = meet(names, name, far).object.session
    assert session is not None
    return session


def resumes(names: ServerNames, name: str, far: ssl.SSLContext, session: ssl.SSLSession) -> bool:
    return meet(names, name, far, session).object.session_reused


@VERSIONS
def test_a_session_resumes(version):
    names, far = site(OPEN, GUARDED), client(shows=ALICE, newest=version)
    for name in ("www.example.com", "admin.example.com"):
        assert resumes(names, name, far, session_of(names, name, far))


@VERSIONS
def test_a_session_of_an_open_name_does_not_open_another(version):
    """CVE-2025-23419."""
    names, far = site(OPEN, GUARDED), client(newest=version)
    session = session_of(names, "www.example.com", far)
    with pytest.raises(TlsError):
        meet(names, "admin.example.com", far, session)


@VERSIONS
@pytest.mark.parametrize(
    ("changed", "files"),
    [
        (GUARDED, {"staff": STAFF.pem + authority("More Staff").pem}),
        (Route(to="app", host="admin.example.com", client_ca="staff", client_crl="crl"), {"crl": STAFF.crl()}),
        (Route(to="app", host="admin.example.com", client_ca="staff", client_verify="optional"), {}),
    ],
    ids=["ca", "crl", "mode"],
)
def test_a_change_of_rules_ends_resumption(version, changed, files):
    before, far = site(OPEN, GUARDED), client(shows=ALICE, newest=version)
    session = session_of(before, "admin.example.com", far)
    after = site(OPEN, changed, before=before, **files)
    assert not resumes(after, "admin.example.com", far, session)


@VERSIONS
def test_a_client_that_was_revoked_does_not_resume(version):
    revoking = Route(to="app", host="admin.example.com", client_ca="staff", client_crl="crl")
    before, far = site(OPEN, revoking, crl=STAFF.crl()), client(shows=ALICE, newest=version)
    session = session_of(before, "admin.example.com", far)
    after = site(OPEN, revoking, before=before, crl=STAFF.crl(ALICE))
    with pytest.raises(TlsError):
        meet(after, "admin.example.com", far, session)


@complete
@VERSIONS
def test_a_new_certificate_does_not_end_resumption(version):
    before, far = site(OPEN, GUARDED), client(shows=ALICE, newest=version)
    session = session_of(before, "admin.example.com", far)
    after = site(OPEN, GUARDED, before=before, chains=(chain("example.com", "*.example.com", number=1),))
    assert after.choose(b"admin.example.com") is not before.choose(b"admin.example.com")
    assert after.choose(b"admin.example.com").policy == before.choose(b"admin.example.com").policy
    assert resumes(after, "admin.example.com", far, session)


@complete
@VERSIONS
@pytest.mark.parametrize("kept", [True, False])
def test_keys_of_tickets_are_renewed(version, kept):
    """The last one is still accepted, and no more, whether a context is kept or made anew."""
    first, far = site(), client(newest=version)
    session = session_of(first, "www.example.com", far)
    second = site(tickets=[KEYS[1], KEYS[0]], before=first if kept else None)
    assert resumes(second, "www.example.com", far, session)
    third = site(tickets=[KEYS[2], KEYS[1]], before=second if kept else None)
    assert not resumes(third, "www.example.com", far, session)


# -- what is kept of those before


def test_contexts_are_kept_where_nothing_has_changed():
    before = site(OPEN, GUARDED, chains=(FIRST, WILD))
    known = {name: before.choose(name) for name in (b"first.example", b"www.example.com", b"admin.example.com")}
    assert len(set(map(id, known.values()))) == 3
    after = site(OPEN, GUARDED, chains=(FIRST, WILD), before=before)
    assert {name: after.choose(name) for name in known} == known


def test_contexts_are_made_anew_where_something_has_changed():
    before = site(OPEN, GUARDED, chains=(FIRST, WILD))
    names = (b"first.example", b"www.example.com", b"admin.example.com")
    known = {name: before.choose(name) for name in names}

    def same(after: ServerNames) -> list[bool]:
        return [after.choose(name) is known[name] for name in names]

    renewed = chain("*.example.com", "example.com", number=1)
    assert same(site(OPEN, GUARDED, chains=(FIRST, renewed), before=before)) == [True, False, False]
    assert same(site(OPEN, GUARDED, chains=(FIRST, WILD), staff=authority().pem, before=before)) == [True, True, False]
    assert same(site(OPEN, chains=(FIRST, WILD), before=before)) == [True, True, False]
    assert same(site(OPEN, GUARDED, chains=(FIRST, WILD), tls=Tls(min="1.3"), before=before)) == [False, False, False]


def test_keys_that_are_no_longer_used_are_let_go():
    before = site(OPEN, GUARDED, chains=(FIRST, WILD))
    for name in (b"first.example", b"www.example.com", b"admin.example.com"):
        before.choose(name)
    assert len(site(OPEN, chains=(WILD,), before=before)._contexts) == 1
    assert not site(OPEN, GUARDED, chains=(FIRST, WILD), tls=Tls(min="1.3"), before=before)._contexts
