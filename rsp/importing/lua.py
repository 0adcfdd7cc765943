"""Writes a :class:`Site` as Lua in the style of README and examples/: one line where it fits, else a key a line."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from rsp.importing.crowds import TABLE, as_fields, crowd
from rsp.importing.site import Code, Declaration, Heading, Note, Part, Script, Setting, Site, Table, Untranslated, Value

WIDTH: Final = 100
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS: Final = re.compile(
    "and|break|do|else|elseif|end|false|for|function|goto|if|in|local|nil|not|or|repeat|return|then|true|until|while"
)
_BUT: Final = re.compile(r"\(\?:\$\|(?:\(\?:)?\[\^")  # the end, or another letter than
_IN_SINGLE: Final = re.compile(r"""[ -&(-\[\]-~]*"[ -&(-\[\]-~]*""")  # has double quotes, no single ones, no backslash
_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


class Written(Struct):
    """``places``: for each part its first and last line, from 1, in the order of the file."""

    text: str
    places: list[tuple[int, int, Part]]

    def part_at(self, line: int) -> Part | None:
        return next((part for first, last, part in self.places if first <= line <= last), None)


def write(site: Site, name: str = "site.lua") -> Written:
    """``name``: what the header says that the file is called."""
    lines = _header(site, name)
    places: list[tuple[int, int, Part]] = []
    before: Part | None = None
    texts = ["\n".join(_part(part)) for part in site.parts]
    fields = crowd(texts)
    if fields:
        lines += ["", f"local {TABLE} = {{}}  -- a function of Lua has room for 200 local variables only"]
    for part, text in zip(site.parts, texts, strict=True):
        if before is None or _apart(before, part):
            lines.append("")
        first = len(lines) + 1
        lines += (as_fields(text, fields) if fields else text).split("\n")
        places.append((first, len(lines), part))
        before = part
    return Written("\n".join(lines) + "\n", places)


def _header(site: Site, name: str) -> list[str]:
    source = site.source.rsplit("/", 1)[-1]
    lines = comment(f"Made from {source} ({site.format}) by `rsp import`. Check it: rsp -t {name}")
    missing = sum(1 for _ in site.untranslated)
    if missing:
        what = "1 thing was" if missing == 1 else f"{missing} things were"
        lines += comment(f'{what} not translated; search for "NOT TRANSLATED".')
    if site.dropped:
        lines += comment(f"Not needed, because rsp does it by itself or tunes it otherwise: {', '.join(site.dropped)}.")
    return lines


def _apart(before: Part, part: Part) -> bool:
    """Whether an empty line stands between the two."""
    remark = (Heading, Note, Untranslated)
    if isinstance(before, remark):
        return False
    if isinstance(part, remark):
        return True
    if type(before) is not type(part) or part.comments:
        return True
    return isinstance(part, Script) or (
        isinstance(part, Declaration) and isinstance(before, Declaration) and before.word != part.word
    )


def _part(part: Part) -> list[str]:
    if isinstance(part, Heading):
        return comment(part.text)
    if isinstance(part, Note):
        return comment(f"Note{f' ({part.origin})' if part.origin else ''}: {part.text}")
    if isinstance(part, Untranslated):
        where = f" ({part.origin})" if part.origin else ""
        said = comment(f"NOT TRANSLATED{where}: {part.reason}:")
        return [*said, *comment(part.text, indent="  ")]
    lines = [line for text in [*part.comments, *_explained(part)] for line in comment(text)]
    if isinstance(part, Script):
        return [*lines, *part.text.rstrip("\n").split("\n")]
    if isinstance(part, Setting):
        return [*lines, *_value(part.value, f"{part.name} = ", "", "")]
    head = part.word + (f" {quoted(part.name)}" if part.name else "")
    if part.word == "listen" and not part.items and not part.keys:
        return [*lines, head]
    return [*lines, *_value(Table(part.items, part.keys), f"{head} ", "", "")]


def _explained(part: Part) -> list[str]:
    """What a long expression is for that leaves out what others take: RE2 has no lookahead."""
    if not isinstance(part, Declaration) or part.origin is None:
        return []
    regex = part.keys.get("regex")
    if not isinstance(regex, str) or len(regex) < WIDTH or not _BUT.search(regex):
        return []
    return [f"Its regex is long because RE2 cannot say (?!...): what {part.origin} is not for is spelt out."]


def comment(text: str, indent: str = "") -> list[str]:
    """Lines that begin with ``--``; whatever is in ``text`` stays in the comment."""
    clean = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    lines = textwrap.wrap(clean, WIDTH - 3 - len(indent), break_long_words=False, break_on_hyphens=False)
    return [f"-- {indent}{line}" for line in lines] or ["--"]


def quoted(text: str) -> str:
    """A literal of Lua; with backslashes in it, as in regular expressions, in long brackets."""
    if "\\" in text and text.isprintable() and '"' not in text.replace('\\"', ""):
        for level in ("", "="):
            if f"]{level}]" not in text and not text.endswith(f"]{level}"):
                return f"[{level}[{text}]{level}]"
    return f'"{"".join(_escaped(c) for c in text)}"'


def index(key: str) -> str:
    """``["key"]``; a bracket and a long bracket would be another one."""
    text = quoted(key)
    return f"[ {text} ]" if text.startswith("[") else f"[{text}]"


def member(name: str) -> str:
    """``.name``, or ``["end"]``."""
    return index(name) if _KEYWORDS.fullmatch(name) else f".{name}"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    return f"\\{code:03d}" if code < 32 or code == 127 else character


def _key(name: str) -> str:
    if _NAME.fullmatch(name) and not _KEYWORDS.fullmatch(name):
        return name
    return index(name)


def _flat(value: Value) -> str | None:
    """In one line; ``None``: it has several."""
    if isinstance(value, Code):
        return None if "\n" in value.text else value.text
    if isinstance(value, str):
        return f"'{value}'" if _IN_SINGLE.fullmatch(value) else quoted(value)
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    pairs = [(prefix, _flat(item)) for prefix, item in _entries(value)]
    if any(item is None for _, item in pairs):
        return None
    return f"{{ {', '.join(f'{prefix}{item}' for prefix, item in pairs)} }}" if pairs else "{}"


def _entries(value: Value) -> list[tuple[str, Value]]:
    if isinstance(value, Table):
        return [*_entries(value.items), *_entries(value.keys)]
    if isinstance(value, Mapping):
        return [(f"{_key(name)} = ", item) for name, item in value.items()]
    if isinstance(value, Sequence):
        return [("", item) for item in value]
    return []


def _value(value: Value, before: str, indent: str, after: str) -> list[str]:
    """Lines of ``before``, the value and ``after``."""
    flat = _flat(value)
    if flat is not None and (
        len(indent) + len(before) + len(flat) + len(after) <= WIDTH or isinstance(value, (Code, str))
    ):
        return [f"{indent}{before}{flat}{after}"]
    if isinstance(value, Code):
        first, *rest = value.text.split("\n")
        lines = [f"{indent}{before}{first}", *(f"{indent}{line}" if line else "" for line in rest)]
        lines[-1] += after
        return lines
    lines = [f"{indent}{before}{{"]
    for prefix, item in _entries(value):
        lines += _value(item, prefix, f"{indent}  ", ",")
    return [*lines, f"{indent}}}{after}"]
