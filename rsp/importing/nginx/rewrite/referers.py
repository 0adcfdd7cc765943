"""``valid_referers`` and ``$invalid_referer``: a function of Lua that says whether the Referer is a valid one."""

import re

from rsp.importing.lua import quoted
from rsp.importing.nginx.rewrite.guards import Extended
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.maps import pattern
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import Names, Unsayable

VARIABLE = "invalid_referer"


def declare(level: Level, server_names: list[str], result: Result) -> str | None:
    """An expression of Lua for the variable; ``None``: there is no ``valid_referers``.

    Raises :class:`rsp.importing.nginx.values.variables.Unsayable`.
    """
    words = [word for statement in level.all("valid_referers") for word in statement.args]
    if not words:
        return None
    names: list[str] = []
    patterns: list[str] = []
    for word in words:
        if word == "server_names":
            names += [name for name in server_names if re.fullmatch(r"[\w.*\-]+", name)]
        elif word.startswith("~"):
            patterns.append(pattern(f"~*{word[1:]}"))
        elif word not in ("none", "blocked"):
            names.append(word.partition("/")[0])
    tests = [_test(name) for name in dict.fromkeys(names)]
    tests += [f"{said}.test(address)" for said in (f"patterns[{number}]" for number in range(1, len(patterns) + 1))]
    body = [
        *([f"local patterns = {{ {', '.join(patterns)} }}"] if patterns else []),
        "local function {name}(req)",
        '  local referer = req.headers["Referer"]',
        f"  if not referer then return {_yes('none' in words)} end",
        '  local address = referer:match("^https?://(.*)$")',
        f"  if not address then return {_yes('blocked' in words)} end",
        '  local host = address:match("^[^/:?#]*"):lower()',
        f"  return {' or '.join(tests) or 'false'}",
        "end",
    ]
    text = "\n".join(body)
    name = f"valid_referer_{len({part for part in map(str, result.scripts) if 'valid_referer' in part}) + 1}"
    for part in result.scripts:
        known = getattr(part, "text", "")
        if known.replace(_name_in(known), "{name}") == text:
            name = _name_in(known)
    text = text.replace("patterns", f"{name}_patterns").replace("{name}", name)
    result.script(text)
    return f'({name}(req) and "" or "1")'


def known(names: Names, level: Level, server_names: list[str], result: Result) -> Names:
    """``names`` with the variable, if the level has it."""
    try:
        said = declare(level, server_names, result)
    except Unsayable:
        return names  # the variable is not known, and what asks for it is reported
    if said is None:
        return names
    return Names(
        names.constants, Extended(names.functions, {VARIABLE: said}), names.captures, has_groups=names.has_groups
    )


def _name_in(text: str) -> str:
    match = re.search(r"valid_referer_\d+(?=\(req\))", text)
    return match[0] if match is not None else "\0"


def _yes(said: bool) -> str:
    return "true" if said else "false"


def _test(name: str) -> str:
    name = name.lower()
    if name.startswith("*."):
        return f"host:sub(-{len(name) - 1}) == {quoted(name[1:])}"
    if name.startswith("."):
        return f"(host == {quoted(name[1:])} or host:sub(-{len(name)}) == {quoted(name)})"
    if name.endswith(".*"):
        return f"host:sub(1, {len(name) - 1}) == {quoted(name[:-1])}"
    return f"host == {quoted(name)}"
