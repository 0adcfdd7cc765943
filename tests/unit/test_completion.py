"""Completion as the shells themselves do it: what stands on the command line after the key is pressed."""

import os
import pty
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rsp.commands.completion import script
from rsp.commands.options import COMMANDS
from rsp.terminal.names import names
from tests.harness import Rsp, proxy_to
from tests.programs import needs

PATIENCE = 20.0
# Instead of rspctl, in whose place the shells find it: a name that bash would run, had it been taken for a word.
STAND_IN = """#!/bin/sh
[ "$1" = _names ] && printf 'app\\n127.0.0.1:9001\\n127.0.0.1:9002\\n[::1]:9003\\n'
"""
SET_UP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source rsp.bash; source rspctl.bash"),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(cat rsp.zsh)"; eval "$(cat rspctl.zsh)"'),
}  # fmt: skip
LINES = [
    ("rspctl dr", "rspctl drain "),
    ("rspctl fleet his", "rspctl fleet history "),
    ("rspctl reload --dr", "rspctl reload --dry-run "),
    ("rspctl drain ap", "rspctl drain app "),
    ("rspctl drain 127.0.0.1:9", "rspctl drain 127.0.0.1:900"),
    ("rspctl enable app 127", "rspctl enable app 127.0.0.1:900"),
    ("rspctl peers ap", "rspctl peers app "),
    ("rsp sit", "rsp site.lua "),
    ("rsp compl", "rsp completion "),
    ("rsp explain si", "rsp explain site.lua "),
    ("rsp -w 2 sit", "rsp -w 2 site.lua "),
    ("rsp -s rel", "rsp -s reload "),
    ("rsp import --from ha", "rsp import --from haproxy "),
    ("rsp certificate -d fol", "rsp certificate -d folder"),
]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "site.lua").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "bin").mkdir()
    for program in ("rsp", "rspctl"):
        stand_in = tmp_path / "bin" / program
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        for shell in ("bash", "zsh", "fish"):
            (tmp_path / f"{program}.{shell}").write_text(script(shell, program))
    return tmp_path


def environment(place):
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(place), "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}


class Shell:
    """One with a terminal of its own."""

    def __init__(self, place: Path, name: str) -> None:
        command, set_up = SET_UP[name]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(place)
            os.execvpe(command[0], command, environment(place))
        self.shown = b""
        self.type(f"{set_up}; echo REA''DY\n")
        self.wait(b"READY")

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def wait(self, text: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} is not in {self.shown!r}"
            if select.select([self.terminal], [], [], 0.5)[0]:
                self.shown += os.read(self.terminal, 4096).replace(b"\a", b"")

    def close(self) -> None:
        os.close(self.terminal)
        with suppress(ProcessLookupError):
            os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_lines_are_completed(place, name):
    needs(name)
    shell = Shell(place, name)
    try:
        for typed, wanted in LINES:
            shell.shown = b""
            shell.type(f"{typed}\t")
            shell.wait(wanted.encode())
            shell.type("\x15")  # take it off
    finally:
        shell.close()


def test_lines_are_completed_by_fish(place):
    needs("fish")
    asked = "; ".join(f"echo '>{typed}'; complete -C '{typed}'" for typed, _ in LINES)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source rsp.fish; source rspctl.fish; {asked}"],
        cwd=place, env=environment(place), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    answers = dict(part.split("\n", 1) for part in done.stdout.split(">")[1:])
    for typed, wanted in LINES:
        offered = [line.split("\t")[0] for line in answers[typed].splitlines()]
        last = wanted.split()[-1]
        assert offered, typed
        assert all(each.startswith(last) for each in offered), (typed, offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_there_is_offered(shell):
    """Each command of rsp; and a file may stand in its place (the replacement of what shtab writes has worked)."""
    text = script(shell, "rsp")
    assert all(name in text for name in COMMANDS)
    assert {"bash": "-o default", "zsh": "\n  _files\n", "fish": "_shtab_rsp_using -F"}[shell] in text
    assert "_names" not in text
    assert "_names" in script(shell, "rspctl")


def test_names_of_a_running_instance(tmp_path):
    with Rsp(tmp_path, proxy_to("127.0.0.1:1", "127.0.0.1:2") + 'upstream "other" { "127.0.0.1:3" }'):
        where = str(tmp_path / "admin.sock")
        assert names(where, of_peers=False) == ["app", "other"]
        assert names(where, of_peers=True) == ["app", "other", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
        command = [sys.executable, "-m", "rsp.rspctl", "_names", "upstreams", where]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"app\nother\n"
    assert names(where, of_peers=True) == []


def test_names_that_a_shell_could_obey_are_left_out(monkeypatch):
    peers = [
        {"upstream": "a b", "peer": "$(touch x)", "name": "`id`"},
        {"upstream": "-rf", "peer": "h:1", "name": None},
    ]
    monkeypatch.setattr("rsp.terminal.names.ask", lambda *_, **__: {"peers": peers})
    assert names("somewhere", of_peers=True) == ["h:1"]
