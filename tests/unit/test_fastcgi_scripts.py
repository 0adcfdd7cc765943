"""Which script a path is for, what a peer is told of the request, and what a script's response says."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.http.cgi.response import end_of_head, read_response
from rsp.http.cgi.scripts import Script, Scripts
from rsp.http.cgi.uwsgi import packet
from rsp.http.cgi.variables import Told, variables
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request
from rsp.http.message import CHUNKED, OutgoingHead
from rsp.http.paths import normalise_path

FILES = ("index.php", "info.php", "wp-admin/index.php", "a.php/b.php", "uploads/x.jpg", "v1.2/run.php", ".hidden.php")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("www")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("<?php")
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe.php")
    return root


@pytest.fixture(scope="module")
def scripts(root) -> Scripts:
    return Scripts(f"{root}/", ".php", "index.php")


@pytest.mark.parametrize(
    ("path", "name", "info"),
    [
        ("/", "/index.php", ""),
        ("/index.php", "/index.php", ""),
        ("/info.php", "/info.php", ""),
        ("/info.php/a/b", "/info.php", "/a/b"),
        ("/info.php/", "/info.php", "/"),
        ("/info.php/other.php", "/info.php", "/other.php"),
        ("/a.php/b.php", "/a.php/b.php", ""),  # a directory that looks like a script
        ("/a.php/b.php/c", "/a.php/b.php", "/c"),
        ("/v1.2/run.php", "/v1.2/run.php", ""),
        ("/wp-admin/", "/wp-admin/index.php", ""),
        ("/2024/05/hello-world/", "/index.php", ""),  # pretty permalinks
        ("/2024/05/hello-world", "/index.php", ""),
        ("/empty/", "/index.php", ""),
        ("/style.css", "/index.php", ""),
        ("/INFO.PHP", "/index.php", ""),  # to PHP-FPM it would be another file
        ("/info.phpx", "/index.php", ""),
        ("/%69nfo.php", "/info.php", ""),
        ("/wp-admin/../info.php", "/info.php", ""),
        ("/wp-admin/%2e%2e/info.php", "/info.php", ""),
        ("//info.php", "/info.php", ""),
        ("/./info.php", "/info.php", ""),
        ("/info.php/%0a", "/info.php", "/\n"),
        ("/info.php/../index.php", "/index.php", ""),
        ("/../../../../etc/passwd", "/index.php", ""),
    ],
)
def test_a_path_names_a_script(scripts, path, name, info):
    assert scripts.find(path.encode()) == Script(name.encode(), info.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/nosuch.php",
        "/nosuch.php/info.php",
        "/uploads/x.jpg/.php",  # with cgi.fix_pathinfo PHP would run the image
        "/uploads/x.jpg/y.php",
        "/uploads/x.jpg%00.php",
        "/info.php%00.jpg",
        "/info.php%00",
        "/info.php/%00",
        "/.php",
        "/.hidden.php",
        "/wp-admin/.php/x",
        "/pipe.php",
        "/a.php/c.php",
        "/../../../../../etc/php/x.php",
        "/info.php%20.php",
        "/" + "x" * 300 + ".php",
    ],
)
def test_a_script_that_is_not_there_is_never_asked_for(scripts, path):
    assert scripts.find(path.encode()) is None


@given(st.text("/.a%\\2e", max_size=12))
def test_a_path_without_doubt_is_not_resolved_again(text):
    path = text.encode()
    assert Scripts("", "", "index.php").find(path) == Script(b"", normalise_path(path))


def test_a_directory_with_an_index_wants_its_slash(scripts):
    assert scripts.find(b"/wp-admin") == Script(b"/wp-admin/index.php", slash=True)
    assert scripts.find(b"/empty") == Script(b"/index.php")


def test_without_an_index_a_path_names_nothing(tmp_path):
    (tmp_path / "only.php").write_text("")
    scripts = Scripts(str(tmp_path), ".php", "index.php")
    assert scripts.find(b"/") is None
    assert scripts.find(b"/x") is None
    assert scripts.find(b"/only.php") == Script(b"/only.php")
    assert scripts.lacks_index()
    assert not Scripts(str(tmp_path), ".php", "only.php").lacks_index()
    assert not Scripts("/srv/there/is/none", ".php", "index.php").lacks_index()


def test_the_index_may_be_in_a_directory(root):
    scripts = Scripts(str(root), ".php", "/wp-admin/index.php")
    assert scripts.find(b"/anything/else") == Script(b"/wp-admin/index.php")


def test_a_page_of_the_peer_is_no_script(root):
    scripts = Scripts(str(root), ".php", "index.php", ["/status"])
    assert scripts.find(b"/status") == scripts.find(b"/./%73tatus") == Script(b"/status")
    assert scripts.find(b"/status/more") == scripts.find(b"/Status") == Script(b"/index.php")
    assert scripts.key != Scripts(str(root), ".php", "index.php").key


def test_every_file_below_the_root_can_be_a_root(tmp_path):
    assert Scripts("/", ".php", "index.php").root == b""
    assert Scripts("/", ".php", "index.php").find(str(tmp_path / "x.php").encode()) is None


@given(
    st.lists(
        st.sampled_from(["/", "..", ".", "%2e", "info.php", "x.jpg", ".php", "%00", "\\", "%5c", "uploads", "a.php"])
    )
)
def test_what_is_found_is_a_script_below_the_root_whatever_the_path(scripts, root, parts):
    found = scripts.find(("/" + "".join(parts)).encode())
    if found is not None:
        file = Path(os.fsdecode(scripts.root + found.name))
        assert file.is_file()
        assert file.resolve().is_relative_to(root.resolve())
        assert file.name.endswith(".php")
        assert b".." not in found.name.split(b"/")


class TestUnseen:
    """The directory is in another container: nothing can be looked up."""

    scripts = Scripts("/srv/there/is/none", ".php", "index.php")

    def test_it_is_known_to_be_so(self, root):
        assert not self.scripts.is_visible()
        assert Scripts(str(root), ".php", "index.php").is_visible()
        assert Scripts("/nowhere", "", "index.php").is_visible()  # there is nothing to see

    @pytest.mark.parametrize(
        ("path", "name", "info"),
        [
            ("/", "/index.php", ""),
            ("/wp-login.php", "/wp-login.php", ""),
            ("/wp-admin/post.php", "/wp-admin/post.php", ""),
            ("/info.php/a.b/c", "/info.php", "/a.b/c"),
            ("/hello/world/", "/index.php", ""),
        ],
    )
    def test_scripts_are_asked_for_by_their_names(self, path, name, info):
        assert self.scripts.find(path.encode()) == Script(name.encode(), info.encode())

    @pytest.mark.parametrize("path", ["/x.jpg/y.php", "/uploads/a/x.png/y.php/z", "/x.jpg/.php", "/.php", "/a.php%00"])
    def test_no_file_can_be_taken_for_a_directory(self, path):
        assert self.scripts.find(path.encode()) is None

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
    def test_a_directory_that_may_not_be_entered_is_not_seen(self, tmp_path):
        (tmp_path / "index.php").write_text("")
        tmp_path.chmod(0)
        scripts = Scripts(str(tmp_path), ".php", "index.php")
        assert not scripts.is_visible()
        assert scripts.find(b"/any.php") == Script(b"/any.php")
        tmp_path.chmod(0o700)


def test_a_program_without_scripts_gets_the_whole_path():
    assert Scripts("", "", "index.php").find(b"/a/b.php/%63") == Script(b"", b"/a/b.php/c")


def test_a_health_check_may_ask_for_what_php_fpm_answers_itself(scripts):
    assert scripts.probe(b"/ping") == Script(b"/ping")
    assert scripts.probe(b"/info.php") == Script(b"/info.php")
    assert scripts.probe(b"/") == Script(b"/index.php")
    assert scripts.probe(b"/nosuch.php") is None


# -- variables


INDEX = Script(b"/index.php")


def told(text: bytes, script: Script = INDEX, extra: bytes = b"", scheme: bytes = b"http", local=b"") -> dict:
    head = parse_request(text.replace(b"\n", b"\r\n") + b"\r\n\r\n")
    outgoing = OutgoingHead(head, head.target, head.host, head.fields, extra, b"id-1")
    pairs = variables(outgoing, script, b"/srv/www", Told(b"192.0.2.1", scheme, local))
    assert len({name for name, _ in pairs}) == len(pairs), "a variable that is there twice"
    return {name.decode(): value.decode() for name, value in pairs}


def test_what_a_script_is_told():
    found = told(
        b"POST /info.php/a%20b?x=1&y=%2F HTTP/1.1\nHost: example.com:8080\nContent-Type: text/plain\n"
        b"Content-Length: 5\nX-Thing: one\nX-Thing: two\nCookie: a=1\nCookie: b=2",
        Script(b"/info.php", b"/a b"),
        b"X-Forwarded-For: 192.0.2.1\r\n",
        local=b"10.0.0.1:8080",
    )
    assert found == {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "rsp",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "example.com",
        "SERVER_ADDR": "10.0.0.1",
        "SERVER_PORT": "8080",
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/info.php/a%20b?x=1&y=%2F",
        "REQUEST_SCHEME": "http",
        "QUERY_STRING": "x=1&y=%2F",
        "DOCUMENT_ROOT": "/srv/www",
        "DOCUMENT_URI": "/info.php/a b",
        "SCRIPT_FILENAME": "/srv/www/info.php",
        "SCRIPT_NAME": "/info.php",
        "PATH_INFO": "/a b",
        "PATH_TRANSLATED": "/srv/www/a b",
        "REDIRECT_STATUS": "200",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "5",
        "HTTP_HOST": "example.com:8080",
        "HTTP_X_THING": "one, two",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1",
        "HTTP_X_REQUEST_ID": "id-1",
    }


def test_over_tls_https_is_on_and_a_local_socket_has_the_port_of_its_scheme():
    found = told(b"GET / HTTP/1.1\nHost: [::1]:443", scheme=b"https")
    assert (found["HTTPS"], found["SERVER_PORT"], found["SERVER_NAME"]) == ("on", "443", "[::1]")
    assert "SERVER_ADDR" not in found
    plain = told(b"GET / HTTP/1.1\nHost: a", local=b"[::1]:8080")
    assert "HTTPS" not in plain
    assert (plain["SERVER_ADDR"], plain["SERVER_PORT"]) == ("::1", "8080")


@pytest.mark.parametrize("name", [b"Proxy", b"PROXY", b"proxy"])
def test_http_proxy_is_never_set(name):
    """Whatever has written the field: a client, a header rule or a hook (CVE-2016-5385)."""
    assert "HTTP_PROXY" not in told(b"GET / HTTP/1.1\nHost: a\n" + name + b": evil:80")
    assert "HTTP_PROXY" not in told(b"GET / HTTP/1.1\nHost: a", extra=name + b": evil:80\r\n")


def test_a_length_is_said_where_there_can_be_a_body():
    assert "CONTENT_LENGTH" not in told(b"GET / HTTP/1.1\nHost: a")
    assert told(b"POST / HTTP/1.1\nHost: a")["CONTENT_LENGTH"] == "0"
    assert told(b"PUT / HTTP/1.1\nHost: a\nContent-Length: 7")["CONTENT_LENGTH"] == "7"


def test_a_program_without_scripts_has_no_files():
    found = told(b"GET /a/b?q HTTP/1.1\nHost: a", Script(b"", b"/a/b"))
    assert (found["SCRIPT_NAME"], found["PATH_INFO"], found["DOCUMENT_URI"]) == ("", "/a/b", "/a/b")
    assert not {"SCRIPT_FILENAME", "DOCUMENT_ROOT", "PATH_TRANSLATED"} & found.keys()


def test_a_packet_of_uwsgi():
    assert packet([(b"A", b"bc"), (b"D", b"")]) == b"\0" + b"\x0c\0" + b"\0" + b"\1\0A\2\0bc" + b"\1\0D\0\0"


# -- responses


def read(block: bytes, method: bytes = b"GET", strict: bool = False):
    return read_response(block, method, 100, strict)


@pytest.mark.parametrize(
    ("block", "status", "reason", "fields"),
    [
        (b"Content-Type: text/html\r\n\r\n", 200, b"OK", b"Content-Type: text/html\r\n"),
        (b"Content-Type: text/html\n\n", 200, b"OK", b"Content-Type: text/html\r\n"),
        (b"Status: 404 Not Found\r\nX: y\r\n\r\n", 404, b"Not Found", b"X: y\r\n"),
        (b"X: y\r\nstatus:404\r\n\r\n", 404, b"Not Found", b"X: y\r\n"),
        (b"Status: 500 \r\n\r\n", 500, b"Internal Server Error", b""),
        (b"Location: /there\r\n\r\n", 302, b"Found", b"Location: /there\r\n"),
        (b"Location: /there\r\nStatus: 201 Made\r\n\r\n", 201, b"Made", b"Location: /there\r\n"),
        (b"HTTP/1.1 403 No\r\nX: y\r\n\r\n", 403, b"No", b"X: y\r\n"),  # cgi.rfc2616_headers = 1
        (b"X: a\r\n b\r\n\r\n", 200, b"OK", b"X: a b\r\n"),
        (b"X: a\r\n Status: 500\r\n\r\n", 200, b"OK", b"X: a Status: 500\r\n"),
        (b"Connection: close, upgrade\r\nUpgrade: h2\r\nKeep-Alive: x\r\nX: y\r\n\r\n", 200, b"OK", b"X: y\r\n"),
    ],
)
def test_what_a_script_answers(block, status, reason, fields):
    head = read(block)
    assert (head.status, head.reason, head.fields) == (status, reason, fields)
    assert head.keep_alive
    assert not head.upgrade


def test_a_challenge_binds_no_connection_that_all_clients_share():
    assert not read(b"Status: 401 No\nWWW-Authenticate: Negotiate\n\n").connection_bound


def test_a_response_without_a_date_gets_one():
    assert read_response(b"X: y\n\n", b"GET", 9, False, b"now").fields == b"X: y\r\nDate: now\r\n"
    assert read_response(b"date: then\n\n", b"GET", 9, False, b"now").fields == b"date: then\r\n"


def test_a_body_has_its_length_or_ends_with_the_response():
    assert read(b"Content-Length: 5\r\n\r\n").framing == 5
    assert read(b"X: y\r\n\r\n").framing == CHUNKED
    assert read(b"X: y\r\n\r\n", b"HEAD").framing == 0
    assert read(b"Content-Length: 5\r\n\r\n", b"HEAD").length_line == b"Content-Length: 5\r\n"
    assert read(b"Status: 204 x\r\n\r\n").framing == 0
    assert read(b"Status: 204 x\r\nContent-Length: 9\r\n\r\n").framing == 0
    assert read(b"Status: 304 x\r\n\r\n").framing == 0
    assert read(b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n").framing == 5


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (b"Status: 99\r\n\r\n", "malformed Status"),
        (b"Status: 101 Switching\r\n\r\n", "malformed Status"),
        (b"Status: 100\r\n\r\n", "malformed Status"),
        (b"Status: 600\r\n\r\n", "malformed Status"),
        (b"Status: OK\r\n\r\n", "malformed Status"),
        (b"Status: 200\rX\r\n\r\n", "malformed Status"),
        (b"Status: 200 a\rX\r\n\r\n", "bare CR"),
        (b"Status:\r\n\r\n", "malformed Status"),
        (b"Status: 200\r\nStatus: 404\r\n\r\n", "more than one Status"),
        (b"Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (b"Hello, world\r\n\r\n", "malformed field line"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "Content-Length"),
        (b"Content-Length: -5\r\n\r\n", "Content-Length"),
        (b"X: \0\r\n\r\n", "NUL"),
        (b"X: y\r\n" * 101 + b"\r\n", "too many fields"),
    ],
)
def test_what_is_no_head_is_refused(block, said):
    for strict in (True, False):
        with pytest.raises(ProtocolError, match=said):
            read(block, strict=strict)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_to_be_refused(junk):
    block = junk + b"\r\n\r\n"
    block = block[: end_of_head(block, 0)]
    try:
        head = read(block)
    except ProtocolError:
        return
    assert b"\r" not in head.reason + b"".join(head.fields.split(b"\r\n"))
    assert b"\n" not in head.reason + b"".join(head.fields.split(b"\r\n"))


@given(st.integers(0, 40))
def test_the_end_of_a_head_is_found_however_it_comes(at):
    data = b"X: y\r\nContent-Type: a/b\n\r\nbody\n\n"
    assert end_of_head(data, min(at, 22)) == 26
    assert end_of_head(data[:25], 0) == -1
