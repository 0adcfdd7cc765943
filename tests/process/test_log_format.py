"""`log_format` and `log_level`: the log of a running instance, as JSON and by what matters."""

import json
import os
import signal

import pytest

from tests.harness import Backend, Rsp, accepts, get, proxy_to, wait_until

BEFORE = "Running in pure Python"  # said before the configuration is read


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if BEFORE not in line]


def records(rsp: Rsp) -> list[dict]:
    return [json.loads(line) for line in lines(rsp.log)]


def test_every_line_is_json_stacks_of_children_too(tmp_path):
    failing = 'function on_request(req) if req.path == "/fail" then error("no\\27[31m\\n{") end end'
    with Backend() as backend:
        text = proxy_to(backend.address, extra=failing)
        with Rsp(tmp_path, 'log_format = "json"\n' + text) as rsp:
            assert get(rsp.port, "/fail").startswith(b"HTTP/1.1 500")
            wait_until(lambda: any("A hook failed" in one["message"] for one in records(rsp)), "the message")
            os.kill(rsp.workers()[0], signal.SIGABRT)
            wait_until(lambda: any("is restarted" in one["message"] for one in records(rsp)), "its successor")
            wait_until(
                lambda: any("Fatal Python error: Aborted" in one["message"] for one in records(rsp)), "its stack"
            )
            found = records(rsp)
            assert all(set(one) == {"time", "level", "pid", "message"} for one in found)
            assert b"\x1b" not in rsp.stderr.read_bytes()
            levels = {one["level"] for one in found}
            assert levels == {"info", "warning", "error"}
            count = len(lines(rsp.log))
            rsp.reload(text)
            after = lines(rsp.log)[count:]
            assert any(line.startswith("[20") and "Reloaded:" in line for line in after)
            assert rsp.stop() == 0


def test_a_master_that_fails_says_so_as_json(tmp_path):
    (tmp_path / "failing.py").write_text(
        "import sys, rsp.master\n"
        "from rsp.cli import main\n"
        "def fail(_): raise RuntimeError('no\\x1b')\n"
        "rsp.master.Master._round = fail\n"
        "sys.exit(main())\n"
    )
    with Backend() as backend:
        text = 'log_format = "json"\n' + proxy_to(backend.address)
        with Rsp(tmp_path, text, program="failing", started=False) as rsp:
            assert rsp.process.wait(30)
            said = "".join(one["message"] for one in records(rsp))
            assert "Traceback" in said and "RuntimeError: no\\x1b" in said  # which no terminal obeys


@pytest.mark.parametrize(("level", "restart"), [("warning", True), ("error", False)])
def test_a_level_leaves_out_what_is_less_grave(tmp_path, level, restart):
    with Backend() as backend:
        text = f'log_level = "{level}"\n' + proxy_to(backend.address)
        with Rsp(tmp_path, text, started=False) as rsp:
            wait_until(lambda: accepts(rsp.port) and rsp.workers(), "it to serve")
            wait_until(lambda: get(rsp.port).startswith(b"HTTP/1.1 200"), "it to serve")
            worker = rsp.workers()[0]
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: rsp.workers().get(0, worker) != worker, "its successor")
            assert ("is restarted" in rsp.log) == restart
            assert rsp.stop() == 0
            assert "Started" not in rsp.log and "Stopp" not in rsp.log
