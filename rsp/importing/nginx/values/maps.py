"""``map``, ``geo`` and ``split_clients``: variables that are computed become functions of Lua, written where used."""

import re
from typing import Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.addresses import masked, of_range, overlap
from rsp.importing.nginx.values.elsewhere import Elsewhere
from rsp.importing.nginx.values.lookahead import spelt
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import ASKS_RESPONSE, Names, Unsayable
from rsp.importing.site import Script

_KINDS: Final = ("map", "geo", "split_clients")


class Maps:
    """Those of the http block, by the name of the variable that they set."""

    def __init__(self, result: Result, statements: list[Statement], elsewhere: Elsewhere) -> None:
        self._result = result
        self._elsewhere = elsewhere
        self._named: dict[str, Statement] = {}
        self._written: dict[str, str | None] = {}
        for statement in statements:
            statement.used = True
            if statement.args:
                self._named[statement.args[-1].lstrip("$")] = statement

    def call(self, name: str) -> str | None:
        """An expression with ``req``; ``None``: no map sets ``$name``, or none that can be said."""
        if name not in self._named:
            return self._elsewhere.call(name)
        if name not in self._written:
            self._written[name] = None  # until it is known: a map may name itself
            try:
                self._written[name] = self._write(name, self._named[name])
            except Unsayable as error:
                self._result.settings.lost(self._named[name], str(error))
        return self._written[name]

    def values(self, name: str, *, may_be_empty: bool = False) -> list[str]:
        """Of a map, all that it can give, the default first; none: there is no such map, or they are not known.

        ``may_be_empty``: a map without a default counts as well.
        """
        statement = self._named.get(name)
        if statement is None or statement.name not in ("map", "split_clients"):
            return []
        entries = [entry for entry in statement.block or [] if entry.args]
        entries.sort(key=lambda entry: entry.name != "default")
        has_default = statement.name != "map" or any(entry.name == "default" for entry in entries)
        if not has_default and not may_be_empty:
            return []
        values = list(dict.fromkeys(entry.value for entry in entries))
        return values if all(value and "$" not in value for value in values) else []

    def sources(self, name: str) -> list[str] | None:
        """Texts whose variables a map asks for; ``None``: none sets ``$name``."""
        statement = self._named.get(name)
        if statement is None:
            return None
        return [*statement.args[:-1], *(entry.value for entry in statement.block or [])]

    def of_server(self, server_name: str) -> dict[str, str]:
        """Of maps of ``$server_name``, what they give in a server of that name."""
        found: dict[str, str] = {}
        for name, statement in self._named.items():
            if statement.name == "map" and statement.args[0] in ("$server_name", "${server_name}"):
                value = _looked_up(_by_host(statement.block or []), server_name)
                if value is not None:
                    found[name] = value
        return found

    def _write(self, name: str, statement: Statement) -> str:
        function = f"{statement.name}_{name}".lower()
        lines = {"map": self._map, "geo": self._geo, "split_clients": self._split}[statement.name](function, statement)
        text = "\n".join(lines)
        arguments = "req"
        if ASKS_RESPONSE.search(text):
            arguments = "req, res"
            text = re.sub(r"function(?: \w+)?\(req", r"\g<0>, res", text).replace("value(req", "value(req, res")
            text = text.replace("pair[2](req, found)", "pair[2](req, res, found)")
        self._result.scripts.append(Script(text, statement.origin))
        return f"{function}({arguments})"

    def _map(self, function: str, statement: Statement) -> list[str]:
        names = Names({}, self, has_response=True)
        source = names.lua(statement.args[0])
        source_name = statement.args[0]
        exact: list[tuple[str, str]] = []
        patterns: list[str] = []
        default = '""'
        for entry in _by_host(statement.block or []):
            key, value = entry.name, entry.value
            if key == "volatile" and not entry.args:
                continue
            if key.startswith("~"):
                captures = named_groups(key)
                said = Names({}, self, captures, has_response=True).lua(value)
                patterns.append(f"  {{ {pattern(key)}, {self._function(said, captures)} }},")
                continue
            key = key.removeprefix("\\")
            said = names.lua(value)
            if key == "default":
                default = said
            else:
                exact.append((key.lower(), said))
                if (key.lower(), source_name) == ("application/javascript", "$sent_http_content_type"):
                    exact.append(("text/javascript", said))  # as rsp calls it (RFC 9239)
        are_texts = all(names.is_plain(entry.value) for entry in statement.block or [])
        listed = [
            f"  {index(key)} = {said if are_texts else self._function(said, frozenset())}," for key, said in exact
        ]
        lines = [f"local {function}_values = {{", *listed, "}"] if exact else []
        if are_texts and exact and not patterns:
            found = f"{function}_values[({source}):lower()]"
            return [*lines, f"local function {function}(req)", f"  return {found} or {default}", "end"]
        if patterns:
            lines += [f"local {function}_patterns = {{", *patterns, "}"]
        lines += [f"local function {function}(req)", f"  local key = {source}"]
        if exact:
            lines += [
                f"  local value = {function}_values[key:lower()]",
                f"  if value then return value{'' if are_texts else '(req)'} end",
            ]
        if patterns:
            keys = [entry.name for entry in statement.block or [] if entry.name.startswith("~")]
            if any(map(_takes_nothing, keys)):  # expressions are not asked about an empty text, as in nginx
                lines.append(f'  if key == "" then return {default} end')
            lines += [
                f"  for _, pair in ipairs({function}_patterns) do",
                "    local found = pair[1].match(key)",
                "    if found then return pair[2](req, found) end",
                "  end",
            ]
        return [*lines, f"  return {default}", "end"]

    @staticmethod
    def _function(said: str, captures: frozenset[str]) -> str:
        return f"function(req{', found' if captures else ''}) return {said} end"

    def _geo(self, function: str, statement: Statement) -> list[str]:
        source = Names({}, self).lua(statement.args[0]) if len(statement.args) > 1 else "req.client"
        default = '""'
        known: dict[str, str] = {}
        block = statement.block or []
        if any(each.name == "ranges" for each in block) and overlap(part for each in block for part in _parts(each)):
            raise Unsayable("rsp import does not translate ranges in geo that have addresses in common")
        for entry in block:
            if entry.name == "default":
                default = quoted(entry.value)
            elif entry.name in ("proxy", "proxy_recursive", "include"):
                raise Unsayable(f"rsp import does not translate `{entry.name}` in geo")
            elif entry.name == "delete":
                known.pop(masked(entry.value), None)
            elif entry.name != "ranges":
                parts = _parts(entry)
                if not parts:
                    raise Unsayable(f"{entry.name} is no network")
                known |= dict.fromkeys(parts, entry.value)
        networks = [(int(each.partition("/")[2] or (128 if ":" in each else 32)), each) for each in known]
        ordered = [
            f"  {{ {quoted(each)}, {quoted(known[each])} }}," for _, each in sorted(networks, key=lambda pair: -pair[0])
        ]
        return [
            f"local {function}_networks = {{  -- the smallest first",
            *ordered,
            "}",
            f"local function {function}(req)",
            f"  for _, pair in ipairs({function}_networks) do",
            f"    if ip.matches({source}, pair[1]) then return pair[2] end",
            "  end",
            f"  return {default}",
            "end",
        ]

    def _split(self, function: str, statement: Statement) -> list[str]:
        source = Names({}, self).lua(statement.args[0])
        shares: list[str] = []
        left = 100.0
        for entry in statement.block or []:
            share = left if entry.name == "*" else float(entry.name.rstrip("%"))
            left -= share
            shares.append(f"{index(entry.value)} = {share:g}")
        return [f"local function {function}(req)", f"  return split({{ {', '.join(shares)} }}, {source})", "end"]


def _parts(entry: Statement) -> list[str]:
    """The networks of an entry of ``geo``."""
    is_network = entry.name[:1].isdigit() or ":" in entry.name
    return (of_range(entry.name) if "-" in entry.name else [masked(entry.name)]) if is_network else []


def _by_host(block: list[Statement]) -> list[Statement]:
    """Names of hosts with ``*`` as expressions, in the order in which nginx looks at them."""
    if not any(entry.name == "hostnames" and not entry.args for entry in block):
        return block
    exact: list[Statement] = []
    starts: list[Statement] = []
    ends: list[Statement] = []
    for entry in block:
        if entry.name.startswith(("*.", ".")):
            bare = re.escape(entry.name.lstrip("*").lstrip("."))
            said = f"~*^.+\\.{bare}$" if entry.name.startswith("*") else f"~*^(?:.+\\.)?{bare}$"
            starts.append(Statement(said, entry.args, entry.origin))
        elif entry.name.endswith(".*"):
            ends.append(Statement(f"~*^{re.escape(entry.name[:-2])}\\..+$", entry.args, entry.origin))
        elif entry.name != "hostnames":
            exact.append(entry)
    longest = [sorted(each, key=lambda entry: -len(entry.name)) for each in (starts, ends)]
    expressions = [entry for entry in exact if entry.name.startswith("~")]
    return [*(entry for entry in exact if entry not in expressions), *longest[0], *longest[1], *expressions]


def _takes_nothing(key: str) -> bool:
    """Whether the expression of an entry may match an empty text."""
    try:
        return re.search(re2_of(key.lstrip("~*")), "") is not None
    except re.error:
        return True


def _looked_up(entries: list[Statement], key: str) -> str | None:
    """The value for a key that is known; ``None``: it cannot be told, or has groups of an expression."""
    default = ""
    expressions: list[Statement] = []
    for entry in entries:
        if entry.name.startswith("~"):
            expressions.append(entry)
        elif entry.name == "default":
            default = entry.value
        elif entry.args and entry.name.removeprefix("\\").lower() == key.lower():
            return entry.value
    for entry in expressions:
        said = entry.name.removeprefix("~")
        flags = re.IGNORECASE if said.startswith("*") else 0
        try:
            match = re.search(re.sub(r"\(\?<([A-Za-z_])", r"(?P<\1", said.removeprefix("*")), key, flags)
        except re.error:
            return None
        if match is not None and key:
            return entry.value if not match.re.groups else None
    return default


def named_groups(text: str) -> frozenset[str]:
    """The names, and numbers, of the groups of a regular expression as nginx has it."""
    groups = re.findall(r"\\.|\((?!\?)|\(\?P?<([A-Za-z_]\w*)>|\(\?'([A-Za-z_]\w*)'", text)
    named = {name for pair in groups for name in pair if name}
    count = len(re.findall(r"(?<!\\)\((?!\?)|\(\?P?<[A-Za-z_]", text))
    return frozenset(named | {str(number) for number in range(1, count + 1)})


def is_unreached(expression: str) -> bool:
    """Whether no path begins as an expression of RE2 says: paths begin with a slash."""
    from rsp.http.regex import Pattern

    try:
        literal = Pattern(expression).literal
    except ValueError:
        return False
    return bool(literal) and literal[:1] != b"/"


def re2_of(text: str) -> str:
    """nginx's (PCRE) expression as RE2 has it.  Raises :class:`Unsayable`."""
    from rsp.http.regex import Pattern

    said = spelt(re.sub(r"\(\?<([A-Za-z_])", r"(?P<\1", text))
    said = said.replace(r"\?", "[?]")  # which rsp takes for a mistake: paths have no query
    if said.startswith("~"):  # which rsp takes for nginx's own mark
        said = f"[~]{said[1:]}"
    said = said.replace(r"\/", "/").replace("\\-", "-") if "[" not in said else said.replace(r"\/", "/")
    try:
        Pattern(said)
    except ValueError as error:
        raise Unsayable(f"rsp's regular expressions (RE2) do not have this: {error}") from None
    return said


def wider_than(text: str) -> str:
    """An expression of RE2 that matches all that ``text`` matches, and more, in the worst case every path.

    It has no lookaround, no back references, no possessive quantifiers, so it refuses at least what ``text`` does.
    """
    count = 1
    while count:
        text, count = re.subn(r"(?<!\\)\(\?<?[=!](?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)", "", text)
    text = re.sub(r"([*+?}])\+", r"\1", text.replace("(?>", "(?:"))
    try:
        return re2_of(re.sub(r"\\[1-9]", ".*", text))
    except Unsayable:
        return "."


def pattern(text: str) -> str:
    """``regex(...)`` for ``~re``, ``~*re``; a list of what is compared.  Raises :class:`Unsayable`."""
    expression = text.removeprefix("~").removeprefix("*")
    ignores_case = text.startswith("~*")
    return f"regex({quoted(re2_of(expression))}{', ' + chr(34) + 'i' + chr(34) if ignores_case else ''})"
