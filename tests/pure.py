"""``python -m tests.pure``: the tests that ``make test-pure`` runs, those of what is compiled.

A file of unit tests is one of them if it, or a part of the tests that it uses, imports a module that has a compiled
form.  All other modules are the same Python in ``make test``.  Which requests pass, and which do not, is in test_http.py.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.paths import ROOT


@functools.cache
def compiled() -> set[str]:
    """The modules with a .pxd or a .pyx beside them."""
    paths = [path for suffix in (".pxd", ".pyx") for path in (ROOT / "rsp").rglob(f"*{suffix}")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}


@functools.cache
def imported(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


@functools.cache
def reached(path: Path) -> frozenset[str]:
    """What it imports, and what the parts of the tests that it imports do; these import each other in no circle."""
    names = imported(path)
    parts = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests.")]
    return names.union(*(reached(part) for part in parts if part.exists()))


def chosen() -> Iterator[str]:
    for path in sorted((ROOT / "tests/unit").glob("test_*.py")):
        if reached(path) & compiled():
            yield str(path.relative_to(ROOT))
    yield "tests/process/test_http.py"


if __name__ == "__main__":
    print(*chosen())
