"""``proxy_cookie_path``, ``proxy_cookie_domain``, ``proxy_cookie_flags``: Set-Cookie of peers, changed by a hook."""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.peers.proxy import Compiled, replacement
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names, Unsayable

_FLAGS: Final = {"secure": "Secure", "httponly": "HttpOnly", "samesite": "SameSite"}


def lines(level: Level, names: Names, compiled: Compiled) -> list[str]:
    """For the hook of responses.  Raises :class:`Unsayable`."""
    found: list[str] = []
    for name, attribute in (("path", "[Pp][Aa][Tt][Hh]"), ("domain", "[Dd][Oo][Mm][Aa][Ii][Nn]")):
        statements = [each for each in level.all(f"proxy_cookie_{name}") if each.value != "off"]
        if statements:
            found.append(f'cookie = cookie:gsub("(;%s*{attribute}=)([^;]*)", function(name, value)')
            found += [f"  {line}" for each in statements for line in _replaced(each, names, compiled)]
            found.append("end)")
    for statement in level.all("proxy_cookie_flags"):
        if statement.value != "off":
            found += _flagged(statement)
    if not found:
        return []
    return [
        'local cookies = res.headers:all("Set-Cookie")',
        "for number, cookie in ipairs(cookies) do",
        *(f"  {line}" for line in found),
        "  cookies[number] = cookie",
        "end",
        'if #cookies > 0 then res.headers["Set-Cookie"] = cookies end',
    ]


def _replaced(statement: Statement, names: Names, compiled: Compiled) -> list[str]:
    """The beginning of a path, a whole domain, or what an expression matches; the first one that fits counts."""
    is_domain = statement.name.endswith("_domain")
    if is_domain and statement.value.startswith("~"):  # in any case
        expression = f"~*{statement.value[1:]}"
        statement = Statement(statement.name, [expression, *statement.args[1:]], statement.origin)
    before, condition, new = replacement(statement, "value", names, compiled)
    if is_domain and not statement.value.startswith("~"):
        condition, new = 'value:gsub("^%.", ""):lower() == old:gsub("^%.", ""):lower()', names.lua(statement.args[1])
    return [before, f"if {condition} then return name .. {new} end"]


def _flagged(statement: Statement) -> list[str]:
    """Attributes of the cookies of one name, or with ``~`` of all."""
    name, *flags = statement.args
    if "$" in " ".join(statement.args) or (name.startswith("~") and name != "~"):
        raise Unsayable("rsp import translates proxy_cookie_flags with plain names only")
    found: list[str] = []
    for flag in flags:
        word, _, value = flag.removeprefix("no").partition("=")
        if word not in _FLAGS:
            raise Unsayable(f"rsp import does not know the flag {flag}")
        pattern = "".join(f"[{letter.upper()}{letter}]" for letter in word)
        found.append(f'cookie = cookie:gsub(";%s*{pattern}[^;]*", "")')
        if not flag.startswith("no"):
            said = f"; {_FLAGS[word]}{f'={value.capitalize()}' if value else ''}"
            found.append(f"cookie = cookie .. {quoted(said)}")
    if name == "~":
        return found
    escaped = re.sub(r"(\W)", r"%\1", name)
    return [f"if cookie:match({quoted(f'^{escaped}=')}) then", *(f"  {line}" for line in found), "end"]
