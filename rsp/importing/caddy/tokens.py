"""A Caddyfile as a tree of lines of words; nothing is known here of what the words mean."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from rsp.importing.site import Origin, Unreadable

_DEEPEST: Final = 50
_VARIABLE: Final = re.compile(r"\{\$([A-Za-z_]\w*)(?::([^{}]*))?\}")
_RUNTIME: Final = re.compile(r"\{env\.([A-Za-z_]\w*)\}")


class Token(Struct, frozen=True):
    text: str
    line: int
    quoted: bool = False


class Node(Struct):
    """A line: its words, and what stands in braces behind it."""

    words: list[str]
    origin: Origin
    block: "list[Node] | None" = None

    @property
    def name(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def rest(self) -> list[str]:
        return self.words[1:]

    @property
    def text(self) -> str:
        """As it stands in the source, in one line."""
        inside = f" {{ {'; '.join(each.text for each in self.block)} }}" if self.block is not None else ""
        return " ".join(self.words) + inside


def parse(file: str, text: str) -> list[Node]:
    """Raises :class:`Unreadable`."""
    tokens = list(_tokens(file, text))
    return _nodes(file, tokens, 0, 0)[0]


def variables(text: str) -> list[tuple[str, str | None, str]]:
    """Names of variables of the environment, their defaults, and how they stand in ``text``."""
    found: list[tuple[str, str | None, str]] = [(match[1], match[2], match[0]) for match in _VARIABLE.finditer(text)]
    return found + [(match[1], None, match[0]) for match in _RUNTIME.finditer(text)]


def _nodes(file: str, tokens: list[Token], index: int, inside: int) -> tuple[list[Node], int]:
    """``inside``: how many blocks are around."""
    nodes: list[Node] = []
    while index < len(tokens):
        token = tokens[index]
        if token.text == "}" and not token.quoted:
            if inside:
                return nodes, index + 1
            raise Unreadable(f"{file}:{token.line}: a closing brace without an opening one")
        line = first = token.line
        words: list[str] = []
        block: list[Node] | None = None
        while index < len(tokens):
            token = tokens[index]
            listed = bool(words) and words[-1].endswith(",") and not inside
            if token.line != line and not listed:
                break
            line = token.line
            if token.text == "{" and not token.quoted:
                if inside >= _DEEPEST:
                    raise Unreadable(f"{file}:{token.line}: blocks are nested too deeply")
                block, index = _nodes(file, tokens, index + 1, inside + 1)
                break
            if token.text == "}" and not token.quoted and words:
                break
            words.append(token.text)
            index += 1
            if "\n" in token.text:
                line = token.line + token.text.count("\n")
        nodes.append(Node(words, Origin(file, first), block))
    if inside:
        raise Unreadable(f"{file}:{tokens[-1].line if tokens else 1}: a brace has no end")
    return nodes, index


def _tokens(file: str, text: str) -> Iterator[Token]:
    index, line, end = 0, 1, len(text)
    while index < end:
        character = text[index]
        if character == "\n":
            line += 1
            index += 1
        elif character.isspace() or character == "\ufeff":
            index += 1
        elif character == "\\" and text[index + 1 : index + 2] in ("\n", "\r"):
            index += 2 if text[index + 1] == "\n" else 3
        elif character == "#":
            while index < end and text[index] != "\n":
                index += 1
        elif character in '"`':
            start = line
            begun = index
            value, index = _quoted(file, text, index, line)
            line += text.count("\n", begun, index)
            yield Token(value, start, True)
        elif text.startswith("<<", index) and (match := re.compile(r"<<([\w-]+)\r?\n").match(text, index)):
            stop = re.compile(rf"^([ \t]*){re.escape(match[1])}(?=\s|$)", re.MULTILINE).search(text, match.end())
            if stop is None:
                raise Unreadable(f"{file}:{line}: the heredoc {match[1]} has no end")
            body = text[match.end() : stop.start()]
            value = "\n".join(each.removeprefix(stop[1]) for each in body.split("\n")[:-1])
            yield Token(value, line, True)
            line += text.count("\n", index, stop.end())
            index = stop.end()
        else:
            start = index
            while index < end and not text[index].isspace():
                if text[index] == "\\" and text[index + 1 : index + 2] in ("\n", "\r"):
                    break
                index += 1
            yield Token(text[start:index].replace("\\{", "{").replace("\\}", "}"), line)


def _quoted(file: str, text: str, index: int, line: int) -> tuple[str, int]:
    quote = text[index]
    found: list[str] = []
    at = index + 1
    while at < len(text):
        character = text[at]
        if character == quote:
            return "".join(found), at + 1
        if character == "\\" and quote == '"' and text[at + 1 : at + 2] in ('"', "\n"):
            found.append('"' if text[at + 1] == '"' else "")
            at += 2
            continue
        found.append(character)
        at += 1
    raise Unreadable(f"{file}:{line}: a quote {quote} has no end")
