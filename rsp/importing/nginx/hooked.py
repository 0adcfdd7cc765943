"""Restrictions that only a hook can say: ``limit_except``, and ``auth_basic`` by a variable.

A hook comes after the keys of its route, so what a route restricts holds as well.
"""

from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import CONTENT
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark_all
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_KNOWN: Final = ("allow", "deny", "auth_basic", "auth_basic_user_file")


def methods(level: Level, names: Names, keys: dict[str, Value], result: Result) -> list[str]:
    """Lines for ``limit_except``.  Raises :class:`Unsayable`."""
    lines: list[str] = []
    for statement in level.own("limit_except"):
        block = statement.block or []
        inner = Level("limit_except", block, level)
        if not block:
            continue
        same = [each.args for each in level.block if each.name in CONTENT]  # said once more
        if any(each.name not in _KNOWN and not (each.name in CONTENT and each.args in same) for each in block):
            raise Unsayable("rsp import translates limit_except with allow, deny and auth_basic only")
        if (inner.has("allow", "deny") and level.all("allow", "deny")) or level.value("satisfy") == "any":
            raise Unsayable("limit_except has other networks than its location")
        if inner.has("auth_basic") and "auth" in keys:
            raise Unsayable("limit_except has another password than its location")
        mark_all(block)
        listed = [*statement.args, *(["HEAD"] if "GET" in statement.args else [])]
        condition = " and ".join(f"req.method ~= {quoted(method)}" for method in listed)
        test = _not_allowed([each for each in block if each.name in ("allow", "deny")])
        asks = password(inner, names, result) if inner.has("auth_basic") else []
        inside = ["return respond(403)"] if test == "true" else asks
        if test and test != "true":
            inside = [f"if {test} then return respond(403) end", *asks]
        if inside == ["return respond(403)"]:
            lines.append(f"if {condition} then return respond(403) end")
        elif inside:
            lines += [f"if {condition} then", *(f"  {line}" for line in inside), "end"]
    return lines


def _not_allowed(rules: list[Statement]) -> str:
    """A condition of Lua, for clients that nginx refuses; empty: it refuses none."""
    said = ""
    for rule in reversed(rules):
        refuses = rule.name == "deny"
        if rule.value == "all":
            said = "true" if refuses else ""
            continue
        matches = f"ip.matches(req.client, {quoted(rule.value)})"
        if refuses:
            said = "true" if said == "true" else f"({matches} or {said})" if said else matches
        elif said:
            said = f"not {matches}" if said == "true" else f"(not {matches} and {said})"
    return said


def realm(level: Level, names: Names, draft: Draft, result: Result) -> list[str]:
    """Lines for an ``auth_basic`` whose realm depends on the request.  Raises :class:`Unsayable`."""
    said = level.last("auth_basic")
    if said is None or names.is_plain(said.value):
        return []
    if level.value("satisfy") == "any" or level.value("auth_request", "off") != "off":
        raise Unsayable("auth_basic by a variable beside other restrictions")
    text = "clients are shown the realm `restricted`, and peers are not told the user: a hook asks for the password"
    draft.parts.note(said, text)
    return password(level, names, result)


def password(level: Level, names: Names, result: Result) -> list[str]:
    """Lines that ask for a password, unless the realm is ``off``.  Raises :class:`Unsayable`."""
    file, realm = level.last("auth_basic_user_file"), level.value("auth_basic")
    if realm == "off":
        return []
    if file is None or not names.is_plain(file.value):
        raise Unsayable("the file of passwords is not known before a request comes")
    said = names.lua(names.expand(realm))
    shown = names.expand(realm) if names.is_plain(realm) else "restricted"
    users = f"basic_auth{{ file = {quoted(names.expand(file.value))}, realm = {quoted(shown)} }}"
    name = f"users_{sum('= basic_auth{' in str(part) for part in result.scripts) + 1}"
    for part in result.scripts:
        text = str(getattr(part, "text", ""))
        if text.startswith("local users_") and text.endswith(users):
            name = text.split()[1]
    result.script(f"local {name} = {users}")
    ask = f"if not {name}.user(req) then return {name}.ask() end"
    if names.is_plain(realm):
        return [ask]
    return [f'if {said} ~= "off" and not {name}.user(req) then return {name}.ask() end']
