"""The worker's poller waits in place of uvloop's loop (``net/poller.py``, ``net/libuv.py``): nothing that the loop is
asked for waits longer than in a loop that waits itself.  Each test is a process (leading.py)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from rsp.net.calls import Epoll

SCRIPT = Path(__file__).with_name("leading.py")
NAMES = [
    each.name
    for each in ast.parse(SCRIPT.read_text()).body
    if isinstance(each, ast.AsyncFunctionDef) and each.name != "main"
]

pytestmark = pytest.mark.skipif(hasattr(Epoll, "__slots__"), reason="not compiled")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits(name: str) -> None:
    ran = subprocess.run([sys.executable, SCRIPT, name], capture_output=True, text=True, timeout=20)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_it_leads() -> None:
    """These tests would pass as well with a poller that is one of the loop's descriptors."""
    script = "import uvloop; from rsp.net.libuv import Libuv; print(Libuv(uvloop.new_event_loop()).idle_for())"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")
