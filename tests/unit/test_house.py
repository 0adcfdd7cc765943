"""The rules of the house, held over the tree itself: directions of imports, sizes, and lists that say what is there.

All imports count: those for types alone, those within functions, and the cimports of the compiled build.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.paths import ROOT

MOST_LINES = 400
GENERATED = ("configuration.lua",)  # from the schema
SOURCES = (".py", ".pyx", ".pxd", ".pxi", ".lua")


def files(*suffixes: str) -> list[Path]:
    return sorted(path for path in (ROOT / "rsp").rglob("*") if path.suffix in suffixes)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Facts(NamedTuple):
    """Of a module in Python, which is parsed once."""

    imports: list[tuple[str, str]]
    docstring: str
    lengths: list[int]


@cache
def facts(path: Path) -> Facts:
    tree = ast.parse(path.read_text())
    found: list[tuple[str, str]] = []
    lengths: list[int] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lengths.append(node.end_lineno - node.lineno)
    return Facts(found, ast.get_docstring(tree) or "", lengths)


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """``(module, name)`` for everything that a file imports, wherever in it; no name for a whole module."""
    if path.suffix == ".py":
        yield from facts(path).imports
        return
    for line in re.sub(r"\(([^)]*)\)", lambda found: found[1].replace("\n", " "), path.read_text()).splitlines():
        if found := re.match(r"\s*from (\S+) c?import (.*)", line):
            yield from ((found[1], name) for name in re.findall(r"\w+(?= as|,|\s*$)", found[2]))
        elif found := re.match(r"\s*c?import (\S+)", line):
            yield found[1], ""


@cache
def imports() -> dict[str, set[str]]:
    """Each module of rsp, with those that it imports."""
    sources: dict[str, list[Path]] = {}
    for path in files(".py", ".pyx", ".pxd", ".pxi"):
        sources.setdefault(module_of(path), []).append(path)
    graph = {}
    for module, paths in sources.items():
        named = [pair for path in paths for pair in imported(path)]
        of = {f"{where}.{name}" if f"{where}.{name}" in sources else where for where, name in named}
        graph[module] = (of & sources.keys()) - {module}
    return graph


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        for module in graph[left.pop()] - seen:
            seen.add(module)
            left.append(module)
    return seen


def layer_of(module: str, layers: list[list[str]]) -> tuple[int, str] | None:
    """Its layer's number, counted from the top, and its part of that layer."""
    inside = [
        (len(part), number, part)
        for number, parts in enumerate(layers)
        for part in parts
        if module == part or module.startswith(f"{part}.")
    ]
    return max(inside)[1:] if inside else None


def upward(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Imports against the direction of any contract of layers in pyproject.toml, or between parts of one layer."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    wrong = set()
    for contract in (contract for contract in contracts if contract["type"] == "layers"):
        prefix = f"{contract['containers'][0]}." if "containers" in contract else ""
        layers = [[prefix + name.strip(" ()") for name in re.split("[|:]", line)] for line in contract["layers"]]
        mixed = {number for number, line in enumerate(contract["layers"]) if ":" in line}
        for module, others in graph.items():
            for other in others:
                above, below = layer_of(module, layers), layer_of(other, layers)
                if above is None or below is None or above == below:
                    continue
                if above[0] > below[0] or (above[0] == below[0] and above[0] not in mixed):
                    wrong.add((module, other))
    return wrong


# -- imports


def test_no_circle_of_files():
    graph = imports()
    assert not {module for module in graph if module in reachable(graph, module)}


def test_imports_go_down_only_those_for_types_and_of_the_compiled_build_too():
    assert not upward(imports())


def test_the_checks_can_fail():
    circle = {"rsp.a": {"rsp.b"}, "rsp.b": {"rsp.c"}, "rsp.c": {"rsp.a"}, "rsp.d": {"rsp.a"}}
    assert {module for module in circle if module in reachable(circle, module)} == {"rsp.a", "rsp.b", "rsp.c"}
    assert upward({"rsp.net.poller": {"rsp.worker"}}) == {("rsp.net.poller", "rsp.worker")}
    assert upward({"rsp.worker": {"rsp.loader"}}) == {("rsp.worker", "rsp.loader")}  # beside each other
    assert not upward({"rsp.worker": {"rsp.net.poller"}, "rsp.net.poller": {"rsp.net.calls"}})


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "a.py",
            "def f():\n    from rsp.net import poller, calls as c\n",
            [("rsp.net", "poller"), ("rsp.net", "calls")],
        ),
        ("a.py", "if TYPE_CHECKING:\n    import rsp.net.poller\n", [("rsp.net.poller", "")]),
        (
            "a.pxd",
            "from rsp.net.calls cimport send, receive\n",
            [("rsp.net.calls", "send"), ("rsp.net.calls", "receive")],
        ),
        ("a.pyx", "from rsp.http import (\n    names,\n)\ncimport cython\n", [("rsp.http", "names"), ("cython", "")]),
    ],
)
def test_imports_are_found(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)
    assert list(imported(tmp_path / name)) == found


# -- sizes


def test_no_file_is_long():
    written = [path for path in files(*SOURCES) if path.name not in GENERATED]
    long = {path for path in written if len(path.read_text().splitlines()) > MOST_LINES}
    assert not {str(path.relative_to(ROOT)) for path in long}


def test_functions_are_short():
    """Lines behind the first one."""
    lengths = sorted(length for path in files(".py") for length in facts(path).lengths)
    assert lengths[len(lengths) // 2] <= 6, "the median"
    assert lengths[len(lengths) * 9 // 10] <= 19, "the 90th percentile"


# -- words


def opening(path: Path) -> str:
    """What a file says of itself before its first statement."""
    if path.suffix == ".py":
        return facts(path).docstring
    text = re.sub(r"\A(#\s*cython:.*\n)+", "", path.read_text())
    found = re.match(r'"""(.*?)"""|((?:(?:#|--).*\n)+)', text, re.DOTALL)
    return found[0].strip('"#- \n') if found else ""


def test_every_file_says_what_it_is_for():
    """The layout of a module in the compiled build (.pxd) has the module's docstring."""
    layouts = {path for path in files(".pxd") if path.with_suffix(".py").exists() or path.with_suffix(".pyx").exists()}
    assert [str(path) for path in files(*SOURCES) if path not in layouts and len(opening(path)) < 20] == []


def listed(docstring: str) -> list[str]:
    """The files that a package's docstring lists: the names in backquotes that its lines begin with."""
    lines = [re.match(r"``[\w./-]+``(?:, ``[\w./-]+``)*", line) for line in docstring.splitlines()]
    return [name for line in lines if line for name in re.findall(r"``([\w./-]+)``", line[0])]


@pytest.mark.parametrize(
    "folder",
    [path.parent for path in files(".py") if path.name == "__init__.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_a_package_lists_is_there(folder):
    for name in listed(opening(folder / "__init__.py")):
        assert (folder / name).exists() or (folder / f"{name}.py").exists(), f"{folder} lists {name}"


def test_lists_are_read():
    assert listed("Words of ``no`` file.\n\n``a``, ``b.lua``  ``they`` are files\n``c/``   more\n") == [
        "a",
        "b.lua",
        "c/",
    ]


def test_what_the_architecture_names_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    names = set(re.findall(r"`(?:rsp/)?((?:[\w-]+/)*[\w-]+\.(?:py|pyx|pxd|pxi|lua)|(?:[\w-]+/)+)`", text))
    names = {name for name in names if not name.startswith("name.")}  # of the explanation of the two builds
    assert names
    known = [*files(*SOURCES), *(path for path in (ROOT / "rsp").rglob("*") if path.is_dir())]
    paths = [f"/{path.relative_to(ROOT)}" for path in known]
    top = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir()}
    missing = {name for name in names - top if not any(path.endswith(f"/{name.rstrip('/')}") for path in paths)}
    assert not {name for name in missing if not (ROOT / name).exists()}
