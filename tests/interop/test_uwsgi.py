"""uWSGI behind rsp, over its own protocol."""

import os
import subprocess
from contextlib import ExitStack

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import as_root, wait_until

APP = """
def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "HTTP_X_THING", "HTTP_PROXY",
             "CONTENT_LENGTH", "REMOTE_ADDR", "HTTPS", "SERVER_PROTOCOL", "APP_ENV", "wsgi.url_scheme")
    if environ["PATH_INFO"] == "/long":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 65536 for _ in range(64))
    if environ["PATH_INFO"] == "/missing":
        start_response("404 Not Found", [("Content-Length", "2")])
        return [b"no"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join(f"{name}={environ.get(name)}\\n" for name in names).encode(), body]
"""


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, program):
    directory = tmp_path_factory.mktemp("uwsgi")
    directory.chmod(0o755)
    (directory / "app.py").write_text(APP)
    address = f"{directory}/app.sock"
    command = [program("uwsgi"), "--plugin", "python3", "--socket", address, "--wsgi-file", f"{directory}/app.py",
               "--master", "--processes", "2", "--need-app", "--die-on-term"]  # fmt: skip
    with ExitStack() as stack:
        with (directory / "uwsgi.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_until(lambda: os.path.exists(address) or process.poll() is not None, "uWSGI")
        assert process.poll() is None, (directory / "uwsgi.log").read_text()
        text = f"""{as_root()}
            upstream "app" {{ "unix:{address}", protocol = "uwsgi", params = {{ APP_ENV = "live" }},
                health = {{ path = "/missing", status = 404, body = "no", interval = "2s" }} }}
            route {{ to = "app" }}
        """
        yield stack.enter_context(Everywhere(directory, text))


@pytest.mark.parametrize("way", WAYS)
def test_an_application(rsp, way):
    answer = rsp.ask(way, "/a%20b/c?x=1", ("X-Thing", "y"), ("Proxy", "evil:80"), method="POST", body=b"hello")
    found = dict(line.split("=", 1) for line in answer.body.decode().split("\n")[:-1])
    assert found == {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/a b/c", "QUERY_STRING": "x=1",
        "REQUEST_URI": "/a%20b/c?x=1", "HTTP_X_THING": "y", "HTTP_PROXY": "None", "CONTENT_LENGTH": "5",
        "REMOTE_ADDR": "127.0.0.1", "HTTPS": "on" if way.endswith("-tls") else "None",
        "SERVER_PROTOCOL": "HTTP/1.1", "APP_ENV": "live",
        "wsgi.url_scheme": "https" if way.endswith("-tls") else "http",
    }  # fmt: skip
    assert answer.body.endswith(b"\nhello")


@pytest.mark.parametrize("way", WAYS)
def test_responses(rsp, way):
    missing = rsp.ask(way, "/missing")
    assert (missing.status, missing.body, missing["content-length"]) == (404, b"no", "2")
    assert rsp.ask(way, "/long").body == b"x" * (64 << 16)
    assert rsp.ask(way, "/missing", method="HEAD").body == b""


def test_a_body_in_chunks_gets_a_length(rsp):
    with rsp.connect("h1") as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"CONTENT_LENGTH=11\n" in answer
    assert answer.endswith(b"hello world") or b"hello world" in answer


def test_it_is_checked(rsp):
    address = next(iter(rsp.peers("app")))
    wait_until(lambda: rsp.state(address, "app") == "up", "the check")
