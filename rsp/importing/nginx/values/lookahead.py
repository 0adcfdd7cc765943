r"""``(?!``: RE2 does not look ahead, but what does not begin with a word can be spelt out.

``^/(?!api)(.*)$`` is ``^/((?:$|[^a]|a(?:$|[^p]|p(?:$|[^i]))).*)$``: words alone, before whatever comes then.
"""

import re
from itertools import product
from typing import Final

_AHEAD: Final = re.compile(
    r"(?P<before>.*?)\(\?!(?P<words>(?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\)"
    r"(?P<behind>(?:\(?/?\.[*+]\)?\$?)?|/?\.|/\(\.[*+]\)\$?)",
    re.DOTALL,
)
_PIECE: Final = re.compile(
    r"\((?:\?:)?(?P<inner>(?:[^()\\]|\\.)*)\)(?P<maybe>\?)?|(?P<letter>\\[/.\-_]|[\w/\-.])(?P<perhaps>\?)?|(?P<end>\$)"
)
_END: Final = "\0"  # of what is looked at
_ANY: Final = "\1"  # letter
_MOST: Final = 64  # words


def without_lookahead(text: str) -> str:
    """An expression that matches the same, with the same groups; ``text`` itself where there is none."""
    text = re.sub(r"\(\?!(?!/)[\w.\-]+\)(?=\)+/)", "", text)  # a slash follows: it says nothing
    match = _AHEAD.fullmatch(text)
    words = _words(match["words"]) if match is not None else None
    if match is None or not words or "(?!" in match["before"]:
        return text
    if any(_END in word[:-1] or word in ("", _END) for word in words):
        return text
    groups = len(re.findall(r"(?<!\\)\((?!\?)", match["words"]))  # which nothing is ever in
    before, behind = match["before"] + "()" * groups, match["behind"]
    if "/" in behind:  # `(?!/api)/(.*)`
        start = behind.index("/")
        if behind[:start] not in ("", "("):
            return text
        words = [word[1:] for word in words if word.startswith("/")]
        if "" in words or behind[:start] == "(":
            return text
        before, behind = f"{before}/", behind[1:]
        if not words:
            return f"{before}{behind}"
    if not behind:
        return before + _other_than(words)
    opening, closing = ("(", ")") if behind.startswith("(") else ("", "")
    last = "$" if behind.endswith("$") else ""
    if "*" in behind:
        return f"{before}{opening}{_other_than(words)}.*{closing}{last}"
    return f"{before}{opening}{_other_than(words, '')}{'.*' if '+' in behind else ''}{closing}{last}"


def spelt(text: str, *, needs_groups: bool = True) -> str:
    """The same of look-aheads at any place, behind which anything may come; ``text`` itself where there are others.

    ``needs_groups``: they have what they had; else groups around may have more than that.
    """
    said = without_lookahead(text)
    while (start := said.find("(?!")) >= 0:
        end = _end(said, start)
        word = _tokens(said[start + 3 : end - 1])
        free = _is_free(said, end)
        if not word or free is None or (needs_groups and not free) or said[start - 1 : start] == "\\":
            return text
        said = said[:start] + _other_than_one(word) + said[end:]
    return said


def _end(text: str, start: int) -> int:
    """Behind the parenthesis that closes the one at ``start``."""
    depth = 0
    for piece in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", text[start:]):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if depth == 0:
            return start + piece.end()
    return len(text)


def _tokens(text: str) -> list[str]:
    """One word of letters and classes; empty: it is more than that."""
    found = re.findall(r"\\[./\-_d]|\[[\w\-]+\]|[\w/\-]", text)
    return ["[0-9]" if each == r"\d" else each for each in found] if "".join(found) == text else []


def _other_than_one(word: list[str]) -> str:
    first, *rest = word
    inside = first[1:-1] if first.startswith("[") else first.replace("\\", "").replace("-", "\\-")
    more = f"|{first}{_other_than_one(rest)}" if rest else ""
    return f"(?:$|[^{inside}]{more})"


def _is_free(text: str, at: int) -> bool | None:
    """Whether anything may come behind this place, before a group ends; ``None``: not anything may come at all."""
    is_inside, is_anything = True, False
    while at < len(text):
        if text.startswith(".*", at):
            is_anything = True
            at += 3 if text[at + 2 : at + 3] == "?" else 2
        elif text[at] == "|":
            at = _end(f"({text[at:]}", 0) + at - 2 if ")" in text[at:] else len(text)
        elif text[at] == ")" and text[at + 1 : at + 2] not in ("*", "+", "?", "{"):
            is_inside = is_inside and is_anything
            at += 1
        elif text[at] == "$" and is_anything:
            at += 1
        else:
            return None
    return is_inside


def refusing(text: str) -> tuple[str, str] | None:
    """Of ``^/(?!index|remote)``, which has nothing behind: what has to match, and what must not."""
    match = re.fullmatch(r"(?P<before>\^(?:[\w/\-]|\\[./\-])*)\(\?!(?P<words>.*)\)", text, re.DOTALL)
    if match is None or re.search(r"\(\?[!=<]", match["words"]):
        return None
    inside = match["words"]
    depth = 0
    for letter in re.sub(r"\\.|\[[^\]]*\]", "", inside):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return None
    return match["before"], f"{match['before']}(?:{inside})"


def _words(text: str) -> list[str] | None:
    """All that ``(api|static)(/|$)`` stands for; ``None``: it is more than words."""
    found: list[str] = []
    for alternative in _alternatives(text):
        each = _spelt(alternative)
        if each is None or len(found) + len(each) > _MOST:
            return None
        found += each
    return found


def _spelt(alternative: str) -> list[str] | None:
    choices: list[list[str]] = []
    at = 0
    while at < len(alternative):
        piece = _PIECE.match(alternative, at)
        if piece is None:
            return None
        at = piece.end()
        if piece["end"]:
            choices.append([_END])
        elif piece["letter"]:
            letter = _ANY if piece["letter"] == "." else piece["letter"][-1]
            choices.append(([""] if piece["perhaps"] else []) + [letter])
        else:
            inner = _words(piece["inner"])
            if inner is None:
                return None
            choices.append(([""] if piece["maybe"] else []) + inner)
    words = ["".join(each) for each in product(*choices)]
    return words if len(words) <= _MOST else None


def _alternatives(text: str) -> list[str]:
    """What ``|`` stands between, outside of groups."""
    found = [""]
    for piece in re.findall(r"\\.|\((?:[^()\\]|\\.)*\)|.", text, re.DOTALL):
        if piece == "|":
            found.append("")
        else:
            found[-1] += piece
    return found


def _other_than(words: list[str], end: str = "$") -> str:
    """What begins with none of ``words``.  ``end``: empty where it is not empty."""
    following: dict[str, list[str]] = {}
    for word in words:
        following.setdefault(word[0], []).append(word[1:])
    others = [end] if end and _END not in following else []
    following.pop(_END, None)
    behind_any = following.pop(_ANY, [])
    listed = "".join(re.escape(letter) if letter in "-]^\\" else letter for letter in following)
    if "" not in behind_any:
        others.append((f"[^{listed}]" if listed else ".") + (_other_than(behind_any) if behind_any else ""))
        for letter, rest in following.items():
            if "" not in rest:
                others.append(re.escape(letter).replace("\\/", "/") + _other_than([*rest, *behind_any]))
    return f"(?:{'|'.join(others)})"
