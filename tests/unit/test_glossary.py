"""docs/glossary.md: its terms are those of the schema and of the prose linter, and the documentation uses them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from prose.checks import findings, vocabulary
from rsp.config import reference
from rsp.config.struct import Struct
from rsp.config.upstreams import Upstream

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "glossary.md").read_text()
ENTRIES = dict(re.findall(r"^- \*\*(.+?)\*\*((?: \([^)]*\))?: (?:.|\n  )*)", TEXT, re.MULTILINE))
DECLARATIONS = {"listen", "certificate", "upstream", "route", "store"}


def structs(of: type = Struct) -> list[type]:
    return [one for direct in of.__subclasses__() for one in (direct, *structs(direct))]


def keys() -> set[str]:
    """What a configuration can name: keys, dotted with their table, and declarations."""
    assert reference
    known = {name for struct in structs() for name in struct.__struct_fields__}
    return known | {"discover"} | DECLARATIONS


def named(entry: str) -> list[str]:
    return re.findall(r"`([^`]+)`", entry.partition(")")[0]) if entry.startswith(" (") else []


def test_each_term_is_one_sentence():
    assert len(ENTRIES) == TEXT.count("\n- **") > 60
    for term, entry in ENTRIES.items():
        sentence = entry.partition(": ")[2].strip()
        assert sentence[0].isupper(), term
        assert sentence.endswith("."), term
        assert ". " not in sentence, term


def test_each_key_of_a_term_is_in_the_schema():
    known = keys()
    for term, entry in ENTRIES.items():
        for key in named(entry):
            assert set(key.split(".")) <= known, f"{term}: {key}"


def test_each_declaration_has_a_term():
    assert {key for entry in ENTRIES.values() for key in named(entry)} >= DECLARATIONS


def test_all_policies_are_named():
    policies = get_args(get_type_hints(Upstream)["policy"])
    assert re.findall(r"`(\w+)`", ENTRIES["policy"].partition(")")[2]) == list(policies)


def test_each_state_of_a_peer_has_a_term():
    source = (ROOT / "rsp" / "control" / "state.py").read_text()
    standing = source[source.index("def _standing") : source.index("# -- what operators may change")]
    states = set(re.findall(r'"([a-z]+)"', standing)) - {"operator", "health"}
    assert states == {"up", "ejected", "probing", "down", "doubtful", "draining", "drained"}
    assert states <= set(ENTRIES)


def test_each_term_of_the_linter_is_here():
    assert {term["term"] for term in vocabulary()["term"]} <= set(ENTRIES)


def page_names() -> list[str]:
    return [str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]


@pytest.mark.parametrize("page", page_names())
def test_the_documentation_uses_the_terms(page):
    assert not [found for found in findings(ROOT / page) if found.rule == "term"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Nobody listens there.", "person"),
        ("The process who listens is gone.", "who"),
        ("The old one ends.", "one"),
        ("What becomes of a request is said here.", "riddle"),
        ("A value that is none is refused.", "none"),
        ("This is not unusual.", "litotes"),
        ("It ends after so long.", "so many"),
        ("The answer of the peer is sent.", "term"),
        ("A word " * 20 + "ends.", "long sentence"),
        ("x " * 60, "long line"),
        ("# Heading.", "heading"),
    ],
)
def test_the_linter_finds_a_fault(tmp_path, text, rule):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{text}\n")
    assert rule in {found.rule for found in findings(page)}


def test_the_linter_leaves_code_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nThe key `nobody` is a user.\n\n    nobody listens there\n\n```\nold ones\n```\n")
    assert findings(page) == []


def test_the_linter_reads_sources_and_says_where(tmp_path):
    source = tmp_path / "a.py"
    source.write_text('"""Fine."""\n\nVALUE = 1  # nobody reads this\nTEXT = "somebody has to do this"\n')
    done = subprocess.run(
        [sys.executable, "-m", "prose", str(source)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert [line.split(": ")[0].rpartition("/")[2] for line in done.stdout.splitlines()] == ["a.py:3:14", "a.py:4:9"]
