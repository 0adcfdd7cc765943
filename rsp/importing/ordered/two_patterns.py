"""Two regular expressions at once: whether one is found wherever the other is, in no text together, or what says both.

Routes have one expression, and RE2 has no lookahead.  What says both is written as a person would (one, anything, the
other), and proven for all texts by their automata.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rsp.importing.automata import TooMuch, accepted, automaton
from rsp.importing.ordered.inexpressible import Inexpressible, escaped

_MOST: Final = 1000  # states of a walk
_WALKS: Final = 200  # for two expressions and their alternatives
_FAILS: Final = "a path or a value has to match two patterns at once"
_GROUP: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P<\w+>")

_CHOICE: Final = re.compile(r"(?<!\\)\((?:\?:)?(?P<inner>(?:\\.|[^()\[\]\\])*\|(?:\\.|[^()\[\]\\])*)\)(?![*+?{])")
_CHOICES: Final = 60
_SIGN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]")
_PLAIN: Final = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[^\w])*")
_SEGMENT: Final = "^/[^/]*"


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
        automata = [automaton(each.encode().decode("latin-1")) for each in expressions]  # of bytes
        return {tuple(each) for each in accepted(automata, start, most=_MOST)}
    except TooMuch:
        raise Inexpressible(_FAILS) from None
