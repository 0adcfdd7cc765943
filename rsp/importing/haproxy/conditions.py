"""ACLs and what stands behind ``if`` and ``unless``: conditions of routes, or the reason why there are none."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rsp.importing.haproxy.sections import Line
from rsp.importing.haproxy.texts import of_parts, of_whole
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path, neither, of_path
from rsp.importing.ordered.value import Wanted, escaped, field_name

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
_PORT: Final = re.compile(r":[0-9]+$")
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

    def __init__(self, secure: frozenset[str], plain: frozenset[str], ports: dict[str, str]) -> None:
        self.secure = secure
        self.plain = plain
        self.ports = ports
        self._named: dict[str, list[list[str]]] = {}
        self.notes: dict[str, None] = {}
        self.inexact: dict[str, None] = {}  # what the conditions asked for so far do not say as HAProxy does
        self.strict = False  # for rules that keep clients out: patterns in the place of texts, but exact

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
        every = self.secure | self.plain
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
                found = self._test(list(words[begin : index - 1])) if word == "{" else self._name(word)
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
        return [condition for test in tests for condition in self._test(test)]

    def _test(self, words: list[str]) -> list[Condition]:
        """The alternatives of one test: ``path_beg /a /b``."""
        if not words:
            raise Inexpressible("an empty condition")
        match = _FETCH.fullmatch(words[0])
        if match is None:
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        name, argument = match["name"].removeprefix("req."), match["argument"]
        fold, way, values = _flags(words[1:])
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
            return [Condition(hosts=frozenset(hosts)) for hosts in [self._hosts(values, way)]]
        if converters not in ("", ",lower"):
            raise Inexpressible(f'rsp has no condition for "{words[0]}"')
        return self._fetch(name, argument, way, fold, values, words[0])

    def _fetch(
        self, name: str, argument: str | None, way: str, fold: bool, values: list[str], text: str
    ) -> list[Condition]:
        if name in ("always_true", "http_auth_bearer") and not argument:
            return [ALL]
        if name == "always_false":
            return []
        if (marker := _marker(name, argument, values)) is not None:
            return [marker]
        if name == "ssl_fc":
            wanted = self.plain if values and values[0] in ("0", "false") else self.secure
            return [Condition(listeners=wanted)] if wanted else []
        if name in ("dst_port", "fc_dport"):
            return [Condition(listeners=frozenset(a for a, port in self.ports.items() if port in values))]
        if name in ("path", "url", "pathq", "base"):
            return [of_path(path) for path in _paths(name, way, fold, values, text)]
        if name == "method":
            return [Condition(methods=frozenset(each.upper() for each in values))]
        if name == "src":
            return [Condition(clients=tuple(_network(each) for each in values))]
        if name in ("ssl_fc_sni", "ssl_sni"):
            self.inexact["the name of the TLS handshake (SNI) is compared; rsp routes by the host of the request"] = (
                None
            )
            return [Condition(hosts=frozenset(self._hosts(values, way)))]
        if name in ("hdr", "fhdr") and argument:
            return self._header(argument, way, fold, values, name == "hdr")
        if name == "hdr_cnt" and argument and values == ["eq", "0"]:
            return [Condition(headers=((field_name(argument), False),))]
        if name == "hdr_cnt" and argument:
            return (
                [Condition(headers=((field_name(argument), True),))]
                if values in (["gt", "0"], ["ge", "1"])
                else _none(text)
            )
        if name in ("urlp", "url_param") and argument:
            if any("%" in value or ("\\+" if way == "reg" else "+") in value for value in values):
                raise Inexpressible("rsp compares parameters decoded, HAProxy as they are sent")
            return [Condition(query=((argument.split(",")[0], _wanted(way, fold, values)),))]
        if name == "cook" and argument:
            return [Condition(cookies=((argument, _wanted(way, fold, values)),))]
        return _none(text)

    def _header(self, argument: str, way: str, fold: bool, values: list[str], parts: bool) -> list[Condition]:
        name, _, place = argument.partition(",")
        if place:
            raise Inexpressible(f"rsp looks at all fields {name}, not at the one in place {place}")
        if way in ("", "str") and name.lower() in ("upgrade", "connection"):
            if name.lower() == "upgrade":
                return [Condition(headers=((name, value),)) for value in values]
            if [value.lower() for value in values] == ["upgrade"]:
                return [Condition(headers=(("Upgrade", True),))]
        wanted = _wanted(way, fold, values)
        if parts and way != "found":
            exact = of_parts(way, fold, values)
            if exact is None or (way in ("", "str") and not self.strict):
                said = f"HAProxy compares {name} between its commas, rsp as a whole: a, b is neither a nor b"
                self.inexact[said] = None
            else:
                wanted = exact
        return [Condition(headers=((field_name(name), wanted),))]

    def _hosts(self, values: Iterable[str], way: str) -> list[str]:
        hosts: dict[str, None] = {}
        for given in values:
            value = given.lower()
            if _PORT.search(value) and not value.startswith("["):
                value = _PORT.sub("", value)
                self.notes[f'the host "{given}" is compared without its port'] = None
            for host in self._host(value, way):
                hosts[host] = None
        if not hosts:
            raise Inexpressible("no host is named")
        return list(hosts)

    def _host(self, value: str, way: str) -> list[str]:
        if way in ("", "str"):
            return [value]
        if way == "beg":
            if value.endswith("."):
                return [f"{value}*"]
            self.inexact[f'a host that begins with "{value}": rsp takes "{value}" and "{value}.*"'] = None
            return [value, f"{value}.*"]
        if way == "end":
            if value.startswith("."):
                return [f"*{value}"]
            self.inexact[f'a host that ends with "{value}": rsp takes "{value}" and the names below it'] = None
            return [value, f"*.{value}"]
        if way == "dom":
            if "." in value:
                return [value, f"*.{value}"]
            self.inexact[f'a host with the part "{value}": rsp takes "{value}.*" and "*.{value}"'] = None
            return [value, f"{value}.*", f"*.{value}"]
        if way == "reg":
            return [_host_of(value)]
        raise Inexpressible(f"rsp does not look into the middle of a host name ({value})")


def _wanted(way: str, fold: bool, values: list[str]) -> Wanted:
    return True if way == "found" else of_whole(way, fold, values)


def _marker(name: str, argument: str | None, values: list[str]) -> Condition | None:
    """What is no condition of a route, but a password or a rate that a rule asks for: a field that no client sends."""
    if name == "http_auth" and argument:
        return Condition(headers=(("\0auth", argument),))
    match = re.fullmatch(r"sc([0-9]?)_(http_req_rate|conn_cur)", name) or re.fullmatch(
        r"(src)_(http_req_rate|conn_cur)", name
    )
    if match is not None and len(values) == 2 and values[0] in ("gt", "ge") and values[1].isdigit():
        counter = match[1] if match[1] else (argument or "0").split(",")[0]
        most = int(values[1]) - (values[0] == "ge")
        table = f",{argument}" if match[1] == "src" and argument else ""
        return Condition(headers=((f"\0{match[2]}", f"{most},{counter}{table}"),))
    return None


def split_marker(condition: Condition) -> tuple[Condition, tuple[str, str] | None]:
    """The condition without its marker, and that."""
    markers = [(name, str(value)) for name, value in condition.headers if name.startswith("\0")]
    if len(markers) > 1:
        raise Inexpressible("several counters at once")
    rest = tuple(pair for pair in condition.headers if not pair[0].startswith("\0"))
    return condition.without("headers") if not rest else replace(condition, headers=rest), (
        markers[0] if markers else None
    )


def _host_of(expression: str) -> str:
    """The host that a simple regular expression stands for."""
    plain = expression.removeprefix("^").removesuffix("$").removesuffix("(:[0-9]+)?")
    name = plain.replace("\\.", ".").replace("\\-", "-")
    if expression.startswith("^") and re.fullmatch(r"[a-z0-9.-]+", name) and "." not in plain.replace("\\.", ""):
        if expression.endswith("$"):
            return name
        if name.endswith("."):
            return f"{name}*"
    rest = re.sub(r"^\(?(?:\.\*|\[\^\.\]\+|\.\+)\)?(?=\\\.)", "", plain)
    if rest != plain and expression.endswith("$"):
        name = rest.replace("\\.", ".")
        if re.fullmatch(r"(?:\.[a-z0-9-]+)+", name):
            return f"*{name}"
    raise Inexpressible("rsp has no regular expressions for hosts")


def _flags(words: list[str]) -> tuple[bool, str, list[str]]:
    fold, way = False, ""
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
        elif word == "-n":
            continue
        elif word in ("-f", "-M", "-u"):
            raise Inexpressible(f"its patterns are in a file ({word} {' '.join(words[index : index + 1])})")
        else:
            raise Inexpressible(f"the flag {word} is not understood")
    return fold, way, words[index:]


def _paths(name: str, way: str, fold: bool, values: list[str], text: str) -> list[Path]:
    if name == "base" or not values:
        _none(text)
    if name in ("url", "pathq") and (way == "end" or any("?" in value and way != "reg" for value in values)):
        raise Inexpressible("the query is compared together with the path")
    found: list[Path] = []
    for value in values:
        if way in ("", "str"):
            found.append(Path("exact", value, fold))
        elif way == "beg":
            found.append(Path("prefix", value, fold))
        elif way == "end":
            found.append(Path("suffix", value, fold))
        elif way == "sub":
            found.append(Path("regex", escaped(value), fold))
        elif way == "reg":
            found.append(Path("regex", value, fold))
        elif way == "dir":
            found.append(Path("regex", f"(?:^|/){escaped(value.strip('/'))}(?:/|$)", fold))
        else:
            _none(text)
    return found


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise Inexpressible(f'"{value}" is not an address') from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _none(text: str) -> list[Condition]:
    raise Inexpressible(f'rsp has no condition for "{text}"')


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
