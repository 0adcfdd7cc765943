"""Manual pages: they say what the programs and the schema say, and man(1) and mandoc(1) take them without complaint."""

import re
import subprocess

import pytest

from rsp.commands.man import roff
from rsp.commands.man.command import main, page
from rsp.commands.options import COMMANDS
from rsp.config.reference import SECTIONS, keys
from tests.programs import needs

PAGES = {"rsp": "man1/rsp.1", "rspctl": "man1/rspctl.1", "rsp.lua": "man5/rsp.lua.5"}
ACCEPTED = ("input text line longer than 80 bytes", 'missing date, using ""')  # the second: so that builds are the same


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    assert main(["-d", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("place", PAGES.values())
def test_mandoc_finds_nothing(written, place):
    needs("mandoc")
    done = subprocess.run(["mandoc", "-Tlint", place], cwd=written, capture_output=True, text=True, check=False)
    assert not [line for line in done.stdout.splitlines() if not any(each in line for each in ACCEPTED)]


@pytest.mark.parametrize("place", PAGES.values())
def test_man_shows_it_without_a_warning(written, place):
    needs("man", "groff")
    done = subprocess.run(
        ["man", "--warnings", "-l", place], cwd=written, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
    )  # fmt: skip
    assert not done.stderr
    assert "SEE ALSO" in done.stdout


def test_what_stands_in_them():
    program, control, configuration = map(page, PAGES)
    for name in COMMANDS:
        assert f'.SS "rsp {name}' in program
    for name in ("status", "drain [UPSTREAM] PEER", r"fleet rollout FILE"):
        assert f'.SS "rspctl {name}' in control
    assert "_names" not in control
    for _, _, struct in SECTIONS:
        for key in keys(struct):
            assert rf"\fB{key.name}\fR (" in configuration, key


def test_nothing_in_a_text_is_a_macro():
    hostile = ".so /etc/passwd\n'x \\fBy -z\n.TH `a.b\\c`"
    lines = [
        *roff.text(hostile).split("\n"),
        *roff.verbatim(hostile).split("\n")[1:-1],
        roff.item(".so x", []).split("\n")[1],
    ]
    assert not [line for line in lines if line.startswith((".", "'")) or not line]
    assert not re.search(r"\\(?![e&-]|\(dq|f[BR])", "\n".join(lines))


def test_where_nothing_can_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["-d", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("rsp man: ")
