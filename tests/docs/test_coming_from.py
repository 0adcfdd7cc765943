"""What the pages for users of other proxies say of rsp: their Lua loads, and their names exist."""

import re
from pathlib import Path

import pytest

from tests.docs.fragments import mistakes
from tests.docs.pages import DOCS

_PAGES = sorted((DOCS / "coming-from").glob("*.md"))
_LUA = re.compile(
    r"[a-z_]+ = |(?:listen|upstream|route|certificate|page|store|local|function|for|dofile|require) ?[\w\"{(]"
)
_MINIMUM = {"nginx.md": 60, "haproxy.md": 60, "caddy.md": 60, "traefik.md": 60}


def _rows(page: Path) -> list[tuple[str, str]]:
    """The two columns of each table whose second one is rsp's."""
    tables = re.findall(r"^\| [^|\n]+ \| rsp \|\n\|---\|---\|\n((?:\|.*\|\n)+)", page.read_text(), re.MULTILINE)
    return [tuple(row.strip("| ").split(" | ", 1)) for table in tables for row in table.strip().split("\n")]


def _code(cell: str) -> list[str]:
    return [found.strip() for _, found in re.findall(r"(`+)(.+?)\1(?!`)", cell)]


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_rows(page, tmp_path):
    rows = _rows(page)
    assert len(rows) >= _MINIMUM[page.name]
    known = (DOCS / "configuration.md").read_text() + (DOCS / "lua.md").read_text()
    errors = []
    for number, (theirs, ours) in enumerate(rows):
        folder = tmp_path / str(number)
        folder.mkdir()
        lua = [code for code in _code(ours) if _LUA.match(code)]
        found = mistakes("\n".join(lua) + "\n", folder) if lua else []
        errors += [f"{theirs}: {lua}: {found}"] if found else []
        names = {name for name in _code(ours) if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)}
        errors += [f"{theirs}: there is no {name}" for name in names if f"`{name}`" not in known]
    assert not errors, "\n".join(errors)
