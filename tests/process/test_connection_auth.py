"""NTLM and Negotiate authenticate a connection: what a peer takes for a user's is never another client's."""

import socket
import threading
from contextlib import contextmanager

import pytest

from tests.harness import Backend, Rsp, receive, wait_until

SITE = 'listen "127.0.0.1:{port}" upstream "app" { "%s"%s } route { to = "app" } %s'


class Office:
    """A backend that authenticates connections.  ``heads`` of :class:`Backend`; ``users``: of each connection."""

    def __init__(self, challenge=b"WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n"):
        self.challenge = challenge
        self.users = {}
        self.go_on = threading.Event()
        self.numbers = {}

    def __call__(self, connection, head, rest):
        number = self.numbers.setdefault(connection, len(self.numbers) + 1)
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() in (b"authorization", b"proxy-authorization") and not value.strip().startswith(b"Basic"):
                token = value.split()[-1]
                if token == b"TYPE1":
                    return self.answer(connection, b"401 No", b"WWW-Authenticate: NTLM TYPE2\r\n", b"go on")
                self.users[connection] = token
        user = self.users.get(connection)
        if user is None:
            return self.answer(connection, b"401 No", self.challenge, b"nobody")
        if b" /leave " in head:
            return False
        if b" /wait " in head:
            self.go_on.wait(30)
        return self.answer(connection, b"200 OK", b"", b"%b on %d" % (user, number))

    @staticmethod
    def answer(connection, status, fields, body):
        connection.sendall(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body))
        return True


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)

    def ask(self, credentials=b"", path=b"/", method=b"GET"):
        """The body of the answer."""
        field = credentials + b"\r\n" if credentials else b""
        self.sock.sendall(b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (method, path, field))
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            assert more, "closed without an answer"
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += receive(self.sock, 65536)
        return body

    def log_in(self, user=b"alice"):
        assert self.ask(b"Authorization: NTLM TYPE1") == b"go on"
        return self.ask(b"Authorization: NTLM " + user)

    def close(self):
        self.sock.close()


@contextmanager
def office(tmp_path, options="", extra="", **settings):
    with (
        Backend(Office(**settings)) as backend,
        Rsp(tmp_path, SITE % (backend.address, options, extra)) as rsp,
    ):
        yield backend, rsp


def test_a_user_keeps_a_connection_and_no_other_client_gets_it(tmp_path):
    with office(tmp_path) as (backend, rsp):
        alice, bob, mallory = (Client(rsp.port) for _ in range(3))
        assert alice.ask() == b"nobody"
        on_alice, on_bob = alice.log_in(b"alice"), bob.log_in(b"bob")
        assert on_alice.startswith(b"alice on") and on_bob.startswith(b"bob on")
        for _ in range(3):
            assert mallory.ask() == b"nobody"
            assert alice.ask() == on_alice
            assert bob.ask() == on_bob
            assert bob.ask(method=b"POST") == on_bob
        open_before = len(backend.open)
        alice.close()
        wait_until(lambda: len(backend.open) == open_before - 1, "her connection to be closed with her")
        assert Client(rsp.port).ask() == b"nobody"
        assert bob.ask() == on_bob


@pytest.mark.parametrize(
    "credentials",
    [
        b"Authorization: Negotiate alice",
        b"authorization:NEGOTIATE alice",
        b"AUTHORIZATION: \t ntlm alice",
        b"Proxy-Authorization: NTLM alice",
        b"Authorization: Basic eA==\r\nAuthorization: Negotiate alice",
        b"X-Padding: " + b"x" * 3000 + b"\r\nAuthorization: Nego2 alice",
    ],
)
def test_credentials_without_a_challenge_bind_the_connection(tmp_path, credentials):
    with office(tmp_path) as (_, rsp):
        alice = Client(rsp.port)
        assert alice.ask(credentials).startswith(b"alice on")
        assert Client(rsp.port).ask() == b"nobody"
        assert alice.ask().startswith(b"alice on")


@pytest.mark.parametrize(
    "challenge",
    [
        b'www-authenticate: Basic realm="x, y", NTLM\r\n',
        b"WWW-Authenticate: Basic realm=x\r\nX-Other: 1\r\nWWW-AUTHENTICATE:negotiate\r\n",
        b"Proxy-Authenticate: NTLM\r\n",
        b"Persistent-Auth: true\r\n",
    ],
)
def test_a_challenge_binds_the_connection(tmp_path, challenge):
    """Credentials that rsp does not know for what they are: the peer's word is enough."""
    with office(tmp_path, challenge=challenge) as (backend, rsp):
        first, second = Client(rsp.port), Client(rsp.port)
        assert first.ask() == second.ask() == b"nobody"
        assert first.ask(b"Authorization: Own alice").startswith(b"alice on")
        assert second.ask() == Client(rsp.port).ask() == b"nobody"
        assert len(backend._handler.numbers) == 3


def test_other_schemes_share_connections(tmp_path):
    with office(tmp_path, challenge=b'WWW-Authenticate: Basic realm="internal"\r\n') as (backend, rsp):
        for _ in range(3):
            assert Client(rsp.port).ask(b"Authorization: Basic bnRsbQ==") == b"nobody"
        assert len(backend._handler.numbers) == 1


def test_from_a_trusted_proxy_the_connection_is_closed_after_the_exchange(tmp_path):
    with office(tmp_path, extra='trusted = { "127.0.0.1" }') as (backend, rsp):
        shared = Client(rsp.port)
        assert shared.ask(b"Authorization: Negotiate alice").startswith(b"alice on")
        assert shared.ask() == b"nobody"
        wait_until(lambda: not backend.open, "both connections to be closed")


def test_a_conversation_is_not_moved_to_another_connection(tmp_path):
    """The peer closes it in the middle: no second try, neither there nor elsewhere, and no other user's connection."""
    with Backend(Office(), name="one") as one, Backend(Office(), name="two") as two:
        options = f', "{two.address}", policy = "hash", key = "path", retry = {{ on = {{ 503, 502 }} }}'
        with Rsp(tmp_path, SITE % (one.address, options, "")) as rsp:
            alice, bob = Client(rsp.port), Client(rsp.port)
            alice.log_in(b"alice")
            on_bob = bob.log_in(b"bob")
            before = len(one.heads) + len(two.heads)
            assert alice.ask(path=b"/leave").startswith(b"502")
            assert len(one.heads) + len(two.heads) == before + 1
            for number in range(8):  # other paths would be other peers'
                assert bob.ask(path=b"/%d" % number) == on_bob
            assert alice.ask() == b"nobody"
            assert alice.log_in(b"alice").startswith(b"alice on")


def test_a_connection_that_the_peer_has_closed_is_replaced_by_one_that_is_nobodys(tmp_path):
    with office(tmp_path) as (backend, rsp):
        alice, bob = Client(rsp.port), Client(rsp.port)
        alice.log_in(b"alice")
        connection = next(iter(backend._handler.users))
        bob.log_in(b"bob")
        connection.shutdown(socket.SHUT_RDWR)
        assert alice.ask() == b"nobody"


def test_a_full_peer_is_waited_for(tmp_path):
    """With room elsewhere, too: an authenticated client stays where it is."""
    with Backend(Office(), name="one") as one, Backend(name="two") as two:
        options = f', {{ "{two.address}", backup = true }}, max_conns = 1'
        with Rsp(tmp_path, SITE % (one.address, options, "")) as rsp:
            alice = Client(rsp.port)
            on_alice = alice.log_in()
            busy = Client(rsp.port)
            busy.log_in(b"bob")
            busy.sock.sendall(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: rsp.peers()[one.address]["in_flight"] == 1, "the peer to be full")
            alice.sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "her request to wait")
            assert Client(rsp.port).ask() == b"two"
            one._handler.go_on.set()
            alice.sock.settimeout(30)
            assert alice.sock.recv(65536).endswith(on_alice)


def test_a_reload_keeps_it_and_a_peer_that_goes_takes_it_along(tmp_path):
    with office(tmp_path) as (backend, rsp), Backend(name="two") as two:
        alice = Client(rsp.port)
        on_alice = alice.log_in()
        rsp.reload(SITE % (backend.address, "", 'request_id = "off"'))
        assert alice.ask() == on_alice
        rsp.reload(SITE % (two.address, "", ""))
        wait_until(lambda: not backend.open, "the connections to the old peer to be closed")
        assert alice.ask() == b"two"


HOOK = """
listen "127.0.0.1:{port}"
upstream "app" { "%s" }
route { to = "app", on_request = function(req)
  if req.path == "/as" then req.headers.authorization = "Negotiate " .. req.query end
  if req.path == "/sub" then
    local res = http.get { upstream = "app", url = "/", headers = { Authorization = "NTLM alice" } }
    return respond { status = 200, body = res.body }
  end
end }
"""


def test_credentials_of_hooks_bind_as_well(tmp_path):
    with Backend(Office()) as backend, Rsp(tmp_path, HOOK % backend.address) as rsp:
        alice = Client(rsp.port)
        assert alice.ask(path=b"/as?alice").startswith(b"alice on")
        assert Client(rsp.port).ask() == b"nobody"
        assert alice.ask().startswith(b"alice on")
        assert Client(rsp.port).ask(path=b"/sub").startswith(b"alice on")
        assert Client(rsp.port).ask() == b"nobody"


RULE = """
listen "127.0.0.1:{port}"
upstream "app" { "%s" }
route { path = "/as", to = "app", request_headers = { set = { Authorization = "Negotiate service" } } }
route { to = "app" }
"""


def test_credentials_of_a_rule_bind_as_well(tmp_path):
    with Backend(Office()) as backend, Rsp(tmp_path, RULE % backend.address) as rsp:
        assert Client(rsp.port).ask(path=b"/as").startswith(b"service on")
        assert Client(rsp.port).ask() == b"nobody"
