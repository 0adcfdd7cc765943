"""Placeholders of templates, which another program fills in before nginx reads the file.

``${API_HOST}`` (envsubst), ``%domain%``, ``{{ domain }}``, ``<%= domain %>``, ``__DOMAIN__``, ``@DOMAIN@`` and
``<your-domain>``.  This room knows how they are written; ``environment.py`` says what becomes of them.  Control of
templates (``{% if %}``, ``{{ range }}``) is none of them: what it leads to is not known.
"""

import re
from typing import Final

_MARKS: Final = {"{{ ": "\ue000", " }}": "\ue001", "<%= ": "\ue002", " %>": "\ue003"}  # spaces and blocks to nginx
_BRACES: Final = re.compile(
    r"\{\{-?[ \t]*[.$]?(?!(?:end|else|break|continue)\b)([A-Za-z_][\w.\-]*)(?:[ \t]*\|[^{}\n]*)?[ \t]*-?\}\}"
    r"|<%=[ \t]*@?([A-Za-z_][\w.]*)[ \t]*-?%>"
)
_FOREIGN: Final = (
    "[\ue000\ue002](?P<braces>[^\ue001\ue003]*)[\ue001\ue003]"
    r"|%(?![0-9A-Fa-f]{2}%)(?P<percent>[A-Za-z]\w*)%"
    r"|(?<![?P\\])<(?P<angle>[A-Za-z][\w.\- ]*)>"
    r"|__(?P<lines>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)__"
    r"|@@?(?P<at>[A-Z][A-Z0-9_]*)@@?"
)
PLACEHOLDER: Final = re.compile(
    rf"\$(?:\{{(?P<env>[A-Z][A-Z0-9_]*)\}}|(?P<plain>[A-Z][A-Z0-9_]*)(?![A-Za-z0-9_]))|{_FOREIGN}"
)
_OTHER: Final = re.compile(_FOREIGN)
# Which every process has, with another meaning.
_TAKEN: Final = ("PATH", "USER", "HOME", "HOSTNAME", "PWD", "SHELL", "LANG", "TERM", "LOGNAME", "MAIL", "TMP", "TMPDIR")


def marked(text: str) -> str:
    """A file's text with marks in the place of the braces of placeholders, so that it can be read."""
    if "{{" not in text and "<%=" not in text:
        return text
    return _BRACES.sub(lambda match: f"\ue000{match[1]}\ue001" if match[1] else f"\ue002{match[2]}\ue003", text)


def shown(text: str) -> str:
    """As it was before :func:`marked`."""
    for written, mark in _MARKS.items():
        text = text.replace(mark, written)
    return text


def has_placeholder(text: str) -> bool:
    """Whether it has one that nginx would not take for a variable."""
    return _OTHER.search(text) is not None


def name_of(match: re.Match[str]) -> str:
    """Of a match of ``PLACEHOLDER``: the name of the variable of the environment that takes its place."""
    found = next(group for group in match.groups() if group)
    name = re.sub(r"\W+", "_", found).strip("_").upper()
    return f"SITE_{name}" if is_foreign(match) and name in _TAKEN else name


def is_foreign(match: re.Match[str]) -> bool:
    """Whether nginx would not take it for a variable of its own."""
    return not (match["env"] or match["plain"])
