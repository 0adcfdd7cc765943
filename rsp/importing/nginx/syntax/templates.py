"""Placeholders of templates, which another program fills in before nginx reads the file.

``${API_HOST}`` (envsubst), ``%domain%``, ``%%domain%%``, ``{{ domain }}``, ``<%= domain %>``, ``__DOMAIN__``,
``@DOMAIN@`` and ``<your-domain>``.  This room knows how they are written; ``environment.py`` makes variables of the
environment from them.  Control of templates (``{% if %}``, ``{{ range }}``) does not count as one: what it leads to is
not known.

``<title>`` and its like may be what nginx is to say, or to look for: such a word counts where a host, an address or a
file is expected, and as a whole value that looks like a name.
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
    r"|%%(?P<double>[A-Za-z]\w*)%%"
    r"|%(?![0-9A-Fa-f]{2}%)(?P<percent>[A-Za-z]\w*)%"
    r"|(?<![?P\\])<(?P<angle>[A-Za-z][\w.\- ]*)>"
    r"|__(?P<lines>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)__"
    r"|@@?(?P<at>[A-Z][A-Z0-9_]*)@@?"
)
PLACEHOLDER: Final = re.compile(
    rf"\$(?:\{{(?P<env>[A-Z][A-Z0-9_]*)\}}|(?P<plain>[A-Z][A-Z0-9_]*)(?![A-Za-z0-9_]))|{_FOREIGN}"
)
_OTHER: Final = re.compile(_FOREIGN)
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*|\w+[\-_. ]\w[\w.\- ]*")  # as no element of HTML has it
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


def is_marked(text: str) -> bool:
    """Whether it has a placeholder that can be nothing else."""
    return any(mark in text for mark in _MARKS.values())


def has_placeholder(text: str) -> bool:
    """Whether it has what may be one that nginx would not take for a variable."""
    return _OTHER.search(text) is not None


def is_meant(match: re.Match[str], word: str, *, has_place: bool) -> bool:
    """Whether a match of ``PLACEHOLDER`` in ``word`` is one.

    ``has_place``: a host, an address or a file is expected there.
    """
    if has_place or not is_foreign(match) or match["braces"] is not None:
        return True
    if match.string[: match.start()].endswith("://"):
        return True
    return match[0] == word and (match["angle"] is None or _NAME.fullmatch(match["angle"]) is not None)


def name_of(match: re.Match[str]) -> str:
    """Of a match of ``PLACEHOLDER``: the name of the variable of the environment that takes its place."""
    found = next(group for group in match.groups() if group)
    name = re.sub(r"\W+", "_", found).strip("_").upper()
    return f"SITE_{name}" if is_foreign(match) and name in _TAKEN else name


def is_foreign(match: re.Match[str]) -> bool:
    """Whether nginx would not take it for a variable of its own."""
    return not (match["env"] or match["plain"])
