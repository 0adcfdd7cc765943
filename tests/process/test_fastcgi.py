"""Peers that speak FastCGI: well-behaved ones, wrong ones and hostile ones, behind a real rsp."""

import socket
import threading
from contextlib import ExitStack

import pytest

from tests.everywhere import WAYS, Everywhere, parse
from tests.fastcgi_peer import END, STDERR, STDIN, STDOUT, Asked, FastCgiPeer, answer, end, page, record
from tests.harness import PATIENCE, as_root, run_rsp, wait_until

HEAD = b"Content-Type: text/plain\r\n\r\n"
OK = page(b"ok")


def echo(connection: socket.socket, asked: Asked) -> bool:
    """What it was asked: one variable a line, an empty line, then the body."""
    told = b"".join(b"%b=%b\n" % pair for pair in sorted(asked.pairs))
    body = asked.body if asked.params[b"REQUEST_METHOD"] != b"HEAD" else b""
    connection.sendall(page(told + b"\n" + body, b"X-Peer: echo\r\n"))
    return asked.keep


def told(body: bytes) -> dict[str, str]:
    lines = body.partition(b"\n\n")[0].decode().split("\n")
    return dict(line.split("=", 1) for line in lines)


# What a peer sends instead of a response, by the path that it is asked for: with 502, or a cut once a head is out.
LIES = {
    "http": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "silence": b"",
    "half-a-record": record(STDOUT, HEAD)[:7],
    "no-end": record(STDOUT, HEAD[:-2]),
    "no-head": record(STDOUT, b"hello, world\r\n\r\n") + end(),
    "empty": record(STDOUT) + end(),
    "empty-head": record(STDOUT, b"\r\nbody") + end(),
    "another-request": record(STDOUT, HEAD, number=2) + end(number=2),
    "management": record(10, b"x", number=0) + OK,
    "wrong-type": record(STDIN, b"x") + OK,
    "wrong-version": record(STDOUT, HEAD, version=2),
    "long-end": record(STDOUT, HEAD[:-2]) + record(END, bytes(9)),
    "bad-status": answer(b"Status: nonsense\r\n\r\n"),
    "informational": answer(b"Status: 101 Switching\r\n\r\n"),
    "two-statuses": answer(b"Status: 200\r\nStatus: 404\r\n\r\n"),
    "coding": answer(b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two-lengths": answer(b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    "many-fields": answer(b"X: y\r\n" * 200 + b"\r\n"),
    "large-head": answer(b"X: " + b"y" * 40_000 + b"\r\n\r\n"),
    "stderr-only": record(STDERR, b"oops") + end(),
    "unknown-role": end(3),
    "behind-the-end": record(STDOUT, HEAD[:-2]) + record(STDOUT) + record(STDOUT, b"\r\nx") + end(),
    "nul": answer(b"X: \0\r\n\r\n"),
}
CUTS = {
    "short": record(STDOUT, b"Content-Length: 10\r\n\r\nhello") + end(),
    "breaks-off": record(STDOUT, HEAD + b"hello"),
    "breaks-off-with-length": record(STDOUT, b"Content-Length: 10\r\n\r\nhello"),
    "goes-wrong": record(STDOUT, HEAD + b"hello") + b"\0" * 64,
    "says-no-in-the-middle": record(STDOUT, HEAD + b"hello") + end(2),
}


def lie(connection: socket.socket, asked: Asked) -> bool:
    name = asked.params[b"SCRIPT_NAME"].decode().strip("/").removesuffix(".php")
    if name == "endless-head":
        while True:
            connection.sendall(record(STDOUT, b"X: y\r\n" * 1000))
    if name in CUTS:  # the head first, so that the client has it
        data = CUTS[name]
        connection.sendall(data[: data.index(b"hello") + 5])
        connection.sendall(data[data.index(b"hello") + 5 :])
    else:
        connection.sendall(LIES[name])
    return False


def first(connection: socket.socket, asked: Asked) -> bool:
    """Serves, in the ways that a peer may."""
    name = asked.params[b"SCRIPT_NAME"]
    if name == b"/tiny.php":
        text = HEAD + b"x" * 3000
        connection.sendall(
            b"".join(record(STDOUT, text[at : at + 1], padding=at % 4) for at in range(len(text))) + end()
        )
    elif name == b"/stderr.php":
        said = record(STDERR, b"PHP message: \x1b[31mbad\nsecond line")
        connection.sendall(said + record(STDOUT, HEAD + b"ok") + said + record(STDERR) + end())
    elif name == b"/too-much.php":
        connection.sendall(answer(b"Content-Length: 5\r\n\r\nhello, world"))
    elif name == b"/location.php":
        connection.sendall(answer(b"Location: /there\r\n\r\n"))
    elif name == b"/head.php":
        connection.sendall(answer(b"Content-Length: 5\r\n\r\nhello"))
    elif name == b"/exit.php":
        connection.sendall(record(STDOUT, HEAD + b"ok") + end(code=255))
    elif name == b"/date.php":
        connection.sendall(page(b"", b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"))
    else:
        connection.sendall(page(b"pid %d" % threading.get_ident()))
    return asked.keep


class Sites:
    """One rsp, and the peers that it has."""

    def __init__(self, directory, stack: ExitStack) -> None:
        www = directory / "www"
        (www / "dir").mkdir(parents=True)
        for name in ("index", "echo", "dir/index", "tiny", "stderr", "too-much", "location", "head", "exit", "date",
                     *LIES, *CUTS, "endless-head"):  # fmt: skip
            (www / f"{name}.php").write_text("<?php")
        (www / "x.jpg").write_text("<?php")
        directory.chmod(0o755)
        self.www = www
        self.echo = stack.enter_context(FastCgiPeer(echo))
        self.liar = stack.enter_context(FastCgiPeer(lie))
        self.kept = stack.enter_context(FastCgiPeer(first))
        self.talker = stack.enter_context(FastCgiPeer(self._talk))
        self.left = threading.Event()
        fastcgi = f'protocol = "fastcgi", root = "{www}"'
        text = f"""{as_root()}
            timeouts = {{ response = "3s" }}
            upstream "echo" {{ "{self.echo.address}", {fastcgi} }}
            upstream "liar" {{ "{self.liar.address}", {fastcgi}, failures = {{ count = 0 }} }}
            upstream "kept" {{ "{self.kept.address}", {fastcgi}, keepalive = 4 }}
            upstream "talk" {{ "{self.talker.address}", {fastcgi} }}
            route {{ path = "/talk", to = "talk" }}
            route {{ to = "echo" }}
            route {{ path = "/sub", strip = true, to = "echo" }}
            route {{ path = "/ruled", strip = true, to = "echo",
                request_headers = {{ set = {{ Proxy = "evil:80", ["X-Env"] = "live" }} }} }}
            upstream "own" {{ "{self.echo.address}", {fastcgi}, params = {{
                APP_ENV = "live", SERVER_NAME = "fixed", QUERY_STRING = "q={{path}}&{{query}}", HTTP_X_THING = "" }} }}
            route {{ path = "/own", strip = true, to = "own" }}
            route {{ path = "/lie", strip = true, to = "liar" }}
            route {{ path = "/kept", strip = true, to = "kept" }}
            route {{ path = "/hook", strip = true, respond = {{ status = 500 }}, on_request = function(req) return proxy {{ upstream = "echo" }} end }}
            route {{ path = "/held", strip = true, respond = {{ status = 500 }}, request_buffering = true,
                on_request = function(req) return proxy {{ upstream = "echo" }} end }}
            route {{ path = "/call", respond = {{ status = 500 }}, on_request = function(req)
                local found = http.get {{ upstream = "echo", url = req.query }}
                return respond(200, tostring(found.status) .. " " .. (found.body or "")) end }}
        """
        self.rsp = stack.enter_context(Everywhere(directory, text))

    def _talk(self, connection: socket.socket, asked: Asked) -> bool:
        """The beginning of a response, until the other side ends."""
        connection.sendall(record(STDOUT, HEAD + b"begin"))
        connection.settimeout(PATIENCE)
        try:
            connection.recv(1)
        finally:
            self.left.set()
        return False


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    with ExitStack() as stack:
        yield Sites(tmp_path_factory.mktemp("fastcgi"), stack)


# -- what every client sees


@pytest.mark.parametrize("way", WAYS)
def test_a_script_is_told_of_the_request(sites, way):
    answer = sites.rsp.ask(way, "/echo.php/a%20b?x=1", ("X-Thing", "y"), ("Proxy", "evil:80"))
    assert answer.status == 200
    assert answer["x-peer"] == "echo"
    assert answer["date"]
    found = told(answer.body)
    tls = way.endswith("-tls")
    expected = {
        "SCRIPT_FILENAME": f"{sites.www}/echo.php",
        "SCRIPT_NAME": "/echo.php",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=1",
        "REQUEST_URI": "/echo.php/a%20b?x=1",
        "REQUEST_METHOD": "GET",
        "REQUEST_SCHEME": "https" if tls else "http",
        "HTTPS": "on" if tls else None,
        "SERVER_PROTOCOL": "HTTP/2.0" if way.startswith("h2") else "HTTP/1.1",
        "SERVER_NAME": "site.example",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": str(sites.rsp.ports[way]),
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_THING": "y",
        "HTTP_PROXY": None,
        "CONTENT_LENGTH": None,
    }
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("way", WAYS)
def test_variables_of_the_configuration_replace_those_of_rsp(sites, way):
    asked = len(sites.echo.asked)
    found = told(sites.rsp.ask(way, "/own/echo.php?x=1", ("X-Thing", "y")).body)
    expected = {
        "APP_ENV": "live",
        "SERVER_NAME": "fixed",
        "QUERY_STRING": "q=/own/echo.php&x=1",
        "HTTP_X_THING": None,
        "SCRIPT_FILENAME": f"{sites.www}/echo.php",
    }
    assert {name: found.get(name) for name in expected} == expected
    names = [name for name, _ in sites.echo.asked[asked].pairs]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("way", WAYS)
def test_permalinks_are_the_index_and_scripts_that_are_not_there_are_nothing(sites, way):
    before = len(sites.echo.asked)
    found = told(sites.rsp.ask(way, "/2024/hello-world/?p=1").body)
    assert found["SCRIPT_NAME"] == "/index.php"
    assert found["REQUEST_URI"] == "/2024/hello-world/?p=1"
    assert "PATH_INFO" not in found
    assert told(sites.rsp.ask(way, "/dir/").body)["SCRIPT_NAME"] == "/dir/index.php"
    for path in ("/nosuch.php", "/x.jpg/.php", "/x.jpg/y.php", "/x.php%00.jpg", "/dir/%00/echo.php"):
        assert sites.rsp.ask(way, path).status == 404, path
    assert len(sites.echo.asked) == before + 2
    answer = sites.rsp.ask(way, "/dir?a=b")
    assert (answer.status, answer["location"]) == (301, "/dir/?a=b")
    assert sites.rsp.ask(way, "/dir", method="DELETE").status == 308


@pytest.mark.parametrize("way", WAYS)
def test_a_body_reaches_the_script(sites, way):
    body = bytes(range(256)) * 5000
    for sent in (b"x", body):
        answer = (
            sites.rsp.ask(way, "/echo.php", ("Content-Length", str(len(sent))), method="POST", body=sent)
            if (way.startswith("h2"))
            else sites.rsp.ask(way, "/echo.php", method="POST", body=sent)
        )
        assert answer.body.endswith(b"\n\n" + sent)
        assert told(answer.body[:4000])["CONTENT_LENGTH"] == str(len(sent))


@pytest.mark.parametrize("way", WAYS)
def test_a_body_without_a_length_gets_one(sites, way):
    """It is held until it is whole: PHP reads as many bytes as CONTENT_LENGTH says."""
    body = b"0123456789abcdef" * 20_000  # more than limits.buffer
    if way.startswith("h2"):
        answer = sites.rsp.ask(way, "/echo.php", method="PUT", body=body)
    else:
        with sites.rsp.connect(way) as client:
            client.sendall(
                b"PUT /echo.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            client.sendall(b"%x\r\n%b\r\n0\r\nX-Trailer: y\r\n\r\n" % (len(body), body))
            answer = parse(b"".join(iter(lambda: client.recv(65536), b"")))
    assert answer.status == 200
    assert answer.body.endswith(b"\n\n" + body)
    assert told(answer.body[:4000])["CONTENT_LENGTH"] == str(len(body))


@pytest.mark.parametrize("way", WAYS)
def test_a_response_without_a_body_has_none(sites, way):
    answer = sites.rsp.ask(way, "/kept/head.php", method="HEAD")
    assert (answer.status, answer.body, answer["content-length"]) == (200, b"", "5")
    answer = sites.rsp.ask(way, "/kept/location.php")
    assert (answer.status, answer["location"]) == (302, "/there")


# What the client sees does not depend on what is wrong.
LIED_TO = [*(("h1", name) for name in (*LIES, "endless-head")), *((way, "bad-status") for way in WAYS[1:])]


@pytest.mark.parametrize(("way", "name"), LIED_TO)
def test_a_peer_that_lies_gets_no_further_than_rsp(sites, way, name):
    answer = sites.rsp.ask(way, f"/lie/{name}.php")
    assert answer.status == 502
    assert b"502 Bad Gateway" in answer.body


@pytest.mark.parametrize("name", CUTS)
def test_a_response_that_breaks_off_is_never_taken_for_a_whole_one(sites, name):
    with sites.rsp.connect("h1") as client:
        client.sendall(f"GET /lie/{name}.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        received = b""
        try:
            while more := client.recv(65536):
                received += more
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") or b"502" in head
    assert not body.endswith(b"0\r\n\r\n")
    if b"Content-Length: 10" in head:
        assert len(body) < 10


# -- what a peer may do


def test_a_stripped_path_is_what_the_script_sees(sites):
    found = told(sites.rsp.ask("h1", "/sub/dir/?q").body)
    assert (found["REQUEST_URI"], found["SCRIPT_NAME"]) == ("/dir/?q", "/dir/index.php")
    assert found["HTTP_X_FORWARDED_PREFIX"] == "/sub"
    assert sites.rsp.ask("h1", "/sub/dir")["location"] == "/sub/dir/"
    assert sites.rsp.ask("h1", "//evil.example/../dir").status in (301, 400)


def test_header_rules_are_variables_but_never_http_proxy(sites):
    found = told(sites.rsp.ask("h1", "/ruled/echo.php").body)
    assert found["HTTP_X_ENV"] == "live"
    assert "HTTP_PROXY" not in found


def test_records_of_one_byte(sites):
    assert sites.rsp.ask("h1", "/kept/tiny.php").body == b"x" * 3000


def test_what_a_script_writes_behind_its_length_is_dropped(sites):
    assert sites.rsp.ask("h1", "/kept/too-much.php").body == b"hello"


def test_a_script_may_end_with_an_error_and_say_its_own_date(sites):
    assert sites.rsp.ask("h1", "/kept/exit.php").body == b"ok"
    assert sites.rsp.ask("h1", "/kept/date.php")["date"].endswith("1970 00:00:00 GMT")


def test_stderr_is_in_the_log_and_moves_no_cursor(sites):
    assert sites.rsp.ask("h1", "/kept/stderr.php").body == b"ok"
    wait_until(lambda: "says: PHP message" in sites.rsp.log, "the log")
    line = next(line for line in sites.rsp.log.split("\n") if "says: PHP message" in line)
    assert 'upstream "kept"' in line
    assert r"\x1b[31mbad" in line
    assert "\x1b" not in sites.rsp.log


def test_a_small_response_has_a_length(sites):
    answer = sites.rsp.ask("h1", "/kept/index.php")
    assert answer["content-length"] == str(len(answer.body))


def test_a_client_that_waits_for_100_gets_it(sites):
    with sites.rsp.connect("h1") as client:
        client.sendall(
            b"POST /echo.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"hello")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"\n\nhello")


def test_what_hooks_ask_for_goes_by_the_same_rules(sites):
    assert told(sites.rsp.ask("h1", "/hook").body)["SCRIPT_NAME"] == "/index.php"
    before = len(sites.echo.asked)
    assert sites.rsp.ask("h1", "/hook/nosuch.php").status == 404
    assert sites.rsp.ask("h1", "/call?/nosuch.php").body.startswith(b"404")
    assert len(sites.echo.asked) == before
    assert sites.rsp.ask("h1", "/call?/echo.php").body.startswith(b"200 ")
    with sites.rsp.connect("h1") as client:  # no filter could hold it: the route did not know
        client.sendall(b"POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 411")
    with sites.rsp.connect("h1") as client:
        client.sendall(b"POST /held HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        assert client.recv(65536).endswith(b"\n\nx")


# -- connections


def test_connections_are_kept_only_where_that_is_said(sites):
    for _ in range(3):
        sites.rsp.ask("h1", "/kept/index.php")
    before = sites.kept.connections
    for _ in range(5):
        sites.rsp.ask("h1", "/kept/index.php")
    assert sites.kept.connections == before
    assert sites.kept.asked[-1].keep
    before = sites.echo.connections
    for _ in range(3):
        sites.rsp.ask("h1", "/echo.php")
    assert sites.echo.connections == before + 3
    assert not sites.echo.asked[-1].keep


def test_a_kept_connection_that_the_peer_has_closed_costs_no_request(sites):
    sites.rsp.ask("h1", "/kept/index.php")
    for connection in list(sites.kept.open):
        connection.shutdown(socket.SHUT_RDWR)
    for _ in range(3):
        assert sites.rsp.ask("h1", "/kept/index.php").status == 200


def test_a_client_that_leaves_takes_its_request_along(sites):
    with sites.rsp.connect("h1") as client:
        client.sendall(b"GET /talk HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert sites.left.wait(PATIENCE)


def test_scripts_that_rsp_cannot_see_are_known_by_their_names(tmp_path):
    with FastCgiPeer(echo) as peer:
        text = f'upstream "php" {{ "{peer.address}", protocol = "fastcgi", root = "/srv/elsewhere" }} route {{ to = "php" }}'
        with Everywhere(tmp_path, text) as rsp:
            wait_until(lambda: 'root = "/srv/elsewhere": workers cannot see' in rsp.log, "the warning")
            assert (
                told(rsp.ask("h1", "/wp-admin/post.php/x").body)["SCRIPT_FILENAME"]
                == "/srv/elsewhere/wp-admin/post.php"
            )
            assert told(rsp.ask("h1", "/any/thing/").body)["SCRIPT_NAME"] == "/index.php"
            assert rsp.ask("h1", "/uploads/x.jpg/y.php").status == 404
            assert len(peer.asked) == 2
            www = tmp_path / "www"
            www.mkdir()
            (www / "start.php").write_text("")
            tmp_path.chmod(0o755)
            rsp.reload(text.replace("/srv/elsewhere", str(www)).replace('" }', '", index = "start.php" }', 1))
            assert told(rsp.ask("h1", "/").body)["SCRIPT_FILENAME"] == f"{www}/start.php"
            rsp.reload(text)
            assert told(rsp.ask("h1", "/").body)["SCRIPT_FILENAME"] == "/srv/elsewhere/index.php"
            found = run_rsp(tmp_path, "explain", "site.lua", "GET http://a/info.php/x")
            assert "peer " + peer.address + ", over FastCGI" in found.stdout
            assert 'script:    /srv/elsewhere/info.php, with PATH_INFO "/x"; this process cannot see' in found.stdout
