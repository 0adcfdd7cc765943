"""The prose in a file: everything else is blanked, so lines and columns stay those of the file.

A *passage* is a run of lines (`first` is the number of its first line) of one kind: `text` of Markdown, a `heading`,
a `cell`: the row of a table, a `docstring`, a `comment` or a `message` (a string of several words in a source).
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_PROSE = re.compile(
    r"(`+)[^`].*?\1(?!`)"  # code
    r"|\]\([^)\s]*\)"  # where a link leads
    r"|<!--.*?-->|<https?:[^>]*>|https?://\S+",
    re.DOTALL,
)
_WORDS = re.compile(r"[A-Za-z]{2,} +[a-z]+ +[a-z]+")
_DIRECTIVE = re.compile(r"#\s*(noqa|type:|mypy:|pragma|cython:|ruff:|!)")


@dataclass(frozen=True)
class Passage:
    kind: str
    first: int
    text: str


def passages(path: Path) -> Iterator[Passage]:
    source = path.read_text()
    if path.suffix == ".md":
        return _of_markdown(source)
    if path.suffix in (".py", ".pyx", ".pxi", ".pxd"):
        return _of_python(source) if path.suffix == ".py" else _of_comments(source, "#")
    return _of_comments(source, "--" if path.suffix == ".lua" else "#")


def _of_markdown(source: str) -> Iterator[Passage]:
    lines = source.split("\n")
    kind = "text"
    row = -1
    for token in _MARKDOWN.parse(source):
        if token.type == "heading_open":
            kind = "heading"
        elif token.type in ("th_open", "td_open"):
            kind = "cell"
        elif token.type.endswith("_close"):
            kind = "text"
        elif token.type == "inline" and token.map and (kind != "cell" or token.map[0] != row):
            first, end = token.map
            row = first
            yield Passage(kind, first + 1, blanked("\n".join(lines[first:end])))


def blanked(text: str) -> str:
    """Text with code and links as one word each, of the same length and lines."""
    return _NOT_PROSE.sub(lambda found: re.sub(r"\S", "X", found.group().replace(" ", "X")), text)


def _of_python(source: str) -> Iterator[Passage]:
    defined = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, defined) and ast.get_docstring(node, clean=False) is not None
    }
    comment: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT and not _DIRECTIVE.match(token.string):
            if comment and comment[-1][0] != line - 1:
                yield _joined(comment)
                comment = []
            comment.append((line, " " * column + token.string.replace("#", " ")))
        elif token.type == tokenize.STRING and line in docstrings:
            yield Passage("docstring", line, blanked(" " * column + token.string.replace('"""', "   ")))
        elif token.type == tokenize.STRING and _WORDS.search(token.string):
            yield Passage("message", line, blanked(" " * column + _values_blanked(token.string)))
    if comment:
        yield _joined(comment)


def _values_blanked(string: str) -> str:
    """A string without the values that an f-string computes."""
    if "f" not in string.partition(string[-1])[0].lower():
        return string
    return re.sub(r"\{[^{}]*\}", lambda found: "X" * len(found.group()), string)


def _of_comments(source: str, mark: str) -> Iterator[Passage]:
    comment: list[tuple[int, str]] = []
    for line, text in enumerate(source.split("\n"), 1):
        before, found, after = text.partition(mark)
        if not found or (before and not before[-1].isspace()) or before.count('"') % 2 or after.startswith("[["):
            continue
        if comment and comment[-1][0] != line - 1:
            yield _joined(comment)
            comment = []
        comment.append((line, " " * len(before + mark) + after))
    if comment:
        yield _joined(comment)


def _joined(comment: list[tuple[int, str]]) -> Passage:
    return Passage("comment", comment[0][0], blanked("\n".join(text for _, text in comment)))
