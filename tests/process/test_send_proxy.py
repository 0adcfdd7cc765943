"""``send_proxy``: connections to peers begin with a PROXY header, and belong to the client that it names."""

import random
import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
from proxyprotocol.result import ProxyResultType
from proxyprotocol.tlv import ProxyProtocolSSLTLV, ProxyProtocolTLV

from tests import h2_client
from tests.certificates import authority
from tests.harness import Rsp, as_root, free_port, wait_until
from tests.proxied import ProxyBackend, header

CA = authority("Announced CA")
LISTEN = """{root}
certificate {{ "site.bundle.pem" }}
listen "127.0.0.1:{plain}"
listen "127.0.0.1:{tls}" {{ tls = true }}
listen "127.0.0.1:{proxied}" {{ proxy_protocol = {{ from = {{ "127.0.0.1" }} }} }}
listen "127.0.0.1:{both}" {{ tls = true, proxy_protocol = {{ from = {{ "127.0.0.1" }} }} }}
listen "unix:{unix}"
"""
LISTENERS = ("plain", "tls", "proxied", "both")


class Site(Rsp):
    """``ports``: of its listeners.  ``text``: upstreams and routes; ``{name}`` in it is the address of that backend."""

    def __init__(self, directory, text, **backends):
        self.ports = {name: free_port() for name in LISTENERS}
        self.unix = str(directory / "rsp.sock")
        CA.issue("site.example").write(directory, "site")
        CA.write(directory / "ca.pem")
        self.backends = backends
        super().__init__(directory, self.whole(text))

    def whole(self, text):
        for name, backend in self.backends.items():
            text = text.replace("{" + name + "}", backend.address)
        return LISTEN.format(**self.ports, unix=self.unix, root=as_root()) + text


class Client:
    """A client's connection over HTTP/1.1.  ``own``: its address and the one that it is connected to."""

    def __init__(self, site, listener="plain", start=b""):
        sock = socket.create_connection(("127.0.0.1", site.ports[listener]), 30)
        self.own = sock.getsockname(), sock.getpeername()
        sock.sendall(start)
        if listener in ("tls", "both"):
            sock = CA.trusted().wrap_socket(sock, server_hostname="site.example")
        self.sock = sock
        self._rest = b""

    def ask(self, path="/", method="GET", extra=""):
        """The number of the connection at the peer that has answered, and what the peer was sent."""
        self.send(path, method, extra)
        return self.answer()

    def ask_at_once(self, path, count):
        """Over HTTP/1.1 one after the other, as a client sends them that does not wait."""
        for _ in range(count):
            self.send(path)
        return [self.answer() for _ in range(count)]

    def send(self, path="/", method="GET", extra=""):
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: site.example\r\n{extra}\r\n".encode())

    def answer(self):
        data, self._rest = self._rest, b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self._more()
        body, self._rest = body[:length], body[length:]
        number, _, sent = body.partition(b"\r\n")
        return int(number), sent

    def _more(self):
        more = self.sock.recv(65536)
        assert more, "closed"
        return more

    def close(self):
        self.sock.close()


class Http2Client:
    def __init__(self, site, listener="tls", start=b""):
        context = CA.trusted()
        context.set_alpn_protocols(["h2"])
        self.client = h2_client.Client(site.ports[listener], begins=False)
        self.own = self.client.sock.getsockname(), self.client.sock.getpeername()
        self.client.sock.sendall(start)
        self.client.sock = context.wrap_socket(self.client.sock, server_hostname="site.example")
        self.client.scheme = "https"
        self.client.send(h2_client.PREFACE + h2_client.settings())

    def ask(self, path="/"):
        number, _, sent = self.client.get(path).body.partition(b"\r\n")
        return int(number), sent

    def ask_at_once(self, path, count):
        streams = [self.client.open(path) for _ in range(count)]
        parts = [self.client.finish(stream).body.partition(b"\r\n") for stream in streams]
        return [(int(number), sent) for number, _, sent in parts]

    def close(self):
        self.client.sock.close()


UPSTREAMS = """
upstream "one" { "{one}", send_proxy = "v1" }
upstream "two" { "{two}", send_proxy = "v2" }
upstream "tls" { "{three}", send_proxy = "v2", tls = { ca = "ca.pem", name = "peer.example" } }
route { path = "/v1", to = "one" }
route { path = "/v2", to = "two" }
route { path = "/tls", to = "tls" }
route { path = "/hook", to = "two", on_request = function(req)
  local answer = http.get{ upstream = "two", path = "/own" }
  return respond(200, answer.body)
end }
"""


def secure_side(directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CA.issue("peer.example").write(directory, "peer"))
    return context


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("announced")
    context = secure_side(directory)
    with (
        ProxyBackend() as one,
        ProxyBackend() as two,
        ProxyBackend(tls=context) as three,
        Site(directory, UPSTREAMS, one=one, two=two, three=three) as rsp,
    ):
        wait_until(lambda: all(each.headers for each in (one, two, three)), "what looks whether peers are there")
        yield rsp


@pytest.fixture
def client(site):
    """Makes clients."""
    made = []

    def make(kind=Client, *arguments):
        made.append(kind(site, *arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


PATHS = {"/v1": ("one", "v1"), "/v2": ("two", "v2"), "/tls": ("three", "v2")}
EVERY_PEER = pytest.mark.parametrize("path", PATHS)
EVERY_CLIENT = pytest.mark.parametrize("kind", [Client, lambda site: Client(site, "tls"), Http2Client])


def found_at(site, path, number):
    """The header of that connection."""
    name, version = PATHS[path]
    backend = site.backends[name]
    assert backend.headers[number][0] == version
    return backend.headers[number][1]


# -- what a header says


@EVERY_PEER
@EVERY_CLIENT
def test_a_header_names_the_clients_connection(site, client, path, kind):
    one = client(kind)
    number, _ = one.ask(path)
    found = found_at(site, path, number)
    assert (found.peername, found.sockname) == one.own


@EVERY_PEER
def test_a_header_from_a_balancer_is_passed_on(site, client, path):
    for source, destination in (("192.0.2.7", "198.51.100.1"), ("2001:db8::7", "2001:db8::1")):
        number, sent = client(Client, "proxied", header("v1", source, destination)).ask(path)
        found = found_at(site, path, number)
        assert (found.peername[:2], found.sockname[:2]) == ((source, 4711), (destination, 443))
        assert b"X-Forwarded-For: " + source.encode() in sent


def test_what_a_balancer_adds_is_passed_on(site, client):
    tls = ProxyProtocolSSLTLV(has_ssl=True, has_cert_conn=True, verified=True, version="TLSv1.3", cn="alice")
    tlv = ProxyProtocolTLV(authority="shop.example", unique_id=b"\1\2\0", ssl=tls, init={0xEA: b"\1vpce-1"})
    number, _ = client(Client, "proxied", header("v2", tlv=tlv)).ask("/v2")
    passed = found_at(site, "/v2", number).tlv
    assert (passed.authority, passed.unique_id, passed[0xEA]) == ("shop.example", b"\1\2\0", b"\1vpce-1")
    assert (passed.ssl.cn, passed.ssl.version, passed.ssl.verified) == ("alice", "TLSv1.3", True)
    assert passed.crc32c is None


def test_tls_that_ends_here_is_described(site, client):
    tlv = ProxyProtocolTLV(authority="of.the.balancer", unique_id=b"kept")
    for one in (client(Client, "tls"), client(Client, "both", header("v2", tlv=tlv)), client(Http2Client)):
        number, _ = one.ask("/v2")
        passed = found_at(site, "/v2", number).tlv
        assert passed.authority == "site.example"
        assert (passed.ssl.has_ssl, passed.ssl.version, passed.ssl.verified) == (True, "TLSv1.3", False)
        assert passed.ssl.cipher.startswith("TLS_")
        assert passed.alpn == (b"h2" if isinstance(one, Http2Client) else None)
    assert found_at(site, "/v2", client(Client, "both", header("v2", tlv=tlv)).ask("/v2")[0]).tlv.unique_id == b"kept"


@EVERY_PEER
def test_a_client_without_an_address_is_unknown(site, path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(site.unix)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := sock.recv(65536):
            data += more
    found = found_at(site, path, int(data.partition(b"\r\n\r\n")[2].split()[0]))
    assert found.type == ProxyResultType.UNKNOWN


def test_what_rsp_asks_for_itself_is_local(site, client):
    for backend in site.backends.values():  # whether the peer is there
        assert backend.headers[0][1].type in (ProxyResultType.LOCAL, ProxyResultType.UNKNOWN)
    number, sent = client().ask("/hook")
    assert b"GET /own " in sent
    assert found_at(site, "/v2", number).type == ProxyResultType.LOCAL


# -- a client's own connections


@EVERY_PEER
@EVERY_CLIENT
def test_a_connection_serves_its_own_client_only(site, client, path, kind):
    clients = [client(kind) for _ in range(3)]
    numbers = [each.ask(path)[0] for each in clients]
    assert len(set(numbers)) == 3
    for _ in range(2):  # in another order
        assert [each.ask(path)[0] for each in reversed(clients)] == numbers[::-1]
    late = client(kind)
    assert late.ask(path)[0] not in numbers


@EVERY_PEER
def test_clients_of_one_address_are_not_one_client(site, client, path):
    """Nor is one that a balancer names with the same address and port."""
    start = header("v2")
    first, second = client(Client, "proxied", start), client(Client, "proxied", start)
    assert first.ask(path)[0] != second.ask(path)[0]


def test_requests_at_the_same_time_have_connections_of_their_own(site, client):
    one = client(Http2Client)
    streams = [one.client.open("/v2") for _ in range(8)]
    numbers = [int(one.client.finish(stream).body.split()[0]) for stream in streams]
    assert {found_at(site, "/v2", number).peername for number in numbers} == {one.own[0]}
    other = client(Http2Client)
    assert other.ask("/v2")[0] not in numbers
    assert one.ask("/v2")[0] in numbers


@EVERY_PEER
@EVERY_CLIENT
def test_a_clients_connections_end_with_it(site, client, path, kind):
    name, _ = PATHS[path]
    backend = site.backends[name]
    one, two = client(kind), client(kind)
    number, kept = one.ask(path)[0], two.ask(path)[0]
    one.close()

    def open_ones():
        return {backend.numbers.get(id(each)) for each in list(backend.open)}

    wait_until(lambda: number not in open_ones(), "its end")
    assert two.ask(path)[0] == kept


@EVERY_PEER
def test_a_stale_connection_is_replaced_by_one_for_the_same_client(site, client, path):
    one = client()
    number, _ = one.ask(path)
    backend = site.backends[PATHS[path][0]]
    for each in list(backend.open):
        if backend.numbers.get(id(each)) == number:
            each.shutdown(socket.SHUT_RDWR)
    again, _ = one.ask(path)
    assert again != number
    assert found_at(site, path, again).peername == one.own[0]


def test_a_reload_keeps_what_is_right_and_ends_what_is_not(tmp_path):
    text = 'upstream "app" { "{one}", send_proxy = "%s" } route { to = "app" }'
    with ProxyBackend() as one, Site(tmp_path, text % "v1", one=one) as site:
        clients = [Client(site), Http2Client(site)]
        numbers = [each.ask("/")[0] for each in clients]
        site.reload(site.whole(text % "v1" + " -- the same"))
        assert [each.ask("/")[0] for each in clients] == numbers
        site.reload(site.whole(text % "v2"))
        later = [each.ask("/")[0] for each in clients]
        assert [one.headers[number][0] for number in (*numbers, *later)] == ["v1", "v1", "v2", "v2"]
        site.reload(site.whole('upstream "app" { "{one}" } route { to = "app" }'))
        wait_until(lambda: not one.open, "the end of what began otherwise")
        for each in clients:
            each.close()
        assert site.stop() == 0


@contextmanager
def hanging(**options):
    """A backend that answers ``/slow`` when it may."""
    go_on = threading.Event()

    class Hanging(ProxyBackend):
        def _say(self, connection, head, rest):
            if b" /slow " in head:
                go_on.wait(30)
            return super()._say(connection, head, rest)

    with Hanging(**options) as backend:
        backend.go_on = go_on
        yield backend
    go_on.set()


def test_a_reload_while_requests_run_changes_nothing_for_their_client(tmp_path):
    """Over HTTP/2, what follows belongs to another configuration, and to the same connection."""
    text = 'upstream "app" { "{one}", send_proxy = "v2" } route { to = "app" }'
    with hanging() as one, Site(tmp_path, text, one=one) as site:
        clients = [Http2Client(site), Http2Client(site, "both", header("v2"))]
        numbers = [each.ask("/")[0] for each in clients]
        slow = [each.client.open("/slow") for each in clients]
        wait_until(lambda: sum(b" /slow " in head for head in one.heads) == 2, "running requests")
        site.reload(site.whole(text + " -- changed"))
        later = [each.ask("/")[0] for each in clients]
        one.go_on.set()
        found = [int(each.client.finish(stream).body.split()[0]) for each, stream in zip(clients, slow, strict=True)]
        assert found == numbers  # it was idle
        wanted = [clients[0].own[0], ("192.0.2.7", 4711)]
        assert [one.headers[number][1].peername for number in later] == wanted
        assert [one.headers[number][1].peername for number in found] == wanted
        assert {each.ask("/")[0] for each in clients} <= {*found, *later}
        for each in clients:
            each.close()
        wait_until(lambda: not one.open, "the end of what was theirs")


# -- retries, hedges, bounds, checks


class Failing(ProxyBackend):
    def _say(self, connection, head, rest):
        connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        return True


def test_retries_and_hedges_name_the_same_client(tmp_path):
    text = """
    upstream "retry" { "{failing}", "{one}", send_proxy = "v2", retry = { on = { 503 } }, failures = { count = 0 } }
    upstream "hedge" { "{slow}", "{one}", send_proxy = "v2", hedge = { after = "50ms" } }
    route { path = "/retry", to = "retry" }
    route { path = "/slow", to = "hedge" }
    """
    with (
        Failing() as failing,
        hanging() as slow,
        ProxyBackend() as one,
        Site(tmp_path, text, failing=failing, slow=slow, one=one) as site,
    ):
        for path, other in (("/retry", failing), ("/slow", slow)):
            clients = [Client(site), Http2Client(site)]
            for each in (*clients, *clients):
                number, _ = each.ask(path)
                assert one.headers[number][1].peername == each.own[0]
            named = {found.peername for _, found in other.headers} - {None}
            assert named  # some requests came there first
            assert named <= {each.own[0] for each in clients}
            for each in clients:
                each.close()


def test_whatever_clients_do_a_connection_is_its_own_clients(tmp_path):
    """Clients come and go, ask one by one and at once, of peers that hang up now and then."""
    text = """
    upstream "app" { "{one}", "{two}", send_proxy = "v2", keepalive = 3, failures = { count = 0 } }
    route { to = "app" }
    """
    chance = random.Random(18)
    with (
        ProxyBackend(name="one") as one,
        ProxyBackend(name="two") as two,
        Site(tmp_path, text, one=one, two=two) as site,
    ):
        clients, answered = [], 0
        for _ in range(300):
            step = chance.random()
            if len(clients) < 2 or step < 0.1:
                clients.append(chance.choice((Client, Http2Client))(site))
            elif step < 0.2:
                clients.pop(chance.randrange(len(clients))).close()
            elif step < 0.25:  # a peer hangs up what is idle
                for each in list(chance.choice((one, two)).open):
                    with suppress(OSError):  # its client has just left
                        each.shutdown(socket.SHUT_RDWR)
            else:
                client = chance.choice(clients)
                for number, sent in client.ask_at_once("/", chance.randrange(1, 4)):
                    backend = two if sent.endswith(b"two") else one
                    assert backend.headers[number][1].peername == client.own[0]
                    answered += 1
        for each in clients:
            each.close()
        assert answered > 200
        wait_until(lambda: not (one.open or two.open), "the end of all connections")


def test_the_oldest_connection_makes_room(tmp_path):
    text = 'upstream "app" { "{one}", send_proxy = "v2", keepalive = 2 } route { to = "app" }'
    with ProxyBackend() as one, Site(tmp_path, text, one=one) as site:
        clients = [Client(site) for _ in range(3)]
        numbers = [each.ask()[0] for each in clients]
        assert clients[2].ask()[0] == numbers[2]
        assert clients[1].ask()[0] == numbers[1]
        assert clients[0].ask()[0] not in numbers
        for each in clients:
            each.close()
        wait_until(lambda: not one.open, "their end")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_health_checks_are_local(tmp_path, version):
    context = secure_side(tmp_path)
    kinds = {"plain": '"/up"', "tcp": '"tcp"', "secure": '{ path = "/up" }'}
    with (
        ProxyBackend() as plain,
        ProxyBackend() as tcp,
        ProxyBackend(tls=context) as secure,
        ProxyBackend(unix=str(tmp_path / "peer.sock")) as local,
        Site(
            tmp_path,
            "".join(
                f'upstream "{name}" {{ "{{{name}}}", send_proxy = "{version}", health = {health}'
                + (', tls = { ca = "ca.pem", name = "peer.example" }' if name == "secure" else "")
                + "}"
                for name, health in (*kinds.items(), ("local", '"/up"'))
            )
            + 'route { to = "plain" }',
            plain=plain, tcp=tcp, secure=secure, local=local,
        ) as site,
    ):  # fmt: skip
        for name, backend in (("plain", plain), ("tcp", tcp), ("secure", secure), ("local", local)):
            wait_until(lambda name=name, backend=backend: site.state(backend.address, name) == "up", name)
            wanted = ProxyResultType.LOCAL if version == "v2" else ProxyResultType.UNKNOWN
            wait_until(lambda backend=backend: backend.headers, "a header")  # a check is over when it has connected
            assert {(found[0], found[1].type) for found in backend.headers} == {(version, wanted)}
        wait_until(lambda: any(b"GET /up " in head for head in secure.heads), "the check")


def test_connections_that_a_client_has_authenticated_stay_so(tmp_path):
    """NTLM on a connection that is the client's already."""

    class Office(ProxyBackend):
        def _say(self, connection, head, rest):
            if b"Authorization: NTLM 1" in head:
                connection.sendall(b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM 2\r\nContent-Length: 0\r\n\r\n")
                return True
            return super()._say(connection, head, rest)

    text = 'upstream "app" { "{one}", "{two}", send_proxy = "v1" } route { to = "app" }'
    with Office() as one, Office() as two, Site(tmp_path, text, one=one, two=two) as site:
        first, second = Client(site), Client(site)
        first.send(extra="Authorization: NTLM 1\r\n")
        assert first.sock.recv(65536).startswith(b"HTTP/1.1 401")
        where = [first.ask(extra="Authorization: NTLM 3\r\n")[0], first.ask()[0], first.ask()[0]]
        assert len(set(where)) == 1
        backend = one if any(b"NTLM 3" in head for head in one.heads) else two
        assert sum(b"NTLM 3" in head for head in backend.heads) == 1
        assert sum(b"GET / " in head for head in backend.heads) == 4
        second.ask()
        assert backend.headers[where[0]][1].peername == first.own[0]
        for each in (first, second):
            each.close()
