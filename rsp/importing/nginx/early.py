"""What ends requests before their location restricts them: ``if`` and ``return`` belong to nginx's rewrite phase.

rsp looks at the restrictions of a route before it runs the hook of the route.  So an ``if`` whose condition a route can
have becomes a route of its own, before the others of its location; a location that answers all requests by ``return``
restricts none; and all else is done in the hook for all requests (``rerouted.py``).
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from rsp.importing.nginx.content import error_pages
from rsp.importing.nginx.content.answers import put_fields, returned
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.paths import as_sent
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rewrite.guards import (
    EVERY_PATH,
    MODULE,
    STAYING,
    Guards,
    may_stop,
    redirect_status,
    staying,
    stripped,
)
from rsp.importing.nginx.rules import access
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark, mark_all
from rsp.importing.nginx.syntax.words import DROPPED
from rsp.importing.nginx.values.maps import re2_of
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Names, Unsayable, pieces
from rsp.importing.nginx.values.variables import field as field_name
from rsp.importing.site import Value

_LIMITING: Final = (
    *access.RESTRICTING,
    "satisfy",
    "auth_basic_user_file",
    "auth_request_set",
    "limit_req",
    "limit_conn",
)
_IN_IF: Final = ("add_header", "return", "break", "default_type", "access_log", *DROPPED)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "PROPFIND", "MKCOL")
_LISTED: Final = re.compile(r"\^?\(?(?:\?:)?([A-Za-z]+(?:\|[A-Za-z]+)*)\)?\$?")
_ASKED: Final = re.compile(r"\$\{?(http|cookie|arg)_(\w+)\}?")
_TABLES: Final = {"http": "headers", "cookie": "cookies", "arg": "query"}
_NOT_AS_SENT: Final = re.compile(r"host|upgrade|connection|cookie|x_forwarded_\w+|x_real_ip|forwarded")


def module(level: Level) -> list[Statement]:
    """The statements of the rewrite module, as far as nginx comes."""
    block = [statement for statement in level.block if statement.name in MODULE and not statement.used]
    end = next((number for number, each in enumerate(block) if each.name == "break"), len(block))
    mark_all(block[end:])
    return [staying(each) for each in block[:end]] if end < len(block) else block


def is_over(level: Level, server: Server) -> bool:
    """Whether the rewrite module answers each request, so that none comes to the restrictions."""
    for each in level.block:
        if each.name == "return":
            return not _leads_on(each.value, level, server)
        if each.name == "rewrite" and each.value in EVERY_PATH and _moves(each):
            return True
        if each.name in MODULE and may_stop(each):
            return False
    return False


def _leads_on(status: str, level: Level, server: Server) -> bool:
    """Whether ``error_page`` passes requests on, to a location that may restrict clients."""
    for page in level.all("error_page"):
        if status in page.args[:-1]:
            found = server.find(page.args[-1].partition("?")[0])
            is_passed = found is not None and found.content is not None
            return page.args[-1].startswith("@") or (found is not None and is_passed and _restricts(found.level))
    return False


def _restricts(level: Level) -> bool:
    """Whether clients have to be let in, by what is said here or around."""
    return any(each.value != "off" for each in level.all("allow", "deny")) or any(
        level.value(name, "off") != "off" for name in ("auth_basic", "auth_request")
    )


def tell(level: Level, parts: Parts) -> None:
    """Of restrictions that never hold."""
    own = [each for each in level.block if each.name in ("deny", "auth_basic", "auth_request") and each.value != "off"]
    if own:
        said = f"nginx answers here by `return` before it looks at `{own[0].name}`, which restricts no request"
        parts.note(own[0], said)
    for name in _LIMITING:
        level.all(name)


def put_pages(server: Server, pairs: list[tuple[Location | None, Draft]], context: Context, prefix: Path) -> None:
    """``error_page``, for what answers early as well."""
    first = [(location, each) for location, draft in pairs for each in draft.early]
    error_pages.write(server, [*pairs, *first], context, prefix)
    for _, draft in first:
        answer = draft.keys.get("respond", {"status": 0})
        if isinstance(answer, dict) and not draft.before and int(str(answer.get("status", 200))) < 400:
            draft.failed = []


def tell_of_server(level: Level, drafts: list[Draft], parts: Parts) -> None:
    """Where only routes know the server: what it answers itself comes behind their restrictions."""
    for each in level.block if any(draft.is_restricting for draft in drafts) else ():
        if each.name in MODULE and leaves(each, lambda _expression, _path: True):
            parts.lost(each, "rsp restricts clients before it knows the server, and nginx does so behind this")


def leaves(statement: Statement, stays: Callable[[str, str], bool], kept: Collection[str] = ()) -> bool:
    """Whether it may answer, or lead to another location.

    ``stays``: whether a rewrite does neither; ``kept``: statuses that lead to a location with the same restrictions.
    """
    if statement.name == "return":
        return statement.value not in kept
    if statement.name == "rewrite":
        flag = statement.args[2] if statement.args[2:] else ""
        is_kept = flag in ("break", STAYING) or stays(statement.args[0], statement.args[1].partition("?")[0])
        return _moves(statement) or not is_kept
    return any(leaves(inner, stays, kept) for inner in statement.block or [])


def kept_by(level: Level, named: Mapping[str, Location]) -> list[str]:
    """Statuses for which ``error_page`` leads to a named location that restricts clients as ``level`` does."""
    if level.has("limit_req", "limit_conn"):
        return []
    found: list[str] = []
    for page in level.all("error_page"):
        meant = named.get(page.args[-1])
        if meant is not None and "=" in page.args and not access.restricts(meant.level, level):
            found += page.args[:-1]
    return found


def _moves(statement: Statement) -> bool:
    return redirect_status(statement.args[1], "".join(statement.args[2:3])) != 0


def maintenance(statement: Statement, names: Names) -> str | None:
    """``if (-f FILE) { return 503; }``, which a route says by ``maintenance``."""
    words, block = stripped(statement.args), statement.block or []
    is_file = statement.name == "if" and len(words) == 2 and words[0] == "-f" and names.is_plain(words[1])
    answers = [each.name for each in block] in (["return"], ["break", "return"]) and block[-1].args == ["503"]
    return f"file:{names.expand(words[1])}" if is_file and answers else None


class First(Struct):
    """An ``if`` that becomes a route.  ``sets``: what stands before it and gives variables their values."""

    statement: Statement
    match: dict[str, Value]
    keys: dict[str, Value]
    sets: list[Statement] = field(default_factory=list)


def planned(
    block: list[Statement], level: Level, server: Server, names: Names, keys: Mapping[str, Value],
    stays: Callable[[str, str], bool], kept: Collection[str],
) -> list[First] | None:  # fmt: skip
    """What becomes routes; ``None``: not all that may end a request can be a route.  ``keys``: of the route."""
    found: list[First] = []
    sets: list[Statement] = []
    given: dict[str, Value] = {}
    for each in block:
        file = maintenance(each, names)
        if file is not None and not {"allow", "deny", "respond"} & keys.keys() and "maintenance" not in given:
            given["maintenance"] = file
            continue
        if not leaves(each, stays, kept):
            if leaves(each, stays):
                stays = _never  # what follows may not be asked
            if each.name == "rewrite" or any(inner.name == "rewrite" for inner in each.block or []) or may_stop(each):
                stays = _never  # what follows may see another path
            sets.append(each)
            continue
        match = _match(each, level, server, names)
        if match is None or stays is _never:
            return None
        found.append(First(each, match, dict(given), list(sets)))
    return found


def _never(_expression: str, _path: str) -> bool:
    return False


def _match(statement: Statement, level: Level, server: Server, names: Names) -> dict[str, Value] | None:
    block = statement.block or []
    answers = [each for each in block if each.name == "return"]
    if statement.name != "if" or len(answers) != 1 or any(each.name not in _IN_IF for each in block):
        return None
    if _leads_on(answers[0].value, level, server):
        return None
    try:
        return _condition(stripped(statement.args), names)
    except Unsayable:
        return None


def _condition(words: list[str], names: Names) -> dict[str, Value] | None:
    """As keys of a route; ``None``: a route cannot say it.  Raises :class:`Unsayable`."""
    asked, operator, value = words if len(words) == 3 else [*words, "", ""][:3]
    value = names.expand(value)
    if asked in ("$request_method", "${request_method}"):
        listed = _methods(operator, value)
        return {"methods": listed} if listed else None
    match = _ASKED.fullmatch(asked)
    if match is None or any(name for _, name in pieces(value)):
        return None
    if match[1] == "http" and _NOT_AS_SENT.fullmatch(match[2]):
        return None
    name = field_name(match[2]) if match[1] == "http" else match[2]
    compared: dict[str, Value] = {
        "": {"regex": ".", "except": "0"},
        "=": {"except": {"regex": "."}},
        "!=": {"regex": "."},
    }
    if len(words) == 1 or (operator in ("=", "!=") and not value):
        return {_TABLES[match[1]]: {name: compared[operator]}}
    said: Value = value
    if operator.lstrip("!") in ("~", "~*"):
        said = {"regex": ("(?i)" if operator.endswith("*") else "") + re2_of(value)}
        if _is_found(value, ""):
            return None  # also in a field that there is not
    elif operator not in ("=", "!="):
        return None
    return {_TABLES[match[1]]: {name: {"except": said} if operator[0] == "!" else said}}


def _is_found(expression: str, text: str) -> bool:
    try:
        return re.search(expression, text) is not None
    except re.error:
        return True


def _methods(operator: str, value: str) -> list[str]:
    words = [value]
    if operator in ("~", "~*"):
        match = _LISTED.fullmatch(value)
        words = match[1].split("|") if match is not None else []
        words = [word.upper() for word in words] if operator == "~*" else words
    elif operator != "=":
        return []
    is_known = all(word in _METHODS for word in words) and ("GET" in words) == ("HEAD" in words)
    return [word for word in words if word != "HEAD"] if is_known else []


def route(first: First, level: Level, names: Names, parts: Parts, guards: Guards) -> Draft:
    """Raises :class:`Unsayable`."""
    inner = Level("if", first.statement.block or [], level)
    answer = next(each for each in inner.block if each.name == "return")
    draft = Draft(first.match, dict(first.keys))
    texts = [word for each in (answer, *inner.all("add_header")) for word in each.args]
    if any(name in guards.is_used for text in texts for _, name in pieces(names.expand(text))):
        draft.before += guards.lines(first.sets)
    try:
        draft.keys |= returned(answer, names, inner)
    except Unsayable:
        draft.before.append(guards.returned(answer, names.captures))
        draft.keys["respond"] = {"status": 500}  # never sent: the hook answers
    put_fields(draft, inner, names, parts)
    if any("found[" in line or "found." in line for line in (*draft.before, *draft.after)):
        raise Unsayable("groups of the location's expression in what an `if` answers before its restrictions")
    mark(first.statement)
    return draft


def slash(draft: Draft, path: str, level: Level, names: Names, parts: Parts) -> None:
    """nginx redirects ``/users`` to ``/users/`` before it restricts anything."""
    del draft.match["slash"]
    given = as_sent(path)
    redirect = Draft({"exact": given.rstrip("/")}, {"redirect": {"to": given, "status": 301}})
    put_fields(redirect, level, names, parts)
    draft.early.append(redirect)
