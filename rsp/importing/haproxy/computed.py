"""What a line computes from the request, as one line for each value: maps, and names of backends."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from rsp.importing.haproxy.conditions import MAP, Acls
from rsp.importing.ordered.condition import Condition, Inexpressible

_ITEM: Final = re.compile(r"%\[((?:[^\[\]]|\[[^\]]*\])*)\]")
_WAYS: Final = frozenset(("str", "end", "sub", "dir", "dom", "reg"))
_FIRST_SEGMENT: Final = re.compile(r"path,(?:field\(2,/\)|word\(1,/\))(?:,lower)?")
_FIRST_LABEL: Final = re.compile(r"(?:req\.)?f?hdr\(host\)(?:,lower)?,(?:field|word)\(1,\.\)(?:,lower)?", re.IGNORECASE)


class Variant(Struct):
    """The words, where one of ``any`` holds and none of ``unless``."""

    any: list[Condition]
    unless: list[Condition]
    words: list[str]


def has_map(acls: Acls, words: Sequence[str]) -> bool:
    """Raises :class:`Inexpressible`."""
    return any(MAP.fullmatch(acls.meant(item[1])) for word in words for item in _ITEM.finditer(word))


def variants(acls: Acls, words: Sequence[str]) -> list[Variant]:
    """The words for each value of their map, the first that holds first.  Raises :class:`Inexpressible`."""
    for index, word in enumerate(words):
        for item in _ITEM.finditer(word):
            match = MAP.fullmatch(acls.meant(item[1]))
            if match is None:
                continue
            found: list[Variant] = []
            earlier: list[Condition] = []
            for conditions, value in _of_map(acls, match):
                text = word[: item.start()] + value + word[item.end() :]
                if MAP.search(text[item.start() :]):
                    raise Inexpressible("two maps in one text")
                found.append(Variant(conditions, list(earlier), [*words[:index], text, *words[index + 1 :]]))
                earlier += conditions
            rest = word[: item.start()] + (match["default"] or "") + word[item.end() :]
            found.append(Variant([Condition()], earlier, [*words[:index], rest, *words[index + 1 :]]))
            return found
    return [Variant([Condition()], [], list(words))]


def _of_map(acls: Acls, match: "re.Match[str]") -> Iterable[tuple[list[Condition], str]]:
    if match["behind"]:
        raise Inexpressible(f"rsp does not change what a map says: {match['behind'].lstrip(',')}")
    way = match["way"] or "str"
    pairs = acls.patterns.pairs(match["file"])
    if any("%" in value for _, value in pairs):
        raise Inexpressible("a value of the map has a %")
    if way == "beg":  # the longest wins
        pairs.sort(key=lambda pair: -len(pair[0]))
    elif way == "ip":
        pairs.sort(key=lambda pair: -int(pair[0].partition("/")[2] or 128))
    elif way not in _WAYS:
        raise Inexpressible(f"rsp has no map_{way}")
    grouped: list[tuple[list[str], str]] = []
    for key, value in pairs:
        same = next((keys for keys, had in grouped if had == value), None) if way == "str" else None
        if same is None and grouped and grouped[-1][1] == value and way != "str":
            same = grouped[-1][0]
        if same is None:
            grouped.append(([key], value))
        else:
            same.append(key)
    for keys, value in grouped:
        yield acls.test([match["before"], *(["-m", way] if way != "ip" else []), *keys]), value


def backends(acls: Acls, text: str, names: Iterable[str]) -> list[tuple[list[Condition], str]]:
    """Which backend ``use_backend TEXT`` chooses, and when.  Raises :class:`Inexpressible`."""
    items = list(_ITEM.finditer(text))
    if len(items) != 1:
        raise Inexpressible("the backend's name is computed of several parts")
    sample = acls.meant(items[0][1])
    before, behind = text[: items[0].start()], text[items[0].end() :]
    parts = {
        name[len(before) : len(name) - len(behind)]: name
        for name in names
        if name.startswith(before) and name.endswith(behind) and len(name) > len(before) + len(behind)
    }
    found: list[tuple[list[Condition], str]] = []
    for part, name in parts.items():
        if _FIRST_SEGMENT.fullmatch(sample):
            if "/" not in part:
                found.append((acls.test(["path", f"/{part}"]) + acls.test(["path_beg", f"/{part}/"]), name))
        elif _FIRST_LABEL.fullmatch(sample):
            if "." not in part:
                found.append((acls.test(["hdr(host)", part]) + acls.test(["hdr_beg(host)", f"{part}."]), name))
        else:
            found.append((acls.test([sample, "-m", "str", part]), name))
    return found
