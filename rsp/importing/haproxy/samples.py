"""What a sample is compared with (``path_beg /a``, ``hdr(x) b``) as conditions of routes."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from rsp.importing.haproxy.texts import of_parts, of_whole
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path, of_path
from rsp.importing.ordered.value import Value, Wanted, escaped, field_name, regular

_PORT: Final = re.compile(r":[0-9]+$")


class Samples:
    """Of a section.  ``secure`` and ``plain``: its addresses that speak TLS, and its others."""

    def __init__(self, secure: frozenset[str], plain: frozenset[str], ports: dict[str, str]) -> None:
        self.secure = secure
        self.plain = plain
        self.ports = ports
        self.notes: dict[str, None] = {}
        self.inexact: dict[str, None] = {}  # what the conditions asked for so far do not say as HAProxy does
        self.clients = False  # whether clients' addresses were asked for
        self.strict = False  # for rules that keep clients out: patterns in the place of texts, but exact

    def conditions(
        self, name: str, argument: str | None, way: str, fold: bool, values: list[str], text: str
    ) -> list[Condition]:
        """One of these has to hold.  Raises :class:`Inexpressible`."""
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
        if name == "base" and way in ("", "str", "beg") and all("/" in value for value in values):
            return _bases(way, fold, values)
        if name in ("path", "url", "pathq", "base"):
            return [of_path(path) for path in _paths(name, way, fold, values, text)]
        if name == "method":
            return [Condition(methods=frozenset(each.upper() for each in values))]
        if name == "src":
            self.clients = True
            return [Condition(clients=tuple(_network(each) for each in values))]
        if name in ("ssl_fc_sni", "ssl_sni"):
            self.inexact["the name of the TLS handshake (SNI) is compared; rsp routes by the host of the request"] = (
                None
            )
            return self.hosts(values, way)
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
        if not values and way != "found":
            self.notes[f"a test of {name} without a text to compare it with never holds"] = None
            return []
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

    def hosts(self, values: Iterable[str], way: str) -> list[Condition]:
        """Names where names say it, else what the field Host has to be."""
        names: dict[str, None] = {}
        patterns: list[str] = []
        for given in values:
            value = given.lower()
            if way != "reg" and _PORT.search(value) and not value.startswith("["):
                value = _PORT.sub("", value)
                self.notes[f'the host "{given}" is compared without its port'] = None
            found = _names(given if way == "reg" else value, way)
            names |= dict.fromkeys(found)
            if not found:
                patterns.append(_pattern(given if way == "reg" else value, way))
        conditions = [Condition(hosts=frozenset(names))] if names else []
        if patterns:
            conditions.append(Condition(headers=(("Host", Value(regex=tuple(patterns))),)))
        if not conditions:
            raise Inexpressible("no host is named")
        return conditions


def _names(value: str, way: str) -> list[str]:
    """Hosts as routes have them; none: they cannot say it."""
    if way in ("", "str"):
        return [value]
    if way == "beg" and value.endswith("."):
        return [f"{value}*"]
    if way == "end" and value.startswith("."):
        return [f"*{value}"]
    if way == "dom" and "." in value:
        return [value, f"*.{value}"]
    if way == "reg" and (name := _host_of(value)):
        return [name]
    return []


def _pattern(value: str, way: str) -> str:
    if way == "reg":
        return regular(value if value.startswith("(?i)") else f"(?i){value}")
    begin = {"beg": "^", "dom": "(?:^|[./:?])"}.get(way, "")
    end = {"end": "$", "dom": "(?:[./:?]|$)"}.get(way, "")
    if way not in ("beg", "end", "dom", "sub"):
        raise Inexpressible(f"rsp does not compare hosts by -m {way}")
    return f"(?i){begin}{escaped(value)}{end}"


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


def _host_of(expression: str) -> str:
    """The host that a simple regular expression stands for; empty: it is not simple."""
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
    return ""


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


def _bases(way: str, fold: bool, values: list[str]) -> list[Condition]:
    found: list[Condition] = []
    for value in values:
        host, _, path = value.partition("/")
        of = of_path(Path("prefix" if way == "beg" else "exact", f"/{path}", fold))
        found.append(replace(of, hosts=frozenset([_PORT.sub("", host.lower())])))
    return found


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise Inexpressible(f'"{value}" is not an address') from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _none(text: str) -> list[Condition]:
    raise Inexpressible(f'rsp has no condition for "{text}"')
