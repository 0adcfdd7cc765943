"""``rsp demo``: real backends are killed, real configurations are refused, and all of it ends together.

The first, fifth, ninth and thirteenth test run always (tests/conftest.py): no request is lost, bad configurations, the
token, and the end.
"""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.demo import Demo, Views
from tests.harness import PATIENCE, Backend, get, wait_until
from tests.ports import free_port

NAMES = ("ada", "bob", "eve")


def backend(view, name):
    return next(one for one in view["backends"] if one["name"] == name)


def test_a_killed_backend_costs_no_request(tmp_path):
    with Demo(tmp_path) as demo, Views(demo) as views:
        assert "Started.  Listening on port" in demo.log
        views.wait(lambda view: all(view["counts"].get(name) for name in NAMES), "answers of all backends")
        demo.order("/kill", name="ada")
        views.wait(lambda view: not backend(view, "ada")["runs"] and backend(view, "ada")["state"] == "down", "down")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", demo.backend_port("ada"))).close()
        demo.order("/revive", name="ada")
        revived = views.wait(lambda view: backend(view, "ada")["state"] == "up", "up again")
        last = views.wait(lambda view: view["counts"]["ada"] > revived["counts"]["ada"], "requests for it")
        assert last["failed"] == last["trial"] == 0
        assert last["answered"] + last["running"] == last["sent"]


def test_ports_that_others_have_are_left_to_them(tmp_path):
    with Demo(tmp_path, taken=(8000, 8001, 9002)) as demo, Views(demo) as views:
        assert demo.port != 8000 and ":8001/" not in demo.url
        assert demo.backend_port("bob") != 9002
        assert f"Started.  Listening on port {demo.port}." in demo.log
        views.wait(lambda view: all(view["counts"].get(name) for name in NAMES), "answers of all backends")


def test_a_file_whose_backend_has_no_port_is_served_without_it(tmp_path):
    port = free_port()
    (tmp_path / "rsp.lua").write_text(f'listen "127.0.0.1:{port}" upstream "app" {{ "127.0.0.1:9001" }}')
    with Demo(tmp_path, taken=(9002,)) as demo:
        assert "Backend bob is not started" in demo.log
        assert b"Hello from ada" in get(port)


def test_with_no_backend_left_requests_fail_and_are_counted(tmp_path):
    with Demo(tmp_path) as demo, Views(demo) as views:
        for name in NAMES:
            demo.order("/kill", name=name)
        assert views.wait(lambda view: view["failed"], "failures")["trial"] == 0


def test_bad_configurations_are_refused_and_a_good_one_is_not(tmp_path):
    with Demo(tmp_path) as demo, Views(demo) as views:
        demo.order("/reload", name="typo")
        note = views.wait(lambda view: view["notes"], "what rsp says")["notes"][-1]
        assert note["kind"] == "bad" and "Reload refused" in note["text"]
        assert 'site.lua:25: upstream "new": unknown key "wieght" (did you mean "weight"?)' in note["detail"]
        views.wait(lambda view: view["answered"] > 60, "answers to compare with")
        demo.order("/reload", name="bug")
        view = views.wait(lambda view: len(view["notes"]) == 2, "what rsp says")
        assert "Reload refused" in view["notes"][-1]["text"] and view["force"] == "original"
        assert view["trial"] >= 3 and view["failed"] == 0
        demo.order("/reload", name="weight")
        view = views.wait(lambda view: view["force"] == "weight", "the good change in force")
        assert view["notes"][-1]["text"].startswith("A good change.  Reloaded: version")
        before = view["counts"]
        now = views.wait(lambda view: view["counts"]["eve"] - before["eve"] >= 30, "requests with the new weights")[
            "counts"
        ]
        assert now["eve"] - before["eve"] > 1.5 * (now["ada"] - before["ada"] + now["bob"] - before["bob"])


def test_a_file_is_served_and_never_written_to(tmp_path):
    port = free_port()
    text = f'listen "127.0.0.1:{port}" upstream "app" {{ "127.0.0.1:9001" }} route {{ to = "app" }}'
    site = tmp_path / "rsp.lua"
    site.write_text(text)
    with Backend() as own, Demo(tmp_path) as demo, Views(demo) as views:  # rsp.lua is in the folder
        assert demo.port == port and b"Hello from ada on port 9001" in get(port)
        demo.order("/reload", name="typo")
        note = views.wait(lambda view: view["notes"], "what rsp says")["notes"][-1]
        assert "rsp.lua:2:" in note["detail"] and str(site) not in note["detail"]
        assert site.read_text() == text
        site.write_text(text.replace("127.0.0.1:9001", own.address))
        demo.order("/reload", name="original")
        wait_until(lambda: get(port).endswith(b"one"), "the edited file in force")


def test_a_file_that_depends_on_its_folder_is_run_where_it_is(tmp_path):
    port = free_port()
    (tmp_path / "more.lua").write_text(f'return "127.0.0.1:{port}"')
    (tmp_path / "site.lua").write_text('listen(require "more") route { respond = { status = 200, body = "here" } }')
    with Demo(tmp_path, "site.lua") as demo, Views(demo) as views:
        assert get(port).endswith(b"here")
        views.wait(lambda view: view["answered"], "an answer")
        fields = {"X_CSRF_Token": demo.token, "Content_Type": "application/json"}
        assert demo.ask("POST", "/reload", '{"name": "typo"}', **fields)[0] == 404


def test_when_rsp_cannot_start_the_demo_says_why(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "site.lua").write_text(f'listen "{where}" upstream "app" {{ "127.0.0.1:9001" }}')
        with Demo(tmp_path, "site.lua") as demo:
            assert demo.process.wait(PATIENCE) == 1
            assert "Cannot start" in demo.log and where in demo.log and "rsp has not started" in demo.log


def test_the_page_is_only_for_those_with_the_token_and_orders_only_from_itself(tmp_path):
    with Demo(tmp_path) as demo:
        page = f"/?token={demo.token}"
        status, text, fields = demo.ask("GET", page)
        assert status == 200 and "rsp demo" in text
        policy = fields["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert demo.ask("GET", page, Host="rebound.example.com")[0] == 421
        for wrong in ("/", "/?token=", f"/?token={demo.token}x", "/events?token=x"):
            status, text, _ = demo.ask("GET", wrong)
            assert status == 403 and demo.token not in text
        body = json.dumps({"name": "ada"})
        good = {"X_CSRF_Token": demo.token, "Content_Type": "application/json"}
        for more, expected in (
            ({"X_CSRF_Token": ""}, 403),
            ({"Origin": "http://rebound.example.com"}, 403),
            ({"Sec_Fetch_Site": "cross-site"}, 403),
            ({"Content_Type": "text/plain"}, 415),
            ({"Host": "rebound.example.com"}, 421),
        ):
            assert demo.ask("POST", "/kill", body, **{**good, **more})[0] == expected
        assert demo.ask("GET", f"/kill?token={demo.token}")[0] == 405
        for wrong in ('{"name": "mallory"}', '{"name": "../../x"}'):
            assert demo.ask("POST", "/kill", wrong, **good)[0] == 404
            assert demo.ask("POST", "/reload", wrong, **good)[0] == 404
        assert demo.ask("POST", "/kill", "[", **good)[0] == 400
        for name in NAMES:
            socket.create_connection(("127.0.0.1", demo.backend_port(name))).close()


def test_a_mistake_in_the_file_is_said_once_and_nothing_starts(tmp_path):
    (tmp_path / "site.lua").write_text('listen "127.0.0.1:1"\nroute { to = "nowhere" }')
    with Demo(tmp_path, "site.lua") as demo:
        assert demo.process.wait(PATIENCE) == 1
        assert demo.log.count("site.lua:2") == 1 and "Backends" not in demo.log and "Traceback" not in demo.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_of_it(tmp_path, number):
    with Demo(tmp_path) as demo:
        assert len(demo.children()) >= 7  # backends, the master, its workers and the control process
        assert demo.stop(number) == 0
        assert not demo.left() and "Stopped." in demo.log and "Traceback" not in demo.log


def test_all_of_it_ends_with_a_demo_that_is_killed(tmp_path):
    with Demo(tmp_path) as demo:
        demo.stop(signal.SIGKILL)
        wait_until(lambda: not demo.left(), "the end of all processes")


def test_all_of_it_ends_with_its_terminal(tmp_path):
    end, terminal = pty.openpty()
    with Demo(tmp_path, terminal=terminal) as demo:
        os.close(terminal)
        seen = b""
        while b"Stop:" not in seen:
            seen += os.read(end, 65536)
        demo.children()
        os.close(end)
        os.kill(demo.process.pid, signal.SIGHUP)  # as the kernel does for the session of a terminal
        demo.process.wait(PATIENCE)
        wait_until(lambda: not demo.left(), "the end of all processes")


def test_all_of_it_ends_with_what_reads_its_output(tmp_path):
    reader, writer = os.pipe()
    with Demo(tmp_path, terminal=writer) as demo:
        os.close(writer)
        seen = b""
        while b"Stop:" not in seen:
            seen += os.read(reader, 65536)
        demo.children()
        os.close(reader)
        with suppress(OSError):  # rsp may have ended already: its own messages have no reader either
            get(int(re.search(rb"curl http://127\.0\.0\.1:(\d+)/", seen)[1]))  # a line of the access log
        demo.process.wait(PATIENCE)
        wait_until(lambda: not demo.left(), "the end of all processes")


def test_backends_alone(tmp_path):
    with Demo(tmp_path, "--backends", ready="Backends:") as demo:
        assert b"Hello from bob" in get(9002)
        again = subprocess.run(
            [sys.executable, "-m", "rsp", "demo", "--backends"], capture_output=True, text=True, timeout=PATIENCE
        )
        assert again.returncode == 1 and "port 9001 is in use" in again.stderr
        assert demo.stop() == 0 and not demo.left()


def test_a_signal_while_rsp_starts_is_no_failure(tmp_path):
    with Demo(tmp_path, ready="Backends:") as demo:

        def catches():
            status = Path(f"/proc/{demo.process.pid}/status").read_text()
            return int(re.search(r"SigCgt:\s+(\w+)", status)[1], 16) & 1 << (signal.SIGTERM - 1)

        wait_until(catches, "the order to rsp to start")
        assert demo.stop(signal.SIGTERM) == 0


def test_demos_that_start_at_the_same_time_have_ports_of_their_own(tmp_path):
    command = [sys.executable, "-m", "rsp", "demo", "-w", "1"]
    with Demo(tmp_path, "--backends", ready="Backends:"):  # this test's turn
        others = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        try:
            urls = [next((line for line in one.stdout if "Try:" in line), "") for one in others]
            assert all(urls) and urls[0] != urls[1]
        finally:
            for one in others:
                one.terminate()
            assert [one.wait(PATIENCE) for one in others] == [0, 0]
