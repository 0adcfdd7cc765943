"""Exchanges over TLS with the real rsp: what a handshake allows its client to ask for, and what is told of it."""

import base64
import itertools
import json
import re
import socket
import ssl

import pytest

from tests.certificates import authority
from tests.harness import PATIENCE, Backend, Rsp, exchange, free_port, receive, wait_until

SITE = """
listen "127.0.0.1:{port}" { tls = true }
listen "127.0.0.1:PLAIN"
listen "127.0.0.1:ELSEWHERE" { redirect = "https" }
certificate { "site.bundle.pem" }
hsts = true
upstream "app" { "APP", sticky = true }
local told = { set = { ["Client-Cert"] = "{client_cert}", ["X-Subject"] = "{client_cert_subject}",
                       ["X-Print"] = "{client_cert_fingerprint}", ["X-TLS"] = "{tls_version}", ["X-SNI"] = "{sni}",
                       ["X-Cipher"] = "{tls_cipher}" } }
function on_request(req)
  if req.headers["X-To"] then return proxy("app") end
  if req.headers["X-Want"] then req.host = req.headers["X-Want"] end
  if req.path == "/seen" then
    local t = req.tls
    return respond.json(t and { version = t.version, cipher = t.cipher, sni = t.sni, alpn = t.alpn, resumed = t.resumed,
      verified = t.verified, subject = t.subject, issuer = t.issuer, sans = t.sans, serial = t.serial,
      fingerprint = t.fingerprint, not_after = t.not_after } or { plain = true })
  end
end
route { host = "staff.example.com", to = "app", client_ca = "staff.pem", client_crl = "staff.crl", request_headers = told }
route { host = "staff.example.com", path = "/hook", to = "app", client_ca = "staff.pem", client_crl = "staff.crl",
        on_request = function() return respond(200, "secret") end }
route { host = "others.example.com", to = "app", client_ca = "others.pem", request_headers = told }
route { host = "maybe.example.com", to = "app", client_ca = "staff.pem", client_verify = "optional", request_headers = told }
route { host = "moved.example.com", redirect = "/x" }
route { to = "app", request_headers = told }
"""
STAFF, OTHERS, NEW = authority("Staff CA"), authority("Others CA"), authority("New staff CA")
ALICE = STAFF.issue("alice.example.com", client=True, subject="alice")
REVOKED = STAFF.issue("eve.example.com", client=True, subject="eve")
OTHER = OTHERS.issue("mallory.example.com", client=True, subject="mallory")
CERTIFICATES = {"none": None, "alice": ALICE, "revoked": REVOKED, "other": OTHER}
ACCEPTED = {
    "staff": {"alice"},
    "others": {"other"},
    "maybe": {"none", "alice", "revoked"},
}  # no list of revoked ones there
HOSTS = ("staff", "others", "maybe", "open")
YEAR = b"\r\nStrict-Transport-Security: max-age=31536000\r\n"


class Site:
    def __init__(self, directory):
        self.directory = directory
        authority().issue("*.example.com", "example.com").write(directory, "site")
        STAFF.write(directory / "staff.pem")
        OTHERS.write(directory / "others.pem")
        (directory / "staff.crl").write_bytes(STAFF.crl(REVOKED))
        self.app = Backend(name="app")
        self.plain, self.elsewhere = free_port(), free_port()
        text = SITE.replace("APP", self.app.address).replace("PLAIN", str(self.plain))
        self.text = text.replace("ELSEWHERE", str(self.elsewhere))
        self.rsp = Rsp(directory, self.text)
        self._contexts = {}

    def context(self, certificate, version):
        """Of a client; one for each, because sessions belong to theirs."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        made.minimum_version = made.maximum_version = getattr(ssl.TLSVersion, f"TLSv{version.replace('.', '_')}")
        if certificate is not None:
            made.load_cert_chain(*self._files(certificate))
        return made

    def _files(self, certificate):
        stem = certificate.fingerprint[:20]
        if not (self.directory / f"{stem}.pem").exists():
            certificate.write(self.directory, stem)
        return self.directory / f"{stem}.bundle.pem", self.directory / f"{stem}.key"

    def connect(self, sni="open", certificate=None, version="1.3", *, context=None, session=None):
        """A client; ``None``: the handshake was refused."""
        try:
            return Client(self.rsp.port, context or self.context(certificate, version), f"{sni}.example.com", session)
        except (ssl.SSLError, OSError):
            return None

    def close(self):
        self.rsp.stop()
        self.app.close()


class Client:
    def __init__(self, port, context, sni, session=None):
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock = context.wrap_socket(raw, server_hostname=sni, session=session)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, host="open.example.com", target="/", fields="", method="GET"):
        """The answer's status; 0: there was none."""
        request = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
        try:
            self.sock.sendall(request.encode())
            return self.hear()
        except (ssl.SSLError, OSError):
            return 0

    def hear(self):
        while b"\r\n\r\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                return 0
            self.rest += more
        self.head, _, body = self.rest.partition(b"\r\n\r\n")
        self.head += b"\r\n\r\n"
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", self.head)
        size = int(length[1]) if length else 0
        while len(body) < size:
            body += receive(self.sock, 65536)
        self.body, self.rest = body[:size], body[size:]
        return int(self.head.split()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


@pytest.fixture
def own_site(tmp_path):
    """One whose files may change."""
    made = Site(tmp_path)
    yield made
    made.close()


# -- which handshake will do


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(("sni", "name"), list(itertools.product(HOSTS, CERTIFICATES)))
def test_who_is_served_after_which_handshake(site, sni, name, version):
    refused = sni in ACCEPTED and name not in ACCEPTED[sni]
    for host in HOSTS:
        client = site.connect(sni, CERTIFICATES[name], version)
        status = client.ask(f"{host}.example.com") if client is not None else 0
        expected = 0 if refused else 200 if host in (sni, "open") else 421
        assert status == expected, (sni, name, host)
        if client is not None:
            client.sock.close()


@pytest.mark.parametrize("host", HOSTS)
def test_plain_http(site, host):
    status = exchange(site.plain, f"GET / HTTP/1.1\r\nHost: {host}.example.com\r\nConnection: close\r\n\r\n".encode())
    expected = 403 if host in ("staff", "others") else 200
    assert int(status.split()[1]) == expected


AROUND = [
    ("staff.example.com.", "/", ""),
    ("STAFF.Example.Com:443", "/", ""),
    ("staff.example.com:1", "/", ""),
    ("open.example.com", "http://staff.example.com/", ""),
    ("open.example.com", "https://STAFF.example.com.:99/x", ""),
    ("staff.example.com", "/hook", ""),
    ("staff.example.com", "/%68ook", ""),
    ("staff.example.com", "/x/../hook", ""),
    ("open.example.com", "/", "X-Want: staff.example.com\r\n"),
    ("staff.example.com", "/", "X-To: app\r\n"),
    ("staff.example.com", "/", "Client-Cert: :Zm9yZ2Vk:\r\n"),
    ("staff.example.com", "/", "X-Forwarded-Proto: https\r\nX-SSL-Client-Verify: SUCCESS\r\n"),
]


@pytest.mark.parametrize(("host", "target", "fields"), AROUND)
def test_there_is_no_way_around(site, host, target, fields):
    for sni in ("open", "moved", "maybe"):
        with site.connect(sni, ALICE) as client:
            assert client.ask(host, target, fields) in (400, 421)
            assert b"secret" not in client.body
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n"
    answer = exchange(site.plain, head.encode())
    assert int(answer.split()[1]) in (400, 403) and b"secret" not in answer


def test_requests_of_one_connection_are_judged_one_by_one(site):
    with site.connect("open") as client:
        asked = "".join(f"GET / HTTP/1.1\r\nHost: {host}.example.com\r\n\r\n" for host in ("open", "staff", "open"))
        client.sock.sendall(asked.encode())
        assert (client.hear(), client.hear(), client.hear()) == (200, 421, 0), "421 ends the connection"
    with site.connect("staff", ALICE) as client:
        assert [client.ask(f"{host}.example.com") for host in ("open", "staff", "others")] == [200, 200, 421]
        assert b"\r\nConnection: close\r\n" in client.head and b"421 Misdirected Request" in client.body


def test_http_1_0_without_a_host(site):
    with site.connect("open") as client:
        client.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.hear() == 200


# -- resumption


def session_of(site, context, sni):
    with site.connect(sni, context=context) as client:
        assert client.ask(f"{sni}.example.com") == 200  # with which TLS 1.3 sends its tickets
        return client.sock.session


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_goes_with_its_rules(site, version):
    """RFC 8446 section 4.6.1; CVE-2025-23419 is this, forgotten."""
    context = site.context(ALICE, version)
    session = session_of(site, context, "staff")
    with site.connect("staff", context=context, session=session) as client:
        assert client.ask("staff.example.com", "/seen") == 200
        assert client.sock.session_reused
        seen = json.loads(client.body)
        assert seen["resumed"] and seen["verified"] and seen["subject"] == "CN=alice"
    for sni in ("open", "others", "maybe"):
        client = site.connect(sni, context=context, session=session)
        assert client is None or client.ask("staff.example.com") in (0, 421)
    bare = site.context(None, version)
    for sni in ("open", "maybe"):
        session = session_of(site, bare, sni)
        client = site.connect("staff", context=bare, session=session)
        assert client is None or client.ask("staff.example.com") == 0, "a session without a certificate"


# -- rules that change


def ask_until(client, host, wanted):
    """``client`` asks again and again until the answer is another one than 200."""
    seen = []

    def asked():
        seen.append(client.ask(host))
        return seen[-1] != 200

    wait_until(asked, "another answer")
    assert seen[-1] == wanted


@pytest.mark.parametrize("reload", [True, False])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_another_authority_ends_what_was_verified_before(own_site, reload, version):
    site, host = own_site, "staff.example.com"
    context = site.context(ALICE, version)
    session = session_of(site, context, "staff")
    with site.connect("staff", ALICE, version) as older, site.connect("others", OTHER, version) as untouched:
        assert older.ask(host) == 200
        NEW.write(site.directory / "staff.pem")
        (site.directory / "staff.crl").write_bytes(NEW.crl())
        if reload:
            site.rsp.reload(site.text)
            assert older.ask(host) == 421
        else:
            ask_until(older, host, 421)
        assert untouched.ask("others.example.com") == 200
    client = site.connect("staff", context=context, session=session)
    assert client is None or client.ask(host) == 0, "resumed past the new authority"
    with site.connect("staff", NEW.issue("bob", client=True), version) as client:
        assert client.ask(host) == 200


def test_a_certificate_that_is_revoked_later(own_site):
    with own_site.connect("staff", ALICE) as older:
        (own_site.directory / "staff.crl").write_bytes(STAFF.crl(REVOKED, ALICE))
        ask_until(older, "staff.example.com", 421)
    client = own_site.connect("staff", ALICE)
    assert client is None or client.ask("staff.example.com") == 0


# -- what is told of it


def told(site):
    head = site.app.heads[-1]
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_what_peers_are_told(site, version):
    with site.connect("staff", ALICE, version) as client:
        assert (
            client.ask("staff.example.com", fields="Client_Cert: :Zm9yZ2Vk:\r\nclient-cert-chain: :Zm9yZ2Vk:\r\n")
            == 200
        )
        fields = told(site)
        assert (
            fields[b"client-cert"] == b":" + base64.b64encode(ALICE.der) + b":" and b"client-cert-chain" not in fields
        )
        assert fields[b"x-subject"] == b"CN=alice" and fields[b"x-print"] == ALICE.fingerprint.encode()
        assert fields[b"x-tls"] == f"TLSv{version}".encode() and fields[b"x-sni"] == b"staff.example.com"
        assert fields[b"x-cipher"].decode() == client.sock.cipher()[0]
        assert fields[b"x-forwarded-proto"] == b"https"
        assert client.ask("staff.example.com", fields="Connection: Client-Cert, X-Subject, X-TLS\r\n") == 200
        assert told(site)[b"x-subject"] == b"CN=alice" and b"client-cert" in told(site), (
            "Connection takes nothing of rsp's"
        )
        assert client.ask("open.example.com", fields="client.cert: x\r\nX-Subject: CN=root\r\n") == 200
        assert not {b"client-cert", b"client.cert", b"x-subject", b"x-print"} & told(site).keys()


SPELLINGS = (
    "Client-Cert",
    "CLIENT-CERT",
    "client_cert",
    "Client.Cert",
    "Client_Cert-Chain",
    "client-cert-chain",
    "CLIENT_CERT_CHAIN",
    "Client~Cert",
    "client*cert",
    "Client'Cert",
)


def test_a_clients_own_client_cert_never_passes(site):
    for name in SPELLINGS:
        with site.connect("open") as client:
            assert client.ask(fields=f"{name}: :Zm9yZ2Vk:\r\n") == 200
        answer = exchange(
            site.plain, f"GET / HTTP/1.1\r\nHost: a\r\n{name}: :Zm9yZ2Vk:\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 200")
        assert not [head for head in site.app.heads[-2:] if b"Zm9yZ2Vk" in head]
    with site.connect("open") as client:  # nor behind a body
        body = "1\r\na\r\n0\r\nClient-Cert: :Zm9yZ2Vk:\r\nX-End: 1\r\n\r\n"
        client.sock.sendall(
            f"POST / HTTP/1.1\r\nHost: open.example.com\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n{body}".encode()
        )
        client.hear()
    assert not [head for head in site.app.heads if b"Zm9yZ2Vk" in head]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_what_hooks_see(site, version):
    with site.connect("staff", ALICE, version) as client:
        assert client.ask("staff.example.com", "/seen") == 200
        seen = json.loads(client.body)
    assert seen["version"] == f"TLSv{version}" and seen["sni"] == "staff.example.com" and seen["verified"] is True
    assert seen["subject"] == "CN=alice" and seen["issuer"] == STAFF.certificate.subject.rfc4514_string()
    assert seen["sans"] == ["DNS:alice.example.com"] and seen["fingerprint"] == ALICE.fingerprint
    assert seen["resumed"] is False and isinstance(seen["not_after"], int | float)
    with site.connect("open") as client:
        client.ask(target="/seen")
        seen = json.loads(client.body)
    assert seen["verified"] is False and "subject" not in seen
    answer = exchange(site.plain, b"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b'{"plain":true}' in answer


# -- what goes with TLS


@pytest.mark.parametrize(
    ("host", "target", "status"),
    [("open", "/", 200), ("moved", "/", 302), ("staff", "/", 421), ("open", "/a/%2e%2e/%2fb", 200)],
)
def test_responses_over_tls_ask_for_tls(site, host, target, status):
    with site.connect("open") as client:
        assert client.ask(f"{host}.example.com", target) == status
        assert client.head.count(YEAR) == 1
        assert client.ask(fields="Bad Field: x\r\n") in (0, 400)
        assert client.head.count(YEAR) == 1
    answer = exchange(site.plain, f"GET / HTTP/1.1\r\nHost: {host}.example.com\r\nConnection: close\r\n\r\n".encode())
    assert b"Strict-Transport" not in answer


def test_cookies_of_sticky_upstreams(site):
    with site.connect("open") as client:
        client.ask()
        assert re.search(rb"\r\nSet-Cookie: [^\r]*; Secure\r\n", client.head)
    answer = exchange(site.plain, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert re.search(rb"\r\nSet-Cookie: [^\r]*; SameSite=Lax\r\n", answer)


def test_a_listener_that_redirects(site):
    def asked(method, target, fields="Host: shop.example.com:80\r\n", version="1.1"):
        request = f"{method} {target} HTTP/{version}\r\n{fields}Connection: close\r\n\r\n"
        head = exchange(site.elsewhere, request.encode()).partition(b"\r\n\r\n")[0]
        place = re.search(rb"\r\nLocation: ([^\r]*)", head)
        assert b"Strict-Transport" not in head
        return int(head.split()[1]), place[1].decode() if place else None

    port = site.rsp.port
    assert asked("GET", "/a?b=c") == (308, f"https://shop.example.com:{port}/a?b=c")
    assert asked("HEAD", "/") == (308, f"https://shop.example.com:{port}/")
    assert asked("POST", "//evil.example/") == (308, f"https://shop.example.com:{port}//evil.example/")
    assert asked("GET", "/", "", "1.0") == (308, f"https://127.0.0.1:{port}/")
    assert asked("GET", "/", "Host: a;b\r\n") == (400, None)
    assert asked("GET", "/", "Host: a\r\nX-To: app\r\n") == (308, f"https://a:{port}/"), "hooks do not run there"
    wait_until(lambda: '"GET /a?b=c HTTP/1.1" 308' in site.rsp.access_log, "its line in the log")
