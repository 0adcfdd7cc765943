"""The commands of rsp: each has what completion, manual pages and the command line need, and costs a server nothing."""

import subprocess
import sys
from importlib import import_module

import pytest

from rsp.commands.options import COMMANDS
from rsp.commands.options import parser as rsp_parser


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(name):
    module = import_module(COMMANDS[name].module)
    assert module.parser().prog == f"rsp {name}"
    assert callable(module.main)
    assert f"  {name} " in rsp_parser().format_help()


def test_a_server_imports_none_of_them():
    code = "import rsp.cli, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {name for name in imported if name.startswith("rsp.commands.")} == {
        "rsp.commands.arguments",
        "rsp.commands.options",
    }
    assert not imported & {
        "yaml",
        "shtab",
        "rich",
        "psutil",
        "crossplane",
        "rsp.terminal.caret",
        "rsp.config.annotations",
    }
