"""What a hook throws, in the log: bounded, and fit for a terminal, whatever clients have to do with it."""

import base64

from tests.harness import Rsp, get, wait_until

HOOK = """listen "127.0.0.1:{port}" upstream "app" { "127.0.0.1:1" }
route { to = "app", on_request = function(req) error(base64.decode(req.headers["x-a"]), 0) end }"""


def test_what_clients_choose_neither_floods_the_log_nor_moves_a_cursor(tmp_path):
    with Rsp(tmp_path, HOOK, workers=1) as rsp:
        for number in range(200):
            text = base64.b64encode(
                f"{number}:{number}: \x1b[2J\r\n[2026-01-01 00:00:00.000] Started.".encode()
            ).decode()
            assert get(rsp.port, extra=f"X-A: {text}\r\n").startswith(b"HTTP/1.1 500")
        wait_until(lambda: "A hook failed" in rsp.log, "the message")
        lines = rsp.log.splitlines()
        assert sum("A hook failed" in line for line in lines) < 20
        assert not any(line.startswith("[2026-01-01") for line in lines)
        assert "\x1b" not in rsp.log and "\r" not in rsp.log and "\\x1b[2J\\x0d" in rsp.log
