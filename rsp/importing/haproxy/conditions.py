"""ACLs and what stands behind ``if`` and ``unless``: conditions of routes, or the reason why there are none."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rsp.importing.haproxy.patterns import Patterns
from rsp.importing.haproxy.samples import Samples
from rsp.importing.haproxy.sections import Line
from rsp.importing.haproxy.variables import AFTER, Variables
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, neither

_PREDEFINED: Final[dict[str, list[str]]] = {
    "TRUE": ["always_true"],
    "FALSE": ["always_false"],
    "HTTP": ["always_true"],
    "METH_GET": ["method", "GET", "HEAD"],
    "LOCALHOST": ["src", "127.0.0.1/8", "::1"],
    "HTTP_1.1": ["always_true"],
    **{f"METH_{name}": ["method", name] for name in ("CONNECT", "DELETE", "HEAD", "OPTIONS", "POST", "PUT", "TRACE")},
}
_FETCH: Final = re.compile(r"(?P<name>[\w.]+)(?:\((?P<argument>[^)]*)\))?(?P<converters>(?:,[\w.]+(?:\([^)]*\))?)*)")
_WAYS: Final = ("beg", "end", "sub", "dir", "dom", "reg", "len", "str", "found", "ip", "int", "bool", "bin")
_LACKING: Final = frozenset(("lt", "le", "ne", "0", "false"))
_VARIABLE: Final = re.compile(r"var\(([\w.]+)\)")
MAP: Final = re.compile(
    r"(?P<before>[^\[\]]+?),map(?:_(?P<way>\w+))?\((?P<file>[^(),]+)(?:,(?P<default>[^()]*))?\)(?P<behind>.*)"
)
_KNOWN_LATER: Final = ("src", "ssl_", "dst", "fc_", "always_", "http_auth", "sc", "var", "res.", "status")
_NEUTRAL: Final = frozenset(("", ",lower", ",field(1,:)", ",word(1,:)", ",host_only", ",lower,field(1,:)"))


class Literal(Struct, frozen=True):
    """One of ``any`` has to hold, or with ``negative`` none; ``unknown``: it may hold or not."""

    any: tuple[Condition, ...]
    negative: bool = False
    unknown: bool = False


class Alternative(Struct):
    """``condition`` has to hold, and none of ``unless``."""

    any: list[Condition]
    unless: list[Condition]


class Acls:
    """The ACLs of a section.  ``listeners``: its addresses that speak TLS, and its others."""

    def __init__(
        self,
        secure: frozenset[str],
        plain: frozenset[str],
        ports: dict[str, str],
        patterns: Patterns,
        variables: Variables,
    ) -> None:
        self.samples = Samples(secure, plain, ports)
        self.patterns = patterns
        self.variables = variables
        self.place = AFTER  # of the line whose conditions are asked for, among those of the section
        self.response = False  # whether it is a rule for responses
        self._kept = False  # whether a variable has kept what is asked for
        self._named: dict[str, list[list[str]]] = {}

    def define(self, line: Line) -> None:
        if len(line.words) >= 3:
            self._named.setdefault(line.words[1], []).append(line.words[2:])

    def alternatives(self, words: Sequence[str], wide: bool = False) -> list[Alternative]:
        """What ``if A B || C`` asks for; no words: everything.  Raises :class:`Inexpressible`.

        ``wide``: what cannot be said is left out, so that the result holds for more requests.
        """
        if not words:
            return [Alternative([ALL], [])]
        if words[0] not in ("if", "unless"):
            raise Inexpressible(f'"{words[0]}" is not understood')
        terms = self._terms(words[1:], wide)
        if words[0] == "unless":
            terms = _negated(terms)
        every = self.samples.secure | self.samples.plain
        return [found for term in terms if (found := _alternative(term, every)) is not None]

    def lets_through(self, words: Sequence[str]) -> bool:
        """Whether a rule with this condition keeps out all clients but some."""
        tests = [test for word in words for test in self._named.get(word.lstrip("!"), ())]
        every = [*words, *(word for test in tests for word in test)]
        return "unless" in words or any(
            word.startswith("!") or word in _LACKING or ",not" in word or "(?!" in word for word in every
        )

    def _terms(self, words: Sequence[str], wide: bool) -> list[list[Literal]]:
        terms: list[list[Literal]] = [[]]
        index = 0
        while index < len(words):
            word = words[index]
            index += 1
            if word in ("or", "||"):
                terms.append([])
                continue
            negative = False
            while word.startswith("!"):
                negative = not negative
                word = word[1:]
                if not word and index < len(words):
                    word = words[index]
                    index += 1
            begin = index
            if word == "{":
                index = begin + [*words[begin:], "}"].index("}") + 1
            try:
                found = self.test(list(words[begin : index - 1])) if word == "{" else self._name(word)
                marked = any(split_marker(each)[1] is not None for each in found)
                terms[-1].append(Literal(tuple(found), negative, wide and marked))
            except Inexpressible:
                if not wide:
                    raise
                terms[-1].append(Literal((), negative, True))
        return terms

    def _name(self, name: str) -> list[Condition]:
        tests = self._named.get(name) or ([_PREDEFINED[name]] if name in _PREDEFINED else None)
        if tests is None:
            raise Inexpressible(f'the acl "{name}" is not defined')
        return [condition for test in tests for condition in self.test(test)]

    def test(self, words: list[str]) -> list[Condition]:
        """The alternatives of one test: ``path_beg /a /b``.  Raises :class:`Inexpressible`."""
        if not words:
            raise Inexpressible("an empty condition")
        if (found := self._computed(words)) is not None:
            return found
        match = _FETCH.fullmatch(words[0])
        if match is None:
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        name, argument = match["name"].removeprefix("req."), match["argument"]
        if self.response and not self._kept and not name.startswith(_KNOWN_LATER):
            raise Inexpressible("what a response's rule says of the request is not known there any more")
        fold, way, values = self._flags(words[1:])
        base, dash, suffix = name.rpartition("_")
        if dash and suffix in _WAYS and base in ("path", "url", "hdr", "base", "cook", "fhdr", "urlp"):
            name, way = base, way or suffix
        converters = match["converters"]
        if ",lower" in converters:
            fold = True
        if name in ("hdr", "fhdr") and (argument or "").split(",")[0].lower() == "host":
            if converters not in _NEUTRAL and not re.fullmatch(
                r"(,(lower|host_only|(field|word)\(1,:\)))*", converters
            ):
                raise Inexpressible(f'rsp has no condition for "{words[0]}"')
            return self.samples.hosts(values, way)
        if converters not in ("", ",lower"):
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        return self.samples.conditions(name, argument, way, fold, values, words[0])

    def _computed(self, words: list[str]) -> list[Condition] | None:
        """A test of a variable, or of what a map says; ``None``: it is another."""
        meant = self.meant(words[0])
        if (match := MAP.fullmatch(meant)) is not None and not match["behind"]:
            return self._mapped(match, words)
        if meant != words[0]:
            kept, self._kept = self._kept, True
            try:
                return self.test([meant, *words[1:]])
            finally:
                self._kept = kept
        if (variable := _VARIABLE.fullmatch(words[0])) is None:
            return None
        _, way, values = self._flags(words[1:])
        conditions = self.variables.conditions(variable[1], way, values, self.place, response=self.response)
        if conditions is None:
            self.variables.sample(variable[1], self.place, response=self.response)  # says why
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        found: list[Condition] = []
        for inner, changed in conditions:
            kept, self._kept = self._kept, True
            try:
                alternatives = self.alternatives(inner)
            finally:
                self._kept = kept
            if any(alternative.unless for alternative in alternatives):
                raise Inexpressible("a variable that is set under such a condition")
            held = [condition for alternative in alternatives for condition in alternative.any]
            if any(
                (one.path and "path" in changed) or changed & {name.lower() for name, _ in one.headers} for one in held
            ):
                raise Inexpressible(f"what {variable[1]} depends on is changed since")
            found += held
        return found

    def meant(self, sample: str) -> str:
        """With what it was set to in the place of a variable.  Raises :class:`Inexpressible`."""
        match = _VARIABLE.match(sample)
        if match is None or self.variables.is_text(match[1]):
            return sample
        try:
            return self.variables.sample(match[1], self.place, response=self.response) + sample[match.end() :]
        except Inexpressible:
            if _VARIABLE.fullmatch(sample) is not None:
                return sample  # it may be one of several constants
            raise

    def _mapped(self, match: "re.Match[str]", words: list[str]) -> list[Condition]:
        """The keys of the map that have what is asked for."""
        _, way, values = self._flags(words[1:])
        kind = match["way"] or "str"
        pairs = self.patterns.pairs(match["file"])
        if match["default"] is not None or way not in ("found", "", "str", "bool"):
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        wanted = ("1", "true", "yes", "on") if way == "bool" else tuple(values)
        keys = [key for key, value in pairs if way == "found" or value in wanted]
        if len(keys) < len(pairs) and kind != "str":
            raise Inexpressible("a map whose keys overlap is asked for one of its values")
        return self.test([match["before"], *(["-m", kind] if kind != "ip" else []), *keys]) if keys else []

    def _flags(self, words: list[str]) -> tuple[bool, str, list[str]]:
        fold, way = False, ""
        lines: list[str] = []  # of files
        read = self.patterns.keys if "-M" in words else self.patterns.lines
        index = 0
        while index < len(words) and words[index].startswith("-"):
            word = words[index]
            index += 1
            if word == "-i":
                fold = True
            elif word == "-m" and index < len(words):
                way = words[index]
                index += 1
            elif word == "--":
                break
            elif word in ("-n", "-M"):
                continue
            elif word == "-f" and index < len(words):
                lines += read(words[index])
                index += 1
            elif word == "-u":
                index += 1
            else:
                raise Inexpressible(f"the flag {word} is not understood")
        return fold, way, lines + words[index:]


def split_marker(condition: Condition) -> tuple[Condition, tuple[str, str] | None]:
    """The condition without its marker, and that."""
    markers = [(name, str(value)) for name, value in condition.headers if name.startswith("\0")]
    if len(markers) > 1:
        raise Inexpressible("several counters at once")
    rest = tuple(pair for pair in condition.headers if not pair[0].startswith("\0"))
    return condition.without("headers") if not rest else replace(condition, headers=rest), (
        markers[0] if markers else None
    )


def _negated(terms: list[list[Literal]]) -> list[list[Literal]]:
    """Not (A B or C): (not A or not B) and not C, as alternatives again."""
    found: list[list[Literal]] = [[]]
    for term in terms:
        found = [[*had, Literal(each.any, not each.negative, each.unknown)] for had in found for each in term]
    return found


def _alternative(term: list[Literal], every: frozenset[str]) -> Alternative | None:
    """``None``: it never holds."""
    any = [ALL]
    unless: list[Condition] = []
    for literal in term:
        if literal.unknown:
            continue
        if (
            literal.negative
            and literal.any
            and all(each == Condition(listeners=each.listeners) for each in literal.any)
        ):
            rest = Condition(listeners=every.difference(*(each.listeners or every for each in literal.any)))
            any = [both for one in any if (both := one.both(rest)) is not None]
        elif literal.negative and (other := neither(literal.any)) is not None:
            any = [both for one in any if (both := one.both(other)) is not None]
        elif literal.negative:
            unless += literal.any
        else:
            any = [both for one in any for two in literal.any if (both := one.both(two)) is not None]
    if not any or ALL in unless:
        return None
    return Alternative(any, unless)
