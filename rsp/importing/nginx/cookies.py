"""``proxy_cookie_path``, ``proxy_cookie_domain``, ``proxy_cookie_flags``: Set-Cookie of peers, changed by a hook."""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.levels import Level
from rsp.importing.nginx.tree import Statement
from rsp.importing.nginx.variables import Names, Unsayable

_FLAGS: Final = {"secure": "Secure", "httponly": "HttpOnly", "samesite": "SameSite"}


def lines(level: Level, names: Names) -> list[str]:
    """For the hook of responses.  Raises :class:`Unsayable`."""
    found: list[str] = []
    for statement in level.all("proxy_cookie_path", "proxy_cookie_domain"):
        if statement.value != "off":
            found += _replaced(statement, names)
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


def _replaced(statement: Statement, names: Names) -> list[str]:
    """The beginning of a path, or a whole domain."""
    if len(statement.args) != 2 or statement.value.startswith("~"):
        raise Unsayable(f"rsp import does not translate {statement.name} with regular expressions")
    old, new = (names.lua(text) for text in statement.args)
    if statement.name.endswith("_path"):
        attribute, test = "[Pp][Aa][Tt][Hh]", "value:sub(1, #old) == old"
    else:
        attribute, test = "[Dd][Oo][Mm][Aa][Ii][Nn]", 'value:gsub("^%.", ""):lower() == old:gsub("^%.", ""):lower()'
    rest = " .. value:sub(#old + 1)" if statement.name.endswith("_path") else ""
    return [
        f'cookie = cookie:gsub("(;%s*{attribute}=)([^;]*)", function(name, value)',
        f"  local old = {old}",
        f"  if {test} then return name .. {new}{rest} end",
        "end)",
    ]


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
