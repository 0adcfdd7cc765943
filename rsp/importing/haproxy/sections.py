"""haproxy.cfg as sections of lines of words; nothing is known here of what the words mean."""

import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.haproxy.machine import Conditions
from rsp.importing.haproxy.machine import Line as Line
from rsp.importing.site import Origin, Unreadable
from rsp.importing.wordlist import words as word_set

KINDS: Final = word_set(
    """
    global defaults frontend backend listen userlist peers resolvers mailers cache program ring http-errors
    log-forward fcgi-app acme crt-store traces log-profile ruleset dynamic-update
    """
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_]\w*)(\[\*\])?(?:-([^}]*))?\}|\$([A-Za-z_]\w*)")


class Section(Struct):
    kind: str
    name: str
    origin: Origin
    text: str
    words: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def sections(file: str, text: str) -> tuple[list[Section], list[Line]]:
    """Sections, and lines outside of them or for conditions (``.if``).  Raises :class:`Unreadable`."""
    found: list[Section] = []
    outside: list[Line] = []
    conditions = Conditions()
    number, lines = 0, text.splitlines()
    while number < len(lines):
        origin = Origin(file, number + 1)
        line = lines[number]
        number += 1
        while _continues(line) and number < len(lines):
            line = line[:-1] + lines[number]
            number += 1
        words = _words(line, origin)
        if not words:
            continue
        plain = " ".join(line.split())
        if words[0].startswith("."):
            outside += conditions.meet(Line(words, plain, origin))
            continue
        if not conditions.holds():
            continue
        if words[0] in KINDS and not (words[0] == "cache" and line[:1].isspace() and found):
            name = words[1] if len(words) > 1 else ""
            found.append(Section(words[0], name, origin, plain, words))
        elif not found:
            outside.append(Line(words, plain, origin))
        else:
            found[-1].lines.append(Line(words, plain, origin))
    return found, outside + conditions.open()


def _continues(line: str) -> bool:
    return line.endswith("\\") and (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _words(line: str, origin: Origin) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    index = 0
    while index < len(line):
        character = line[index]
        index += 1
        if quote:
            if character == quote:
                quote = ""
                continue
            if character == "\\" and quote == '"' and line[index : index + 1] in tuple('"\\$'):
                character = line[index]
                index += 1
        elif character in " \t\r":
            if word is not None:
                words.append("".join(word))
                word = None
            continue
        elif character == "#":
            break
        elif character in "\"'":
            quote = character
            word = [] if word is None else word
            continue
        elif character == "\\" and index < len(line):
            following = line[index]
            if following in " #\\'\"nrt":
                character = _ESCAPES.get(following, following)
                index += 1
        if word is None:
            word = []
        word.append(character)
    if quote:
        raise Unreadable(f"{origin}: a quote {quote} has no end")
    if word is not None:
        words.append("".join(word))
    return words


def variables(text: str) -> list[tuple[str, str | None, str]]:
    """Names of variables of the environment, their defaults, and how they stand in ``text``."""
    return [(match[1] or match[4], match[3], match[0]) for match in _VARIABLE.finditer(text)]
