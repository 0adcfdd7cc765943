"""Constants stand once.  A compiled module imports a plain integer and declares it ``cdef int``, which makes it one of C.

No module makes a copy of a constant for its own use, neither of another module's nor of a member of an enumeration.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.paths import ROOT

# Modules with copies still.  One that has none any more has to go from here.
ROOMS = {"rsp.ipc.peer_cells", "rsp.ipc.peer_marks", "rsp.ipc.standing", "rsp.ipc.worker_cells"}
COPY = re.compile(r"^(_?[A-Z][A-Z0-9_]*): Final = (?:int\(|[A-Z][A-Z0-9_]*$)", re.MULTILINE)
DECLARED = re.compile(r"^cdef (?:unsigned )?\w+ (?!class\b)(.+)$", re.MULTILINE)
SOURCES = sorted((ROOT / "rsp").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "rsp"))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_constant_is_a_copy(path):
    copies = [match[1] for match in COPY.finditer(path.read_text())]
    assert not copies


@pytest.mark.parametrize("path", [path for path in SOURCES if path.with_suffix(".pxd").exists()], ids=name_of)
def test_compiled_modules_have_cells_and_marks_as_integers_of_c(path):
    if path.with_suffix(".pyx").exists():
        return
    layout = path.with_suffix(".pxd").read_text()
    declared = {name.strip() for names in DECLARED.findall(layout) for name in names.split(",")}
    used = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in ROOMS
        for alias in node.names
        if alias.name.isupper()
    }
    assert used <= declared


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_of_constants_are_not_compiled(room):
    """In a compiled module, what is ``cdef int`` is no attribute of the module, so no other module could import it."""
    path = ROOT / f"{room.replace('.', '/')}.py"
    assert path.exists()
    assert not path.with_suffix(".pxd").exists()
