"""Conditions on requests: ``path ~ "^/api" and status >= 500``.  For `when` of access logs, `rspctl log`, and others.

    condition   = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | "(" condition ")" | comparison
    comparison  = FIELD                               it is there: neither empty nor 0
                | FIELD ( "=" | "!=" ) value
                | FIELD ( "<" | "<=" | ">" | ">=" ) number
                | FIELD ( "~" | "!~" ) text           a regular expression (RE2) that is found in it
                | FIELD [ "not" ] "in" "(" value { "," value } ")"

Everything is bounded before a request is looked at: the text, its depth, its comparisons, and the size of its regular
expressions.  What a request does not have is the empty text; as a number it makes every comparison but `!=` false.
"""

import re
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Final, NamedTuple

from rsp.config import log_fields
from rsp.config.units import Duration, Size
from rsp.http import regex

Get = Callable[[str], object]  # a field's value: text as bytes (or str), a number, or None
Test = Callable[[Get], bool]

_LONGEST: Final = 2000  # characters
_DEEPEST: Final = 20
_MOST: Final = 100  # comparisons, and values in brackets
_LARGEST: Final = 1000  # instructions of all regular expressions
_SEARCHED: Final = 8192  # bytes of a value that a regular expression sees
_AUTOMATON: Final = 256 << 10  # bytes, for each of them
_TOKEN: Final = re.compile(
    r"""(?P<number>\d[\w.]*)|(?P<word>[^\W\d][\w.\-]*)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>!~|!=|<=|>=|==|=|~|<|>|\(|\)|,)""",
    re.DOTALL,
)
_SPACE: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_DURATION: Final = re.compile(r"\d+(?:\.\d+)?(?:us|ms|s|m|h|d)")
_SIZE: Final = re.compile(r"\d+(?:[kmg]i?b|b)", re.IGNORECASE)
_WORDS: Final = ("and", "or", "not", "in")
_SLIPS: Final = {"&": "write `and`", "|": "write `or`", "!": "write `not`", "$": "write the field's name alone"}


class Predicate:
    """``fields``: the names of those that it asks for."""

    __slots__ = ("fields", "matches")

    def __init__(self, fields: frozenset[str], matches: Test) -> None:
        self.fields = fields
        self.matches = matches  # of a function that says what a field's value is

    @classmethod
    def parse(cls, text: str) -> "Predicate":
        """Raises :class:`ValueError` that says in which column something is wrong, and what is expected there."""
        if len(text) > _LONGEST:
            raise ValueError(f"a condition has at most {_LONGEST} characters, this one has {len(text)}")
        parser = _Parser(text)
        matches = parser.whole()
        return cls(frozenset(parser.fields), matches)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int

    def __str__(self) -> str:
        return f"`{self.text}`" if self.kind != "end" else "the end"


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at == len(text):
            yield _Token("end", "", at + 1)
            return
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _mistake(at + 1, _unreadable(text[at]))
        yield _Token(match.lastgroup, match[0], at + 1)
        at = match.end()


def _unreadable(letter: str) -> str:
    if letter in "\"'":
        return f"a text that begins with {letter} must end with {letter}"
    hint = _SLIPS.get(letter, "text is written in quotes" if letter in "/^.*[\\" else "")
    shown = letter if letter.isprintable() else repr(letter)
    return f"unexpected `{shown}`{hint and '; '}{hint}"


def _mistake(column: int, message: str) -> ValueError:
    return ValueError(f"column {column}: {message}")


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._depth = self._comparisons = 0
        self._room = _LARGEST
        self.fields: set[str] = set()

    def whole(self) -> Test:
        if self._next.kind == "end":
            raise _mistake(1, "a condition is expected, such as `status >= 500`")
        test = self._condition()
        if self._next.kind != "end":
            raise _mistake(self._next.column, f"`and`, `or` or the end is expected, not {self._next}")
        return test

    # -- tokens

    def _take(self) -> _Token:
        token, self._next = self._next, _END
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _is(self, text: str) -> bool:
        return self._next.text == text and self._next.kind in ("word", "sign")

    def _expect(self, text: str, why: str) -> None:
        if not self._is(text):
            raise _mistake(self._next.column, f"`{text}` is expected {why}, not {self._next}")
        self._take()

    # -- the grammar, from the outside in

    def _condition(self) -> Test:
        return self._joined("or", self._conjunction, _either)

    def _conjunction(self) -> Test:
        return self._joined("and", self._negation, _both)

    def _joined(self, word: str, read: Callable[[], Test], join: Callable[[Test, Test], Test]) -> Test:
        """Tests with regular expressions, which take longest, run last."""
        tests: list[tuple[int, Test]] = []
        while True:
            room = self._room
            test = read()
            tests.append((room - self._room, test))
            if not self._is(word):
                return reduce(join, (test for _, test in sorted(tests, key=lambda weighed: weighed[0])))
            self._take()

    def _negation(self) -> Test:
        if not (self._is("not") or self._is("(")):
            return self._comparison()
        token = self._take()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _mistake(token.column, f"brackets and `not` can be nested at most {_DEEPEST} deep")
        if token.text == "not":
            test = _opposite(self._negation())
        else:
            test = self._condition()
            self._expect(")", f"for the bracket in column {token.column}")
        self._depth -= 1
        return test

    def _comparison(self) -> Test:
        token = self._take()
        if token.kind != "word" or token.text in _WORDS:
            raise _mistake(token.column, f"a field is expected, such as `status` or `path`, not {token}")
        self._comparisons += 1
        if self._comparisons > _MOST:
            raise _mistake(token.column, f"a condition has at most {_MOST} comparisons")
        name = token.text
        try:
            is_text = log_fields.kind(name) == "text"
        except ValueError as error:
            raise _mistake(token.column, str(error)) from None
        self.fields.add(name)
        return self._text_test(name) if is_text else self._number_test(name)

    def _number_test(self, name: str) -> Test:
        sign = self._next
        if self._is_in():
            return self._among(name, self._number, _number)
        if sign.text in _ORDERS:
            self._take()
            return _ORDERS[sign.text](name, self._number(name))
        if sign.text in ("~", "!~"):
            raise _mistake(sign.column, f"`{name}` is a number; use =, !=, <, <=, >, >= or `in`")
        return lambda get: bool(_number(get(name)))

    def _text_test(self, name: str) -> Test:
        sign = self._next
        if self._is_in():
            return self._among(name, self._text, _text)
        if sign.text in ("=", "==", "!="):
            self._take()
            value = self._text(name)
            return _differs(name, value) if sign.text == "!=" else lambda get: _text(get(name)) == value
        if sign.text in ("~", "!~"):
            self._take()
            test = self._found(name)
            return test if sign.text == "~" else _opposite(test)
        if sign.text in _ORDERS:
            raise _mistake(sign.column, f"`{name}` is text; use =, !=, ~, !~ or `in`")
        return lambda get: bool(_text(get(name)))

    def _is_in(self) -> bool:
        return self._is("in") or self._is("not")

    def _among(self, name: str, read: Callable[[str], object], value_of: Callable[[object], object]) -> Test:
        opposite = self._is("not")
        if opposite:
            self._take()
        self._expect("in", "after `not`" if opposite else "")
        self._expect("(", "after `in`")
        values: set[object] = {read(name)}
        while not self._is(")"):
            self._expect(",", "between values")
            values.add(read(name))
            if len(values) > _MOST:
                raise _mistake(self._next.column, f"at most {_MOST} values are expected")
        self._take()
        return _opposite(_is_among(name, values, value_of)) if opposite else _is_among(name, values, value_of)

    # -- values

    def _number(self, name: str) -> float:
        token = self._take()
        text = token.text
        if token.kind == "number":
            if _NUMBER.fullmatch(text):
                return float(text)
            if text.endswith("us") and _DURATION.fullmatch(text):
                return float(text[:-2]) / 1e6
            if _DURATION.fullmatch(text):
                return float(Duration.parse(text))
            if _SIZE.fullmatch(text):
                return float(Size.parse(text))
        if token.kind == "text":
            raise _mistake(token.column, f"`{name}` is a number; write it without quotes")
        raise _mistake(token.column, f"a number is expected, such as 500, 250ms or 64KB, not {token}")

    def _text(self, name: str) -> bytes:
        token = self._quoted(name)
        return re.sub(r"\\([\\\"'])", r"\1", token.text[1:-1]).encode("utf-8", "surrogateescape")

    def _quoted(self, name: str) -> _Token:
        token = self._take()
        if token.kind != "text":
            hint = f'; write "{token.text}"' if token.kind in ("word", "number") else ""
            raise _mistake(token.column, f"`{name}` is text, so a text in quotes is expected, not {token}{hint}")
        return token

    def _found(self, name: str) -> Test:
        """Backslashes are the pattern's own, but for one before the quote."""
        token = self._quoted(name)
        quote = token.text[0]
        pattern = token.text[1:-1].replace("\\" + quote, quote)
        try:
            search, size = _compiled(pattern.encode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise _mistake(token.column, str(error)) from None
        self._room -= size
        if self._room < 0:
            raise _mistake(token.column, "the regular expressions are too large; use smaller counts in {}")
        return lambda get: search(_text(get(name))[:_SEARCHED]) is not None


_END: Final = _Token("end", "", 0)


def _compiled(pattern: bytes) -> tuple[Callable[[bytes], object], int]:
    """How to search for it, and its size in instructions.  Raises :class:`ValueError`."""
    try:
        made = regex.compiled(pattern, groups=False, memory=_AUTOMATON)
    except ValueError as error:
        raise ValueError(f"regular expression: {error}") from None
    return made.search, made.programsize


# -- what is run for each request


def _text(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    return str(value).encode("utf-8", "surrogateescape")


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _either(one: Test, other: Test) -> Test:
    return lambda get: one(get) or other(get)


def _both(one: Test, other: Test) -> Test:
    return lambda get: one(get) and other(get)


def _opposite(test: Test) -> Test:
    return lambda get: not test(get)


def _differs(name: str, wanted: object) -> Test:
    return lambda get: _text(get(name)) != wanted


def _is_among(name: str, values: set[object], value_of: Callable[[object], object]) -> Test:
    return lambda get: value_of(get(name)) in values


def _equals(name: str, wanted: float) -> Test:
    return lambda get: _number(get(name)) == wanted


def _is_not(name: str, wanted: float) -> Test:
    return lambda get: _number(get(name)) != wanted


def _below(name: str, wanted: float) -> Test:
    return lambda get: (value := _number(get(name))) is not None and value < wanted


def _at_most(name: str, wanted: float) -> Test:
    return lambda get: (value := _number(get(name))) is not None and value <= wanted


def _above(name: str, wanted: float) -> Test:
    return lambda get: (value := _number(get(name))) is not None and value > wanted


def _at_least(name: str, wanted: float) -> Test:
    return lambda get: (value := _number(get(name))) is not None and value >= wanted


_ORDERS: Final[dict[str, Callable[[str, float], Test]]] = {
    "=": _equals, "==": _equals, "!=": _is_not, "<": _below, "<=": _at_most, ">": _above, ">=": _at_least,
}  # fmt: skip
