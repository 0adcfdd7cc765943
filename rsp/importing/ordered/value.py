"""What a rule asks of the values of a field, a parameter or a cookie, as a route of rsp can say it.

Both of two at once, the opposite, and whether a text is wanted.  A request is taken to have one value of a name.
"""

import re
from typing import Any, Final

from msgspec import Struct

from rsp.http.regex import Pattern
from rsp.importing.ordered import two_patterns
from rsp.importing.ordered.inexpressible import Inexpressible as Inexpressible
from rsp.importing.ordered.inexpressible import escaped as escaped

_KEYS: Final = ("prefix", "suffix", "contains", "regex")


class Value(Struct, frozen=True):
    """It passes each test that has texts: one of them is enough.  ``unless``: tests and their texts, none of which it
    may pass; the test ``whole`` is one of these only.
    """

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    unless: tuple[tuple[str, str], ...] = ()

    def tests(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(key, texts) for key in _KEYS if (texts := getattr(self, key))]

    def takes(self, value: str | None) -> bool:
        """``None``: there is none."""
        if value is None:
            return not self.tests()
        passed = all(any(_passes(key, text, value) for text in texts) for key, texts in self.tests())
        return passed and not any(_passes(key, text, value) for key, text in self.unless)

    def keys(self) -> dict[str, Any]:
        """Of the table in a configuration."""
        found: dict[str, Any] = {key: _short(texts) for key, texts in self.tests()}
        kinds = {key for key, _ in self.unless}
        if kinds == {"whole"}:
            found["except"] = _short([text for _, text in self.unless])
        elif len(kinds) == 1:
            found["except"] = {kinds.pop(): _short([text for _, text in self.unless])}
        elif kinds:
            found["except"] = {"regex": [expression(key, text) for key, text in self.unless]}
        return found


# The value; one of these; whatever it is; there is none.
Wanted = str | tuple[str, ...] | bool | Value
_ANY: Final = Value(regex=("^",))


def takes(wanted: Wanted, value: str | None) -> bool:
    """Whether a request with this value meets it; ``None``: there is none."""
    if isinstance(wanted, bool):
        return (value is not None) == wanted
    if isinstance(wanted, Value):
        return wanted.takes(value)
    return value == wanted if isinstance(wanted, str) else value in wanted


def both(one: Wanted, two: Wanted) -> Wanted | None:
    """``None``: no value meets both.  Raises :class:`Inexpressible`."""
    if one == two:
        return one
    if isinstance(one, Value) and isinstance(two, Value):
        return _merged(one, two)
    for a, b in ((one, two), (two, one)):
        if a is False:
            return False if takes(b, None) else None
        if a is True:
            return b if not takes(b, None) else both(_ANY, b)
        if isinstance(a, str | tuple):
            texts = [text for text in ((a,) if isinstance(a, str) else a) if takes(b, text)]
            return None if not texts else _short(texts) if len(texts) == 1 else tuple(texts)
    return None


def _merged(one: Value, two: Value) -> Value | None:
    merged: dict[str, Any] = {"unless": tuple(sorted({*one.unless, *two.unless}))}
    patterns: list[str] = []  # of keys that both have
    for key in _KEYS:
        first, second = getattr(one, key), getattr(two, key)
        if first in ((), _ANY.regex) or second in ((), _ANY.regex, first):
            merged[key] = (second or first) if first in ((), _ANY.regex) else first
            continue
        text = two_patterns.both(*("|".join(expression(key, each) for each in texts) for texts in (first, second)))
        if text is None:
            return None
        merged[key], patterns = (), [*patterns, text]
    if patterns and merged["regex"]:
        patterns.append("|".join(merged["regex"]))
    if len(patterns) > 1:
        raise Inexpressible("a value has to match two patterns at once")
    if patterns:
        merged["regex"] = tuple(patterns)
    return Value(**merged)


def opposite(wanted: Wanted) -> Wanted:
    """Raises :class:`Inexpressible`."""
    if isinstance(wanted, bool):
        return not wanted
    if not isinstance(wanted, Value):
        return Value(unless=tuple(("whole", text) for text in ((wanted,) if isinstance(wanted, str) else wanted)))
    tests = wanted.tests()
    if len(tests) != 1 or wanted.unless:
        raise Inexpressible("the opposite of several tests of one value")
    return Value(unless=tuple((key, text) for key, texts in tests for text in texts))


def written(wanted: Wanted) -> Any:
    """As a configuration has it."""
    if isinstance(wanted, Value):
        return wanted.keys()
    return list(wanted) if isinstance(wanted, tuple) else wanted


def field_name(name: str) -> str:
    """As people write it, so that one field has one name."""
    return name.title() if name.islower() else name


def regular(text: str) -> str:
    """A regular expression that rsp takes.  Raises :class:`Inexpressible`."""
    try:
        return Pattern(text).text.decode()
    except ValueError as error:
        raise Inexpressible(f"rsp has regular expressions of RE2: {error}") from None


def expression(key: str, text: str) -> str:
    """A test as a regular expression."""
    if key == "regex":
        return text
    begin, end = "^" * (key in ("whole", "prefix")), "$" * (key in ("whole", "suffix"))
    return f"{begin}{escaped(text)}{end}"


def _short(texts: Any) -> Any:
    return texts[0] if len(texts) == 1 else list(texts)


def _passes(key: str, text: str, value: str) -> bool:
    try:
        return re.search(expression(key, text), value) is not None
    except re.error:
        raise Inexpressible("its regular expression is not one of RE2") from None
