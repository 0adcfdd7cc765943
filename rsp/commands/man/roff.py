"""Manual pages as man(7) has them: macros on lines of their own, and text in which nothing is a macro."""

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from rsp import __version__

_WIDTH: Final = 78
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def text(words: str) -> str:
    """A paragraph of Markdown: code is bold, links are their names."""
    words = " ".join(_LINK.sub(r"\1", words).split())
    made = "".join(bold(part) if index % 2 else _escaped(part) for index, part in enumerate(_CODE.split(words)))
    return "\n".join(map(_safe, wrap(made, _WIDTH, break_long_words=False, break_on_hyphens=False)))


def verbatim(words: str) -> str:
    """Lines as they stand."""
    lines = (_safe(_escaped(line.rstrip())) for line in words.strip("\n").split("\n"))
    return "\n".join([".nf", *lines, ".fi"])


def bold(words: str) -> str:
    return rf"\fB{_escaped(words)}\fR"


def italic(words: str) -> str:
    return rf"\fI{_escaped(words)}\fR"


def title(name: str, section: int, summary: str) -> str:
    head = f'.TH {_escaped(name.upper())} {section} "" "rsp {__version__}"'
    return f"{head}\n.SH NAME\n{_escaped(name)} \\- {_escaped(summary)}"


def heading(words: str) -> str:
    return f'.SH "{_escaped(words).upper()}"'


def part(words: str) -> str:
    return f'.SS "{_escaped(words)}"'


def item(term: str, said: Iterable[str]) -> str:
    """``term``, ``said``: ready to be written."""
    return "\n".join([".TP", _safe(term), *said])


def _escaped(words: str) -> str:
    return words.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")


def _safe(line: str) -> str:
    """No line of text begins like a macro, and none is empty."""
    return rf"\&{line}" if line[:1] in (".", "'", "") else line
