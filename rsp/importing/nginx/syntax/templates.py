"""Placeholders of templates, which another program fills in before nginx reads the file.

``${API_HOST}`` (envsubst), ``${API_HOST:-localhost}`` (a shell), ``${domain}``, ``%domain%``, ``%%domain%%``,
``%(domain)s``, ``{{ domain }}``, ``{domain}``, ``<%= domain %>``, ``__DOMAIN__``, ``@DOMAIN@``, ``$(DOMAIN)`` and
``<your-domain>``.  This room knows how they are written; ``environment.py`` makes variables of the
environment from them.  Control of templates (``{% if %}``, ``{{ range }}``) does not count as one: what it leads to is
not known.

``<title>`` and its like may be what nginx is to say, or to look for: such a word counts where a host, an address or a
file is expected, and as a whole value that looks like a name.
"""

import re
from typing import Final

# Spaces and blocks to nginx.
_MARKS: Final = {"{{ ": "\ue000", " }}": "\ue001", "<%= ": "\ue002", " %>": "\ue003", "{": "\ue004", "}": "\ue005"}
_BRACES: Final = re.compile(
    r"\$?\{\{\{?-?[ \t]*(?:(?:get)?env[ \t]+\"(?=\w+\"))?[.$]?(?!(?:end|else|break|continue)\b)([A-Za-z_][\w.\-]*)"
    r"(?:\"(?:[ \t]+\"[^{}\"\n]*\")?)?(?:[ \t]*\|[^{}\n]*)?[ \t]*-?\}?\}\}"
    r"|<%=[ \t]*@?([A-Za-z_][\w.]*)[ \t]*-?%>"
)
_SINGLE: Final = re.compile(r"(?<![\w$\\{]\{)(?<![$\\{])(?<!\\[pPxNgk])\{\$?([A-Za-z_]\w*)\}(?!\})")
_LINE: Final = re.compile(
    r"^[ \t]*(\$\{\w+\}|\ue000[^\ue001]*\ue001|\ue002[^\ue003]*\ue003|\ue004\w+\ue005"
    r"|__[A-Z][A-Z0-9_]*__|%%\w+%%|@@?[A-Z]\w*@@?)[ \t]*(?:#.*)?$"
)
_FOREIGN: Final = (
    "[\ue000\ue002\ue004](?P<braces>[^\ue001\ue003\ue005]*)[\ue001\ue003\ue005]"
    r"|\$\{(?P<shell>[A-Za-z_]\w*[:/#%^,\-=+?.][^{}]*)\}"
    r"|\$\((?P<round>[A-Za-z_]\w*)\)"
    r"|%\((?P<python>[A-Za-z_]\w*)\)s"
    r"|\$\$(?P<dollars>[A-Za-z]\w*)\$\$"
    r"|%%(?P<double>[A-Za-z]\w*)%%"
    r"|%(?![0-9A-Fa-f]{2}%)(?P<percent>[A-Za-z]\w*)%"
    r"|(?<![?P\\])<(?P<angle>[A-Za-z][\w.\- ]*)>"
    r"|__(?P<lines>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)__"
    r"|@@?(?P<at>[A-Z][A-Z0-9_]*)@@?"
)
PLACEHOLDER: Final = re.compile(
    rf"\$(?:\{{(?P<env>[A-Z][A-Z0-9_]*)\}}|(?P<plain>[A-Z][A-Z0-9_]*)(?![A-Za-z0-9_]))|{_FOREIGN}"
)
# With those in lower case, which nginx takes for variables of its own.
EVERY: Final = re.compile(rf"{PLACEHOLDER.pattern}|\$(?:\{{(?P<lower>[A-Za-z_]\w*)\}}|(?P<bare>[A-Za-z_]\w*))")
_OTHER: Final = re.compile(_FOREIGN)
_DEFAULT: Final = re.compile(r"\w+:?[-=](.*)", re.S)
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*|\w+[\-_. ]\w[\w.\- ]*")  # as no element of HTML has it
WHOLE: Final = "(template)"  # the name of a statement that a placeholder stands for
# Which every process has, with another meaning.
_TAKEN: Final = ("PATH", "USER", "HOME", "HOSTNAME", "PWD", "SHELL", "LANG", "TERM", "LOGNAME", "MAIL", "TMP", "TMPDIR")


def marked(text: str, *, has_single: bool = False) -> str:
    """A file's text with marks in the place of the braces of placeholders, so that it can be read.

    ``has_single``: ``{domain}`` is one as well.
    """
    if "{{" in text or "<%=" in text:
        text = _BRACES.sub(lambda match: f"\ue000{match[1]}\ue001" if match[1] else f"\ue002{match[2]}\ue003", text)
    if has_single:
        text = _SINGLE.sub("\ue004\\1\ue005", text)
    return _with_lines(text)


def _with_lines(text: str) -> str:
    """With a statement for a placeholder that has a line of its own, where a statement may begin."""
    if not any(map(_LINE.match, text.splitlines())):
        return text
    lines = text.split("\n")
    end = ";"
    for number, line in enumerate(lines):
        found = _LINE.match(line) if end in ";{}" else None
        if found is not None:
            lines[number] = f'{WHOLE} "{found[1]}";'
        said = re.sub(r"(?:^|\s)#.*", "", line).strip()
        end = said[-1] if said and found is None else end
    return "\n".join(lines)


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
    if has_place or not is_foreign(match) or match["braces"] or match["shell"]:
        return True
    if match.string[: match.start()].endswith("://"):
        return True
    return match[0] == word and (match["angle"] is None or _NAME.fullmatch(match["angle"]) is not None)


def name_of(match: re.Match[str]) -> str:
    """Of a match of ``EVERY``: the name of the variable of the environment that takes its place."""
    found = next(group for group in match.groups() if group)
    if match["shell"]:
        found = re.match(r"(?:env[.:])?(\w+)", found)[1]  # type: ignore[index]
    name = re.sub(r"\W+", "_", found).strip("_").upper()
    return f"SITE_{name}" if is_foreign(match) and name in _TAKEN else name


def default_of(match: re.Match[str]) -> str | None:
    """``localhost`` of ``${API_HOST:-localhost}``."""
    found = _DEFAULT.fullmatch(match["shell"] or "")
    return found[1] if found is not None else None


def is_foreign(match: re.Match[str]) -> bool:
    """Whether nginx would not take it for a variable of its own in capitals."""
    return not (match["env"] or match["plain"])


def is_lower(match: re.Match[str]) -> bool:
    """Of ``EVERY``: whether nginx would take it for a variable of its own."""
    return bool(match["lower"] or match["bare"])
