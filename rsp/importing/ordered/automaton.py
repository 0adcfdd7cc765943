"""Two regular expressions at once: whether one is found wherever the other is, in no text together, or what says both.

Routes have one expression, and RE2 has no lookahead.  Expressions become automata over bytes, which walk side by side
over all texts.  What says both is written as a person would (one, anything, the other), and proven by such a walk.
Texts are without line breaks; expressions are searched, not matched from the start.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from rsp.importing.ordered.inexpressible import Inexpressible, escaped

_ALL: Final = frozenset(range(256)) - {10}
_MOST: Final = 1000  # states of a walk
_WALKS: Final = 200  # for two expressions and their alternatives
_PLACES: Final = 3000  # of one automaton
_REMEMBERED: Final = 10_000  # steps of one automaton
_REPEATED: Final = 100  # times
_CATEGORIES: Final = {
    "DIGIT": frozenset(b"0123456789"),
    "SPACE": frozenset(b" \t\r\f"),
    "WORD": frozenset(b"0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
}
_FAILS: Final = "a path or a value has to match two patterns at once"
_GROUP: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P<\w+>")

_CHOICE: Final = re.compile(r"(?<!\\)\((?:\?:)?(?P<inner>(?:\\.|[^()\[\]\\])*\|(?:\\.|[^()\[\]\\])*)\)(?![*+?{])")
_CHOICES: Final = 60
_SIGN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]")
_PLAIN: Final = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[^\w])*")
_SEGMENT: Final = "^/[^/]*"

Places = frozenset[int]


def both(one: str, two: str, start: str = "", *, walks: Iterator[int] | None = None) -> str | None:
    """One of the two, or a third, that is found where both are; ``None``: nowhere.  Raises :class:`Inexpressible`.

    ``start``: what every text begins with; ``walks``: one for each that may still be made.
    """
    walks = iter(range(_WALKS)) if walks is None else walks
    if next(walks, None) is None:
        raise Inexpressible(_FAILS)
    found = _walk([one, two], start)
    if (True, True) not in found:
        return None
    if (True, False) not in found:
        return _kept(one, two)
    if (False, True) not in found:
        return _kept(two, one)
    a, b = _within_another(_kept(one, two)), _within_another(_kept(two, one))
    inside = [
        f"{begin}{x}[^/]*{y.removeprefix(_SEGMENT)}"
        for x, y in ((a, b), (b, a))
        for begin in ("", _SEGMENT)
        if y.startswith(_SEGMENT)
    ]
    for text in (f"{a}.*{b}", f"{b}.*{a}", f"{a}.*{b}|{b}.*{a}", *inside, *_sharing(one, two), *_sharing(two, one)):
        if all(at[0] == (at[1] and at[2]) for at in _walk([text, one, two], start)):
            return text
    return _by_alternatives(one, two, start, walks) or _by_alternatives(two, one, start, walks) or _fail()


def _kept(kept: str, other: str) -> str:
    """Numbers of groups would be those of another expression, if both have some; then there are none."""
    return _without_groups(kept) if kept != other and _without_groups(other) != other else kept


def _without_groups(text: str) -> str:
    return _GROUP.sub(lambda match: "(?:" if match[0] == "(" or match[0].startswith("(?P<") else match[0], text)


def _sharing(one: str, two: str) -> Iterable[str]:
    """A beginning and an end, which may have characters in common: ``^/api/`` and ``/x$``."""
    if _PLAIN.fullmatch(one.removeprefix("^")) is None or not one.startswith("^"):
        return
    if _PLAIN.fullmatch(two.removesuffix("$")) is None or not two.endswith("$"):
        return
    begin, end = (re.sub(r"\\(.)", r"\1", each) for each in (one[1:], two[:-1]))
    shared = [size for size in range(1, min(len(begin), len(end)) + 1) if begin.endswith(end[:size])]
    if shared:
        short = "|".join(f"^{escaped(begin + end[size:])}$" for size in shared)
        yield f"{one}.*{two}|{short}"


def _by_alternatives(one: str, two: str, start: str, walks: Iterator[int]) -> str | None:
    """``\\.(css|js)$`` is each of its alternatives, of which some may be all of ``two``, and others nothing of it."""
    if _has_branch(one) and not one.startswith("(?i)"):
        one = f"(?:{one})"
    match = _CHOICE.search(one)
    if match is None or one.count("|") > _CHOICES:
        return None
    before, behind = one[: match.start()], one[match.end() :]
    kept: list[str] = []
    for each in match["inner"].split("|"):
        alone = f"{before}{each}{behind}"
        try:
            found = both(alone, two, start, walks=walks)
        except Inexpressible:
            return None
        if found == alone:
            kept.append(each)
        elif found is not None:
            return None
    if not before and not behind:
        return "|".join(kept)
    return f"{before}{kept[0] if len(kept) == 1 else f'(?:{chr(124).join(kept)})'}{behind}"


def _fail() -> str:
    raise Inexpressible(_FAILS)


def _within_another(text: str) -> str:
    """With its flag for itself, and its alternatives."""
    text = text.removesuffix(".*")
    plain = text.removeprefix("(?i)")
    if plain != text:
        return f"(?i:{plain})"
    return f"(?:{text})" if _has_branch(text) else text


def _has_branch(text: str) -> bool:
    """Whether it has alternatives outside of groups."""
    depth = 0
    for match in _SIGN.finditer(text):
        depth += (match[0] == "(") - (match[0] == ")")
        if match[0] == "|" and not depth:
            return True
    return False


def _walk(expressions: Sequence[str], start: str) -> set[tuple[bool, ...]]:
    """Which of them are found together, over all texts that begin so.  Raises :class:`Inexpressible`."""
    try:
        automata = [_automaton(each) for each in expressions]
    except (re.error, ValueError, KeyError, OverflowError):
        raise Inexpressible(_FAILS) from None
    letters = [min(each) for each in _classes({sign for each in automata for sign in each.sets()})]
    state = tuple(each.closure([each.begin], "^") for each in automata)
    for byte in start.encode():
        state = tuple(each.step(at, byte) for each, at in zip(automata, state, strict=True))
    known = {state}
    rest = [state]
    while rest:
        state = rest.pop()
        for byte in letters:
            following = tuple(each.step(at, byte) for each, at in zip(automata, state, strict=True))
            if following not in known:
                known.add(following)
                rest.append(following)
        if len(known) > _MOST:
            raise Inexpressible(_FAILS)
    return {tuple(each.accepts(at) for each, at in zip(automata, state, strict=True)) for state in known}


def _classes(sets: Iterable[Places]) -> list[Places]:
    """Bytes that no set tells apart."""
    found = [_ALL]
    for each in sets:
        found = [part for had in found for part in (had & each, had - each) if part]
    return found


@lru_cache(maxsize=64)
def _automaton(expression: str) -> "_Automaton":
    return _Automaton(expression)


class _Automaton:
    """Edges lead from a place to others: for a set of bytes, for nothing, at the beginning (``^``), at the end (``$``).

    Raises :class:`ValueError` for what RE2, or this, does not have.
    """

    def __init__(self, expression: str) -> None:
        self.edges: list[list[tuple[Places | str, int]]] = []
        self._steps: dict[tuple[Places, int], Places] = {}
        begin, self.last = self._place(), self._place()
        self.edges[begin].append((_ALL, begin))
        self.edges[self.last].append((_ALL, self.last))
        self.begin = begin
        parsed = parser.parse(expression.encode().decode("latin-1"))
        fold = bool(parsed.state.flags & re.IGNORECASE)
        if parsed.state.flags & (re.MULTILINE | re.VERBOSE | re.DOTALL):
            raise ValueError(expression)
        self._sequence(parsed, begin, self.last, fold)

    def _place(self) -> int:
        if len(self.edges) == _PLACES:
            raise ValueError("it is too long")
        self.edges.append([])
        return len(self.edges) - 1

    def _sequence(self, items: Iterable[Any], begin: int, end: int, fold: bool) -> None:
        at = begin
        for item in items:
            following = self._place()
            self._item(str(item[0]), item[1], at, following, fold)
            at = following
        self.edges[at].append(("", end))

    def _item(self, kind: str, what: Any, begin: int, end: int, fold: bool) -> None:
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            self.edges[begin].append((_bytes(kind, what, fold), end))
        elif kind == "BRANCH":
            for each in what[1]:
                self._sequence(each, begin, end, fold)
        elif kind == "SUBPATTERN":
            added, removed = what[1], what[2]
            self._sequence(what[3], begin, end, (fold or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE)
        elif kind in ("MAX_REPEAT", "MIN_REPEAT"):
            self._repeat(what[0], what[1], what[2], begin, end, fold)
        elif kind == "AT":
            self.edges[begin].append(({"AT_BEGINNING": "^", "AT_END": "$"}[str(what)], end))
        else:
            raise ValueError(kind)

    def _repeat(self, least: int, most: Any, what: Any, begin: int, end: int, fold: bool) -> None:
        endless = most is parser.MAXREPEAT
        if max(least, 0 if endless else most) > _REPEATED:
            raise ValueError("it repeats too often")
        at = begin
        for _ in range(least):
            following = self._place()
            self._sequence(what, at, following, fold)
            at = following
        if endless:
            loop = self._place()
            self.edges[at].append(("", loop))
            self._sequence(what, loop, loop, fold)
            self.edges[loop].append(("", end))
            return
        for _ in range(most - least):
            self.edges[at].append(("", end))
            following = self._place()
            self._sequence(what, at, following, fold)
            at = following
        self.edges[at].append(("", end))

    def closure(self, places: Iterable[int], *signs: str) -> Places:
        found = set(places)
        rest = list(found)
        while rest:
            for sign, to in self.edges[rest.pop()]:
                if (sign == "" or sign in signs) and to not in found:
                    found.add(to)
                    rest.append(to)
        return frozenset({self.last}) if self.last in found else frozenset(found)  # once found, found for good

    def step(self, places: Places, byte: int) -> Places:
        known = self._steps.get((places, byte))
        if known is None:
            edges = (edge for at in places for edge in self.edges[at])
            known = self.closure({to for sign, to in edges if not isinstance(sign, str) and byte in sign})
            if len(self._steps) < _REMEMBERED:
                self._steps[places, byte] = known
        return known

    def accepts(self, places: Places) -> bool:
        return self.last in self.closure(places, "$")

    def sets(self) -> set[Places]:
        return {sign for edges in self.edges for sign, _ in edges if isinstance(sign, frozenset)}


def _bytes(kind: str, what: Any, fold: bool) -> Places:
    if kind == "ANY":
        return _ALL
    found: set[int] = set()
    negative = kind == "NOT_LITERAL"
    for name, value in what if kind == "IN" else [("LITERAL", what)]:
        if str(name) == "LITERAL":
            found.add(value)
        elif str(name) == "RANGE":
            found |= set(range(value[0], value[1] + 1))
        elif str(name) == "NEGATE":
            negative = True
        else:
            word = str(value).removeprefix("CATEGORY_")
            found |= _ALL - _CATEGORIES[word[4:]] if word.startswith("NOT_") else _CATEGORIES[word]
    if fold:
        found |= {ord(other) for each in found if each < 128 for other in (chr(each).upper(), chr(each).lower())}
    return frozenset(_ALL - found if negative else _ALL & found)
