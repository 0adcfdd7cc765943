"""Whether regular expressions match the same texts: decided for all texts, not tried with some.

This room knows the syntax trees of Python's parser, and nothing of what expressions are for.  An expression is searched
for anywhere in a text, which has no line feeds; ``^`` and ``$`` are the text's own ends.  What RE2 does not have is not
understood here either.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, wraps
from re import IGNORECASE, error
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, ParamSpec, TypeVar

from msgspec import Struct, field

_MOST: Final = 4000  # states, and sets of states
_WORK: Final = 300_000  # steps of one comparison
_ALL: Final = 12_000_000  # steps of all comparisons of an import: ten seconds on a slow machine
_KEPT: Final = 4000  # results of each function
_LETTERS: Final = 256
_EVERY: Final = ((1 << _LETTERS) - 1) & ~(1 << ord("\n"))  # no path has a line feed
_START, _END, _FREE = range(3)  # when a step that takes no letter is allowed
Items = Sequence[Any]  # pairs of a kind and its value, as Python's own parser has them
States = frozenset[int]
P = ParamSpec("P")
R = TypeVar("R")
_spent = [0]  # steps of this import


class TooMuch(Exception):
    """This expression is not understood, or too large."""


class Spent(TooMuch):
    """This import may compare no more."""


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Its results, and what was too much for it: neither is tried again."""

    def tried(*args: P.args, **kwargs: P.kwargs) -> tuple[R] | None:
        try:
            return (function(*args, **kwargs),)
        except Spent:
            raise
        except TooMuch:
            return None

    known: Any = lru_cache(_KEPT)(tried)

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        found: tuple[R] | None = known(*args, **kwargs)
        if found is None:
            raise TooMuch
        return found[0]

    return ask


def parsed(expression: str) -> Items:
    """Raises :class:`TooMuch`."""
    return _parsed(expression)[0]


def _parsed(expression: str) -> tuple[Items, bool]:
    """And whether all of it ignores case; the other flags are about line feeds, and for the parser."""
    try:
        tree = parser.parse(expression)
    except (error, OverflowError, RecursionError):
        raise TooMuch from None
    return list(tree), bool(tree.state.flags & IGNORECASE)


class Automaton(Struct, eq=False):
    """Of one expression: states with steps, for letters (sets of these, as bits) and without any.

    Sets of states that texts lead to are numbered as they are found, and what follows them is kept.
    """

    letters: list[list[tuple[int, int]]] = field(default_factory=list)
    free: list[list[tuple[int, int]]] = field(default_factory=list)
    end: int = 0
    sets: list[States] = field(default_factory=list)
    numbers: dict[States, int] = field(default_factory=dict)
    following: dict[tuple[int, int], int] = field(default_factory=dict)
    accepting: dict[int, bool] = field(default_factory=dict)

    def begin(self) -> int:
        return self._number(self._closed({0}, at_start=True))

    def next(self, number: int, letter: int) -> int:
        known = self.following.get((number, letter))
        if known is None:
            bit = 1 << letter
            found = {to for state in self.sets[number] for taken, to in self.letters[state] if taken & bit}
            known = self.following[number, letter] = self._number(self._closed(found, at_start=False))
        return known

    def accepts(self, number: int) -> bool:
        """Where the text ends."""
        known = self.accepting.get(number)
        if known is None:
            known = self.end in self._closed(set(self.sets[number]), at_start=False, at_end=True)
            self.accepting[number] = known
        return known

    def _number(self, states: States) -> int:
        if self.end in states:  # whatever follows is accepted, too
            states = frozenset((self.end,))
        if states not in self.numbers:
            if len(self.sets) >= _MOST:
                raise TooMuch
            self.numbers[states] = len(self.sets)
            self.sets.append(states)
        return self.numbers[states]

    def _closed(self, states: set[int], *, at_start: bool, at_end: bool = False) -> States:
        left = list(states)
        while left:
            for when, to in self.free[left.pop()]:
                if to not in states and (when == _FREE or (at_start if when == _START else at_end)):
                    states.add(to)
                    left.append(to)
        return frozenset(states)


@remembered
def automaton(expression: str, *, ignores_case: bool = False) -> Automaton:
    """Raises :class:`TooMuch`."""
    (items, says_so), made = _parsed(expression), Automaton()
    ignores_case = ignores_case or says_so
    first = _state(made)
    if [*items][:1] != [(kinds.AT, kinds.AT_BEGINNING)]:
        made.letters[first].append((_EVERY, first))  # it may begin anywhere
    inner = _state(made)
    made.free[first].append((_FREE, inner))
    last = _put(made, items, inner, ignores_case=ignores_case)
    made.letters[last].append((_EVERY, last))  # and whatever may follow
    made.end = last
    return made


def begin_import() -> None:
    """What earlier ones have spent counts no more."""
    _spent[0] = 0


def same(expected: Callable[[list[bool]], bool], automata: Sequence[Automaton], needed: int = 0) -> bool:
    """Whether ``expected`` holds of every text, given which of the automata accept it.

    ``needed``: texts that one of the first automata cannot accept are as expected.  Raises :class:`TooMuch`.
    """
    return all(map(expected, accepted(automata, needed=needed)))


def accepted(
    automata: Sequence[Automaton], start: str = "", *, needed: int = 0, most: int = _WORK
) -> Iterator[list[bool]]:
    """Which of the automata accept a text together, over all texts that begin with ``start``; often more than once.

    ``needed``: texts that one of the first automata cannot accept are left out; ``most``: states of all together.
    Raises :class:`TooMuch`.
    """
    if _spent[0] > _ALL:
        raise Spent
    letters = _different(automata)
    begin = tuple(each.begin() for each in automata)
    for letter in map(ord, start):
        begin = tuple(each.next(one, letter) for each, one in zip(automata, begin, strict=True))
    seen, left = {begin}, [begin]
    while left:
        _spent[0] += len(letters) * len(automata)
        states = left.pop()
        yield [each.accepts(one) for each, one in zip(automata, states, strict=True)]
        for letter in letters:
            following = tuple(each.next(one, letter) for each, one in zip(automata, states, strict=True))
            if following not in seen:
                seen.add(following)
                if all(each.sets[one] for each, one in zip(automata[:needed], following, strict=False)):
                    left.append(following)
        if len(seen) > most or len(seen) * len(letters) * len(automata) > _WORK:
            raise TooMuch


@remembered
def apart(*automata: Automaton) -> bool:
    """Whether no text is accepted by all of them.  Raises :class:`TooMuch`."""
    return same(lambda found: not all(found), automata, len(automata))


@remembered
def covers(one: Automaton, other: Automaton, *more: Automaton) -> bool:
    """Whether what both ``one`` and ``other`` accept is accepted by one of ``more``.  Raises :class:`TooMuch`."""
    return same(lambda found: not (found[0] and found[1]) or any(found[2:]), (one, other, *more), 2)


@remembered
def followed(first: Automaton, word: str) -> Automaton | None:
    """Of texts that ``first`` accepts and that end in a slash, with ``word`` behind it; ``None``: there are none.

    Raises :class:`TooMuch`.
    """
    made, found = Automaton(), False
    groups = _groups([first])
    states = {first.begin(): _state(made)}
    behind = _state(made)
    left = [*states]
    while left:
        number = left.pop()
        for letter, group in groups.items():
            following = first.next(number, letter)
            if following not in states:
                states[following] = _state(made)
                left.append(following)
            made.letters[states[number]].append((group, states[following]))
            if group >> ord("/") & 1 and first.accepts(following):
                made.letters[states[number]].append((1 << ord("/"), behind))
                found = True
    last = behind
    for each in word:
        last = _step(made, kinds.LITERAL, ord(each), last, ignores_case=False)
    made.end = _after(made, last, _END)
    return made if found else None


def _different(automata: Sequence[Automaton]) -> list[int]:
    """One letter for each group of letters that no automaton tells apart."""
    return [*_groups(automata)]


def _groups(automata: Sequence[Automaton]) -> dict[int, int]:
    """The first letter of each such group, and all of the group as bits."""
    groups = [_EVERY]
    for step in {step for each in automata for steps in each.letters for step, _ in steps}:
        groups = [part for group in groups for part in (group & step, group & ~step) if part]
    return {(group & -group).bit_length() - 1: group for group in groups}


def _state(made: Automaton) -> int:
    if len(made.letters) >= _MOST:
        raise TooMuch
    made.letters.append([])
    made.free.append([])
    return len(made.letters) - 1


def _put(made: Automaton, items: Items, state: int, *, ignores_case: bool) -> int:
    """Steps for ``items`` from ``state`` on; where they end."""
    for kind, value in items:
        state = _step(made, kind, value, state, ignores_case=ignores_case)
    return state


def _step(made: Automaton, kind: Any, value: Any, state: int, *, ignores_case: bool) -> int:
    if kind is kinds.SUBPATTERN:
        _, on, off, inner = value
        ignores_case = (ignores_case or bool(on & IGNORECASE)) and not off & IGNORECASE
        return _put(made, inner, state, ignores_case=ignores_case)
    if kind is kinds.BRANCH:
        last = _state(made)
        for each in value[1]:
            made.free[_put(made, each, _after(made, state), ignores_case=ignores_case)].append((_FREE, last))
        return last
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
        return _repeated(made, value, state, ignores_case=ignores_case)
    last = _state(made)
    if kind is kinds.AT:
        when = {kinds.AT_BEGINNING: _START, kinds.AT_END: _END}.get(value)
        if when is None:
            raise TooMuch
        made.free[state].append((when, last))
    else:
        made.letters[state].append((_set(kind, value, ignores_case=ignores_case), last))
    return last


def _after(made: Automaton, state: int, when: int = _FREE) -> int:
    last = _state(made)
    made.free[state].append((when, last))
    return last


def _repeated(made: Automaton, value: Any, state: int, *, ignores_case: bool) -> int:
    least, most, inner = value
    for _ in range(least):
        state = _put(made, inner, state, ignores_case=ignores_case)
    if most == kinds.MAXREPEAT:
        loop = _after(made, state)
        made.free[_put(made, inner, loop, ignores_case=ignores_case)].append((_FREE, loop))
        return _after(made, loop)
    last = _state(made)
    made.free[state].append((_FREE, last))
    for _ in range(most - least):
        state = _put(made, inner, state, ignores_case=ignores_case)
        made.free[state].append((_FREE, last))
    return last


def _set(kind: Any, value: Any, *, ignores_case: bool) -> int:
    """Of letters, as bits."""
    if kind is kinds.ANY:
        return _EVERY
    if kind is kinds.NOT_LITERAL:
        return _EVERY & ~_set(kinds.LITERAL, value, ignores_case=ignores_case)
    if kind is kinds.LITERAL:
        return _bits([chr(value)], ignores_case=ignores_case) & _EVERY
    if kind is not kinds.IN:
        raise TooMuch
    found, negated = 0, False
    for each, given in value:
        if each is kinds.NEGATE:
            negated = True
        elif each is kinds.LITERAL:
            found |= _bits([chr(given)], ignores_case=ignores_case)
        elif each is kinds.RANGE:
            found |= _bits(map(chr, range(given[0], min(given[1], _LETTERS - 1) + 1)), ignores_case=ignores_case)
        else:
            found |= _category(given)
    return _EVERY & (~found if negated else found)


def _bits(letters: "Iterator[str] | list[str] | map[str]", *, ignores_case: bool) -> int:
    found = 0
    for letter in letters:
        for each in {letter, letter.lower(), letter.upper()} if ignores_case and letter.isascii() else {letter}:
            if ord(each) >= _LETTERS:
                raise TooMuch
            found |= 1 << ord(each)
    return found


def _category(category: Any) -> int:
    """As RE2 has them: of ASCII."""
    letters = [chr(number) for number in range(128)]
    digits, spaces = [each for each in letters if each.isdigit()], list("\t\n\f\r ")
    words = [each for each in letters if each.isalnum() or each == "_"]
    positive = {kinds.CATEGORY_DIGIT: digits, kinds.CATEGORY_SPACE: spaces, kinds.CATEGORY_WORD: words}
    negative = {kinds.CATEGORY_NOT_DIGIT: digits, kinds.CATEGORY_NOT_SPACE: spaces, kinds.CATEGORY_NOT_WORD: words}
    if category in positive:
        return _bits(positive[category], ignores_case=False)
    if category in negative:
        return _EVERY & ~_bits(negative[category], ignores_case=False)
    raise TooMuch
