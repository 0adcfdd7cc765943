"""Errors of a configuration in a real terminal, and beside it: the line and the caret, and where they are not shown."""

import os
import pty
import subprocess
import sys

import pytest

from tests.harness import Rsp, proxy_to

WRONG = 'listen "127.0.0.1:0"\nupstream "app" { "127.0.0.1:1",\n  polcy = 2,\n}\nroute { to = "app" }\n'
SAID = 'site.lua:3: upstream "app": unknown key "polcy" (did you mean "policy"?)'
EXCERPT = "   3 |   polcy = 2,\n     |   ^~~~~\n"


def run(directory, *arguments, module="rsp", terminal=True, **variables):
    """What the command writes, all together, where standard error is a terminal, or is not."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm", "COLUMNS": "100"} | variables
    command = [sys.executable, "-m", module, *arguments]
    if not terminal:
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr
    ours, its = pty.openpty()
    with subprocess.Popen(command, cwd=directory, env=environment, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        written = b""
        try:
            while data := os.read(ours, 4096):
                written += data
        except OSError:  # its last end is closed
            pass
        finally:
            os.close(ours)
        assert process.wait() == 1
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site.lua").write_text(WRONG)
    return tmp_path


@pytest.mark.parametrize("arguments", [["-t", "site.lua"], ["-w", "1", "site.lua"], ["explain", "site.lua", "GET /"]])
def test_the_line_and_a_caret(folder, arguments):
    assert f"{SAID}\n{EXCERPT}" in run(folder, *arguments, NO_COLOR="1")
    coloured = run(folder, *arguments)
    assert "\x1b[1;31m^~~~~\x1b[0m" in coloured
    plain = run(folder, *arguments, terminal=False)
    assert SAID in plain
    assert "^" not in plain


def test_colours_that_are_forced_into_a_pipe(folder):
    assert "\x1b[1;31m^~~~~" in run(folder, "-t", "site.lua", terminal=False, FORCE_COLOR="1")
    assert EXCERPT in run(folder, "-t", "site.lua", terminal=False, FORCE_COLOR="1", NO_COLOR="1")
    log = run(folder, "-w", "1", "site.lua", terminal=False, FORCE_COLOR="1")  # where a server may write its log
    assert SAID in log
    assert "^" not in log


def test_a_reload_that_is_refused_is_shown_from_any_directory(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "other").mkdir()
    with Rsp(tmp_path / "site", proxy_to("127.0.0.1:1")) as rsp:
        (tmp_path / "site" / "site.lua").write_text(f'admin = "admin.sock" {WRONG}')
        command = ["-s", str(tmp_path / "site" / "admin.sock"), "reload"]
        for arguments in (command, [*command, "--dry-run"]):
            shown = run(tmp_path / "other", *arguments, module="rsp.rspctl", NO_COLOR="1")
            assert f"{SAID}\n{EXCERPT}" in shown, shown
        plain = run(tmp_path / "other", *command, module="rsp.rspctl", terminal=False)
        assert SAID in plain
        assert "^" not in plain
        assert rsp.admin("/reload", {"dry_run": True})["directory"] == str(tmp_path / "site")
        assert "^~" not in rsp.log
