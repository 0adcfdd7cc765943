"""What is wrong with a file's prose: the rules of vocabulary.toml, some of proselint's, and the form of Markdown.

Rules for words run as checks of proselint.  Each finding is a line, a column, a rule's name and what to do.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from proselint.checks import archaism, lexical_illusions, needless_variants, nonwords, redundancy
from proselint.registry.checks import Check, Padding
from proselint.registry.checks.engine import Fancy, RegexOptions
from proselint.registry.checks.types import ExistenceSimple

from prose.passages import Passage, passages

VOCABULARY = Path(__file__).with_name("vocabulary.toml")
WIDTH = 100  # columns of a line of Markdown; code, tables and a link alone may be longer
LONGEST = 35  # words of a sentence
_BORROWED = (archaism, lexical_illusions, needless_variants, nonwords, redundancy)
_UNFIT = "redundancy.misc.after_the_deadline"  # takes “and etcd” for “and etc”

_END = re.compile(r"(?<!e\.g)(?<!i\.e)[.!?:;][)\"”*_]*\s+|\n\s*\n|\n\s*(?:[-*]|\d+\.|X+(?:, X+)* )\s")
_WORD = re.compile(r"(?!X+\b)[A-Za-z0-9][^\s—]*")  # code, which is X, does not count


class Finding(NamedTuple):
    line: int
    column: int
    rule: str
    message: str


@cache
def vocabulary() -> dict[str, Any]:
    return tomllib.loads(VOCABULARY.read_text())


@cache
def _checks(where: str) -> tuple[Check, ...]:
    """The checks that hold for `docs` or for `code`."""
    rules = [rule for rule in vocabulary()["rule"] if rule.get("in", where) == where]
    if where == "docs":
        rules += [
            {
                "name": "term",
                "pattern": f"(?:{'|'.join(term['not'])})",
                "except": term.get("except"),
                "message": f"The term is “{term['term']}” (docs/glossary.md).",
            }
            for term in vocabulary()["term"]
        ]
    own = [
        Check(
            check_type=ExistenceSimple(
                pattern=Padding.STRICT_WORDS_IN_TEXT.format(re.sub(r" +", r"\\s+", rule["pattern"])),
                exceptions=(rule["except"],) if rule.get("except") else (),
            ),
            engine=Fancy(RegexOptions(case_insensitive=not rule.get("case", False))),
            path=rule["name"],
            message=rule["message"],
        )
        for rule in rules
    ]
    borrowed = [check for module in _BORROWED for check in module.__register__ if check.path != _UNFIT]
    return (*own, *borrowed) if where == "docs" else tuple(own)


def findings(path: Path) -> list[Finding]:
    where = "docs" if path.suffix == ".md" else "code"
    found = list(passages(path))
    return sorted({*_words(found, where), *_sentences(found), *(_form(found) if where == "docs" else ())})


def _words(found: list[Passage], where: str) -> Iterator[Finding]:
    """Each check sees the file's whole prose at once, because its call costs more than its work; ``|`` is all else."""
    lines: dict[int, str] = {}
    for passage in found:
        for number, line in enumerate(passage.text.split("\n"), passage.first):
            before = lines.get(number, "")
            lines[number] = before + line[len(before) :] if line.startswith(" " * len(before)) else line
    text = "\n".join(
        ["", *(lines.get(number, "").rstrip() or "|" for number in range(1, max(lines, default=0) + 1)), ""]
    )
    for check in _checks(where):
        for result in check.check_with_flags(text):
            if text[slice(*result.span)].strip("X |\n"):  # else it is code
                message = f"“{text[slice(*result.span)].strip()}”: {result.message}"
                yield _at(1, text, result.span[0], result.check_path, message)


def _at(first: int, text: str, position: int, rule: str, message: str) -> Finding:
    """A finding at ``position`` of ``text``, whose line ``first`` comes after its first end of line."""
    position += len(text[position:]) - len(text[position:].lstrip())
    before = text[:position]
    line = first + before.count("\n") - 1
    return Finding(line, position - before.rfind("\n"), rule, " ".join(message.split()))


def _sentences(found: list[Passage]) -> Iterator[Finding]:
    for passage in found:
        if passage.kind in ("text", "docstring"):
            text = f"\n{passage.text}\n"
            begin = 0
            for end in [*(found.end() for found in _END.finditer(text)), len(text)]:
                count = len(_WORD.findall(text[begin:end]))
                if count > LONGEST:
                    message = f"{count} words; at most {LONGEST}: make two of it."
                    yield _at(passage.first, text, begin, "long sentence", message)
                begin = end


def _form(found: list[Passage]) -> Iterator[Finding]:
    for passage in found:
        if passage.kind == "heading" and passage.text.rstrip().endswith((".", ":")):
            yield Finding(passage.first, 1, "heading", "A heading has no full stop and no colon at its end.")
        if passage.kind == "text":
            for line, text in enumerate(passage.text.split("\n"), passage.first):
                if len(text) > WIDTH and " " in text.strip():
                    yield Finding(line, WIDTH + 1, "long line", f"{len(text)} columns; at most {WIDTH}.")
