"""The commands of rsp: each has what completion, manual pages and the command line need, and costs a server nothing."""

import subprocess
import sys
from importlib import import_module

import pytest

from rsp.commands.options import COMMANDS
from rsp.commands.options import parser as rsp_parser

PARSERS = {"yaml", "shtab", "shlex", "rich", "crossplane", "rsp.config.annotations", "rsp.config.reference"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(name):
    module = import_module(COMMANDS[name].module)
    assert module.parser().prog == f"rsp {name}"
    assert callable(module.main)
    assert f"  {name} " in rsp_parser().format_help()


def imported(*modules):
    """All modules that a program has imported with these."""
    code = f"import {', '.join(modules)}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_imports_no_command():
    found = imported("rsp.cli")
    assert {name for name in found if name.startswith(("rsp.commands.", "rsp.importing", "rsp.terminal"))} == {
        "rsp.commands.arguments",
        "rsp.commands.options",
    }
    assert not found & {"psutil", *PARSERS}


def test_a_server_imports_nothing_of_them():
    found = imported("rsp.master", "rsp.worker", "rsp.loader", "rsp.control.process")
    assert "rsp.net.poller" in found
    assert not {name for name in found if name.startswith(("rsp.commands", "rsp.importing", "rsp.terminal"))}
    assert not found & PARSERS
