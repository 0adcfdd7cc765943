"""The commands of rsp: each has what completion, manual pages and the command line need."""

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
