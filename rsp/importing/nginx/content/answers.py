"""``return`` as keys of a route, ``redirect`` or ``respond``, and the fields of what it answers."""

from typing import Final

from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.rules import fields
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Names, Unsayable, pieces
from rsp.importing.site import Value

_MOVED: Final = ("301", "302", "303", "307", "308")
_LATER: Final = ("remote_user", "upstream_addr")


def returned(statement: Statement, names: Names, level: Level) -> dict[str, Value]:
    """``redirect`` or ``respond`` of a route.  Raises :class:`Unsayable`."""
    code, *rest = [*statement.args]
    if not code.isdigit():
        code, rest = "302", [code]
    if code in _MOVED and rest:
        to = names.expand(rest[0])
        for query in ("$is_args$args", "?$args", "?$query_string"):
            if to.endswith(query):
                return _redirect(_text(to.removesuffix(query), names), code)
        if "$request_uri" in to:
            return _redirect(_text(to, names), code)
        return {"respond": {"status": int(code), "headers": {"Location": _text(to, names)}}}  # without the query
    if not 200 <= int(code) <= 599:
        raise Unsayable(f"rsp does not answer with status {code}")
    table: dict[str, Value] = {} if code == "200" else {"status": int(code)}
    if rest and rest[0]:
        table["body"] = _text(rest[0], names)
        kind = level.value("default_type", "text/plain")
        for each in level.own("add_header"):
            if each.value.lower() == "content-type" and each.args[1:]:
                kind = each.args[1]
        if not kind.startswith("text/plain"):
            table["type"] = kind
    return {"respond": table or {"status": 200}}


def _text(text: str, names: Names) -> str:
    """Raises :class:`Unsayable` where a hook has to say it."""
    if any(name in _LATER for _, name in pieces(names.expand(text))):
        raise Unsayable("rsp knows this only behind the route")
    return names.text(text)


def _redirect(to: str, code: str) -> dict[str, Value]:
    return {"redirect": to if code == "302" else {"to": to, "status": int(code)}}


def put_fields(draft: Draft, level: Level, names: Names, parts: Parts) -> None:
    """What ``level`` adds to what rsp answers by itself."""
    rules = fields.Rules()
    fields.response_rules(level, names, parts, rules)
    of_peers = fields.hidden(level)
    rules.hidden = [name for name in rules.hidden if name not in of_peers]
    fields.put_response(rules, draft.keys)
    draft.after += rules.after
