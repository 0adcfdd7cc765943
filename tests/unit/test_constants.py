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


def test_no_constant_is_a_copy():
    copies = {(str(path), match[1]) for path in SOURCES for match in COPY.finditer(path.read_text())}
    assert not copies


def undeclared(path: Path) -> set[str]:
    """Cells and marks that a compiled module uses, and that are no integers of C there."""
    source = path.read_text()
    if not any(room in source for room in ROOMS):
        return set()
    layout = path.with_suffix(".pxd").read_text()
    declared = {name.strip() for names in DECLARED.findall(layout) for name in names.split(",")}
    used = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module in ROOMS
        for alias in node.names
        if alias.name.isupper()
    }
    return used - declared


def test_compiled_modules_have_cells_and_marks_as_integers_of_c():
    compiled = [path for path in SOURCES if path.with_suffix(".pxd").exists() and not path.with_suffix(".pyx").exists()]
    assert not {(str(path), name) for path in compiled for name in undeclared(path)}


def test_one_that_is_not_declared_is_found(tmp_path):
    source, layout = tmp_path / "a.py", tmp_path / "a.pxd"
    source.write_text("from rsp.ipc.standing import OPEN, SHUT as CLOSED\n")
    layout.write_text("cdef int OPEN\n")
    assert undeclared(source) == {"CLOSED"}
    layout.write_text("cdef int OPEN, CLOSED\n")
    assert not undeclared(source)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_of_constants_are_not_compiled(room):
    """In a compiled module, what is ``cdef int`` is no attribute of the module, so no other module could import it."""
    path = ROOT / f"{room.replace('.', '/')}.py"
    assert path.exists()
    assert not path.with_suffix(".pxd").exists()
