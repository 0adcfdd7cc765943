"""Every command of every page is valid: shell that parses, and options that ``rsp`` and ``rspctl`` have.

Start and the how-to pages are run as well (test_commands.py).
"""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module

import pytest

from rsp import rspctl
from rsp.commands import options
from tests.docs.excused import EXCUSES, excuse
from tests.docs.pages import PAGES, ROOT, Command, File, steps

_PROGRAM = re.compile(r"(?:\S*/)?(rsp|rspctl)$")


def _shown(page) -> list[Command]:
    return [step for step in steps(page) if not isinstance(step, File)]


def _calls(text: str) -> Iterator[list[str]]:
    """Each call of rsp or rspctl in a command, with its arguments; also ``docker exec ... rspctl ...``."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if token in ("do", "then") or re.fullmatch(r"[;&|<>()]+", token):
            inside = next((number for number, word in enumerate(words) if word.endswith("rspctl")), 0)
            if words and _PROGRAM.match(words[inside]):
                yield words[inside:]
            words = []
        else:
            words.append(token)


def _parser(call: list[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    program = _PROGRAM.match(call[0])[1]
    if program == "rspctl":
        return rspctl.parser(), call[1:]
    if call[1:] and call[1] in options.COMMANDS:
        return import_module(options.COMMANDS[call[1]].module).parser(), call[2:]
    return options.parser(), call[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_valid(page, capsys):
    for command in _shown(page):
        parsed = subprocess.run(["bash", "-n"], input=command.text, capture_output=True, text=True, check=False)
        assert parsed.returncode == 0, f"{command.place}: {command.text}\n{parsed.stderr}"
        for call in _calls(command.text):
            parser, arguments = _parser(call)
            try:
                parser.parse_args(arguments)
            except SystemExit as end:
                assert not end.code, f"{command.place}: {' '.join(call)}\n{capsys.readouterr().err}"


def test_every_excuse_is_needed():
    shown = [command for page in PAGES for command in _shown(page)]
    assert not [each for each in EXCUSES if not any(excuse(command) is each for command in shown)]
