"""The dashboard of a running rsp: the page, its Host, its users, its orders; and the death of what serves it."""

import base64
import fcntl
import http.client
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import bcrypt
import psutil
import pytest

from tests.harness import Backend, Rsp, get, wait_until
from tests.ports import free_port


def site(backend, dashboard, more=""):
    return f"""
    {dashboard}
    listen "127.0.0.1:{{port}}"
    upstream "app" {{ "{backend.address}" }}
    route {{ to = "app", name = "shop" }}
    {more}
    """


TERMINAL = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"}


class Page:
    """The dashboard at a port."""

    def __init__(self, port):
        self.port = port

    def ask(self, path="/", method="GET", body=None, user=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        if user:
            named["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def events(self, user=None):
        """The first view and what comes more seldom."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
        connection.request("GET", "/events", headers=headers)
        response = connection.getresponse()
        assert response.status == 200 and response.headers["Content-Type"] == "text/event-stream"
        found = {}
        while len(found) < 2:
            line = response.readline()
            assert line, "the stream has ended"
            if line.startswith(b"event: "):
                found[line[7:].strip().decode()] = json.loads(response.readline().removeprefix(b"data: "))
        connection.close()
        return found["view"], found["more"]


def late(connection, head, _rest):
    """Paths that begin with /slow take 0.4 seconds."""
    if head.split(b" ")[1].startswith(b"/slow"):
        time.sleep(0.4)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


@pytest.fixture(scope="module")
def backend():
    with Backend(late) as running:
        yield running


def control_of(rsp):
    """Its pid; ``None``: there is none at the moment."""
    for child in psutil.Process(rsp.process.pid).children():
        with suppress(psutil.Error):
            if " ".join(child.cmdline()).startswith("rsp: control"):
                return child.pid
    return None


def test_a_page_for_this_machine(tmp_path, backend):
    page = Page(free_port())
    with Rsp(tmp_path, site(backend, f'dashboard = "127.0.0.1:{page.port}"')) as rsp:
        status, body, fields = page.ask()
        assert status == 200 and fields["Content-Type"] == "text/html; charset=utf-8" and b"<title>" in body
        assert "default-src 'none'" in fields["Content-Security-Policy"]
        for name in (f"localhost:{page.port}", "127.0.0.1", "[::1]:80"):
            assert page.ask(Host=name)[0] == 200
        for name in ("evil.example", f"127.0.0.1.evil.example:{page.port}", "10.0.0.1"):
            for path in ("/", "/events", "/history"):
                assert page.ask(path, Host=name)[0] == 421
        for order in ("drain", "enable", "weight"):
            status, body, _ = page.ask(f"/{order}", "POST", "{}", Content_Type="application/json")
            assert status == 403 and b"actions" in body
        for _ in range(5):
            assert b" 200 " in get(rsp.port)
        wait_until(lambda: page.events()[0]["status"]["totals"]["requests"] == 5, "five requests")


def test_what_was_counted_is_on_the_page(tmp_path, backend):
    page = Page(free_port())
    with Rsp(tmp_path, site(backend, f'dashboard = "127.0.0.1:{page.port}"')) as rsp:
        for _ in range(7):
            get(rsp.port, "/x")

        def shown():
            rows = {row["name"]: row for row in page.events()[0]["routes"]["rows"]}
            return "shop" in rows and rows["shop"]["counts"]["requests"] == 7

        wait_until(shown, "seven requests")
        figures = rsp.admin("/figures")
        assert [one["requests"] for one in figures["routes"] if one["route"] == "shop"] == [7]
        assert [sum(one["times"]) for one in figures["upstreams"] if one["upstream"] == "app"] == [7]
        top = rsp.rspctl("top", "--once", "--every", "100ms")
        assert top.returncode == 0 and "shop" in top.stdout and backend.address in top.stdout, top.stderr
        assert json.loads(rsp.rspctl("top", "--json").stdout)["status"]["totals"]["requests"] == 7


def test_top_is_live_in_a_terminal_until_q(tmp_path, backend):
    with Rsp(tmp_path, site(backend, "")) as rsp:
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        command = [sys.executable, "-m", "rsp.rspctl", "-s", "admin.sock", "top", "--every", "100ms"]
        top = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=TERMINAL)
        os.set_blocking(ours, False)
        shown = b""

        def sees(text):
            nonlocal shown
            with suppress(BlockingIOError):
                shown += os.read(ours, 1 << 16)
            return text in shown

        wait_until(lambda: sees(b"shop"), "the route")
        os.kill(control_of(rsp), signal.SIGKILL)
        get(rsp.port)
        shown = b""
        wait_until(lambda: sees(b"was killed"), "the control process that is back, and what the log says")
        os.write(ours, b"q")
        wait_until(lambda: sees(b"") and top.poll() is not None, "the end of top")
        assert top.returncode == 0
        assert termios.tcgetattr(theirs)[3] == before[3]  # echo and lines are on again
        os.close(ours)
        os.close(theirs)


def test_it_dies_with_the_control_process_and_comes_back_and_traffic_does_not_notice(tmp_path, backend):
    page = Page(free_port())
    with Rsp(tmp_path, site(backend, f'dashboard = "127.0.0.1:{page.port}"')) as rsp:
        assert page.ask()[0] == 200
        for _ in range(2):
            before = control_of(rsp)
            os.kill(before, signal.SIGKILL)
            for _ in range(50):
                assert b" 200 " in get(rsp.port)
            wait_until(lambda before=before: control_of(rsp) not in (None, before), "the next")
            assert page.ask()[0] == 200  # what was asked meanwhile waits in the socket's queue
        wait_until(lambda: page.events()[0]["status"]["totals"]["requests"] == 100, "what was counted before")


def test_slow_requests_and_errors_come_to_the_page(tmp_path, backend):
    page = Page(free_port())
    with Rsp(tmp_path, site(backend, f'dashboard = "127.0.0.1:{page.port}"')) as rsp:
        page.events()

        def slow():
            get(rsp.port, "/slow?token=hidden")
            return page.events()[1]["slow"]

        wait_until(slow, "a slow request")
        found = page.events()[1]["slow"][0]
        assert found["duration"] >= 0.1 and found["target"].startswith("/slow") and "hidden" not in json.dumps(found)
        os.kill(next(iter(rsp.workers().values())), signal.SIGKILL)
        wait_until(lambda: any("killed" in one["text"] for one in page.events()[1]["errors"]), "the error")


def test_a_reload_is_shown_with_what_it_changes(tmp_path, backend):
    page = Page(free_port())
    text = site(backend, f'dashboard = "127.0.0.1:{page.port}"')
    secret = 'route { path = "/new", to = "app", request_headers = { set = { ["X-Api-Key"] = "hidden" } } }'
    with Rsp(tmp_path, text) as rsp:
        rsp.reload(text + secret)
        wait_until(lambda: page.events()[1]["reloads"], "the reload")
        first = page.events()[1]["reloads"][0]
        assert first["good"] and '+route { to = "app"' in first["difference"] and "/new" in first["difference"]
        assert "hidden" not in first["difference"]
        rsp.reload(text + "nonsense {{")
        wait_until(lambda: len(page.events()[1]["reloads"]) == 2, "the refused one")
        assert not page.events()[1]["reloads"][0]["good"]


def test_it_comes_and_goes_with_a_reload(tmp_path, backend):
    page = Page(free_port())
    with Rsp(tmp_path, site(backend, "")) as rsp:
        with pytest.raises(OSError):
            page.ask()
        rsp.reload(site(backend, f'dashboard = "127.0.0.1:{page.port}"'))
        wait_until(lambda: page.ask()[0] == 200, "the page")
        rsp.reload(site(backend, ""))

        def gone():
            try:
                page.ask()
            except OSError:
                return True
            return False

        wait_until(gone, "no page")


def test_users_and_orders(tmp_path, backend):
    page = Page(free_port())
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ada:{hashed}\n")
    setting = f'dashboard = {{ address = "0.0.0.0:{page.port}", actions = true, users = "htpasswd" }}'
    with Rsp(tmp_path, site(backend, setting)) as rsp:
        assert page.ask()[0] == 401 and page.ask("/events")[0] == 401 and page.ask(user="ada:wrong")[0] == 401
        assert page.ask(user="ada:secret")[0] == 200
        _, more = page.events("ada:secret")
        order = json.dumps({"upstream": "app", "peer": backend.address})
        good = {"user": "ada:secret", "Content_Type": "application/json", "X_CSRF_Token": more["token"]}
        assert page.ask("/drain", "POST", order, **{**good, "X_CSRF_Token": "x"})[0] == 403
        assert page.ask("/drain", "POST", order, **good, Origin="http://evil.example")[0] == 403
        assert page.ask("/drain", "POST", order, **{**good, "user": None})[0] == 401
        assert rsp.state(backend.address) == "up"
        status, body, _ = page.ask("/drain", "POST", order, **good, Origin=f"http://127.0.0.1:{page.port}")
        assert status == 200 and "last peer" in json.loads(body)["warning"]
        assert rsp.state(backend.address) == "drained"
        assert page.ask("/enable", "POST", order, **good)[0] == 200 and rsp.state(backend.address) == "up"
        assert page.ask("/drain", "POST", '{"peer": "x"}', **good)[0] == 400
        assert hashed not in rsp.rspctl("top", "--json").stdout

        (tmp_path / "htpasswd").write_text(f"bob:{hashed}\n")
        rsp.reload()
        wait_until(lambda: page.ask(user="ada:secret")[0] == 401, "ada is no user any more")
        assert page.ask(user="bob:secret")[0] == 200


def test_rsp_itself_can_bring_it_to_other_machines(tmp_path, backend):
    page = Page(free_port())
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ada:{hashed}\n")
    setting = f"""dashboard = {{
      address = "127.0.0.1:{page.port}", hosts = {{ "dash.example" }}, users = "htpasswd", actions = true }}"""
    route = f"""upstream "dashboard" {{ "127.0.0.1:{page.port}" }}
    route {{ host = "dash.example", to = "dashboard" }}"""
    with Rsp(tmp_path, site(backend, setting, route)) as rsp:
        outside = Page(rsp.port)
        assert outside.ask(Host="dash.example")[0] == 401
        assert outside.ask(Host="dash.example", user="ada:secret")[0] == 200
        token = page.events("ada:secret")[1]["token"]
        fields = {
            "Host": "dash.example",
            "Content_Type": "application/json",
            "X_CSRF_Token": token,
            "user": "ada:secret",
        }
        order = json.dumps({"upstream": "app", "peer": backend.address})
        assert outside.ask("/drain", "POST", order, **fields, Origin="https://evil.example")[0] == 403
        assert outside.ask("/drain", "POST", order, **fields, Origin="https://dash.example")[0] == 200


def test_an_open_address_without_users_is_a_mistake(tmp_path, backend):
    file = Path(tmp_path, "site.lua")
    file.write_text(site(backend, 'dashboard = "0.0.0.0:9146"').replace("{port}", "8000"))
    done = subprocess.run(
        [sys.executable, "-m", "rsp", "-t", "site.lua"], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "site.lua:2: dashboard:" in said and "users" in said
