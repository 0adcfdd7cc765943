"""Fields of requests and responses: ``proxy_set_header``, ``add_header``, ``proxy_hide_header`` and their like.

What rsp sends by itself (X-Forwarded-For and its kind, Connection and Upgrade) is left out; what has no placeholder
becomes a line of a hook.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from rsp.http.names import fold
from rsp.importing.lua import index, quoted
from rsp.importing.nginx.rules import more_headers, substitutions
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_HAS_TEXT: Final = re.compile(r'(?:^| \.\. )"[^"]+"(?: \.\. |$)')  # an expression of Lua that is never empty
_NEVER_EMPTY: Final = re.compile(r"req\.(?:method|host|path|scheme|client|target|id)")
_IN_HOOKS: Final = {
    "{uri}": "req.target",
    "{scheme}": "req.scheme",
    "{host}": "req.host",
    "{authority}": '(req.headers.Host or "")',
}
_OWN_PORTS: Final = frozenset(("80", "443"))
_FRAMING: Final = frozenset(
    ("content-length", "transfer-encoding", "te", "trailer", "keep-alive", "proxy-connection", "expect")
)
OWN: Final = _FRAMING | {"connection", "upgrade"}  # what rsp writes by itself
_OF_RSP: Final = frozenset(("www-authenticate", "location", "retry-after", "allow"))  # in what rsp itself answers
SINGLE: Final = frozenset(("server", "date", "content-type", "etag", "last-modified"))  # what a response has once
_LEFT_TO_RSP: Final = {
    "x-forwarded-for": ("$proxy_add_x_forwarded_for", "$remote_addr", "$binary_remote_addr", "$realip_remote_addr"),
    "x-forwarded-proto": ("$scheme",),
    "x-forwarded-host": ("$host", "$http_host", "$host:$server_port"),
    "x-request-id": ("$request_id",),
}
_OF_CLIENT: Final = re.compile(r"\{(?:header|cookie)\.")
_READS: Final = re.compile(r"= .*req\.(?:headers|cookies)\b")
_NO_FIELDS: Final = (
    "for name in pairs(req.headers) do",
    '  if name ~= "Host" then req.headers[name] = nil end',
    "end",
)
_FORWARDED: Final = frozenset(
    ("$http_x_forwarded_for", "$http_x_forwarded_proto", "$http_x_forwarded_host", "$http_x_real_ip")
)
# Of the response, when there is none: nginx has no value for these.
_NOT_YET: Final = re.compile(
    r"\$\{?upstream_(?:addr|status|cache_status|bytes_\w+|queue_time|(?:connect|header|first_byte|response)_time|"
    r"response_length|http_\w+|cookie_\w+|trailer_\w+)\b\}?"
)


class Rules(Struct):
    """``request``, ``response``: keys of a route; ``before``, ``after``: lines for hooks with ``req`` and ``res``.

    ``host``: what peers get as Host: ``client``, ``peer`` (nginx's own default), or a text.
    ``has_peer``: peers answer; ``keeps``: caches may keep responses, so that errors must not say so; ``by_hook``: it
    is a hook that says so.
    """

    request: dict[str, dict[str, Value]] = field(default_factory=dict)
    response: dict[str, dict[str, Value]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    host: str = "peer"
    has_peer: bool = False
    keeps: bool = False
    by_hook: bool = False


def request_rules(level: Level, names: Names, parts: Parts, ports: frozenset[str], rules: Rules) -> None:
    """What peers are sent.  ``ports``: of the listeners that the requests come in at."""
    family = level.family()
    found = level.all(f"{family}_set_header")
    said = {(statement.value.lower(), *statement.args[1:2]) for statement in found}  # the same twice is sent once
    own = {*OWN, *_LEFT_TO_RSP, "host"}
    repeated = {key for key, number in Counter(key for key, *_ in said).items() if number > 1 and key not in own}
    for statement in found:
        if len(statement.args) < 2:
            parts.lost(statement, "it has no value")
            continue
        if statement.value.lower() in repeated:
            continue
        name, value = statement.args[0], names.expand(statement.args[1])
        if value == "$slice_range":
            parts.note(statement, "rsp asks peers for the parts that clients ask for: there are no slices")
            continue
        try:
            _request_field(name, value, names, parts, statement, ports, rules)
        except Unsayable as error:
            parts.lost(statement, str(error))
    for key in sorted(repeated):
        _repeated([each for each in found if each.value.lower() == key and each.args[1:]], names, parts, rules)
    changed: list[str] = []
    for change in more_headers.changes(level, "input_headers"):
        try:
            if any(name.lower() in {*OWN, "host"} for name, _ in change.fields):
                raise Unsayable("rsp import does not change this field before the request is passed on")
            changed += more_headers.lines(change, names, "req")
        except Unsayable as error:
            parts.lost(change.statement, str(error))
    rules.before[:0] = changed
    if level.value(f"{family}_pass_request_body") == "off":
        rules.before.append('req.body = ""')
    rules.before += _sent(level, names, parts)
    if level.value(f"{family}_pass_request_headers") == "off":
        rules.before[:0] = _without_fields(found, names, rules)


def _sent(level: Level, names: Names, parts: Parts) -> list[str]:
    """Method and body that peers get in the place of the client's."""
    lines: list[str] = []
    method, body = level.last("proxy_method"), level.last("proxy_set_body")
    try:
        if method is not None and method.value not in ("$request_method", "HEAD"):
            said = names.lua(names.expand(method.value).upper() if names.is_plain(method.value) else method.value)
            lines.append(f'if req.method ~= "HEAD" then req.method = {said} end')
            parts.note(method, "rsp does not change the method of HEAD requests")
        if body is not None and body.value != "$request_body":
            lines.append(f"req.body = {names.lua(body.value)}")
    except Unsayable as error:
        parts.lost(method or level.all("proxy_set_body")[-1], str(error))
    return lines


def _without_fields(statements: list[Statement], names: Names, rules: Rules) -> list[str]:
    """What the file sets of the client's fields is read before these are left out."""
    if any(_READS.search(line) for line in rules.before):
        raise Unsayable("rsp import does not leave out the fields of a request that a hook reads later")
    kept: list[str] = []
    put: list[str] = []
    given = rules.request.get("set", {})
    for statement in statements:
        if statement.args[1:] and _OF_CLIENT.search(str(given.get(statement.value))):
            del given[statement.value]
            kept.append(f"local kept_{len(kept) + 1} = {names.lua(names.expand(statement.args[1]))}")
            put += if_not_empty("set", statement.value, f"kept_{len(kept)}", table="req")
    if not given:
        rules.request.pop("set", None)
    return [*kept, *_NO_FIELDS, *put]


def _repeated(statements: list[Statement], names: Names, parts: Parts, rules: Rules) -> None:
    """A field that is set more than once has several lines."""
    try:
        values = [names.lua(value) for each in statements if (value := names.expand(each.args[1]))]
    except Unsayable as error:
        parts.lost(statements[0], str(error))
        return
    rules.before.append(f"req.headers{index(statements[0].value)} = {{ {', '.join(values)} }}")


def _request_field(
    name: str, value: str, names: Names, parts: Parts, statement: Statement, ports: frozenset[str], rules: Rules
) -> None:
    key = name.lower()
    if key == "host":
        rules.host = _host(value, names, ports)
        if not rules.host:
            rules.before.append(f"req.host = {names.lua(value)}")
            rules.host = "client"
        return
    if key in ("connection", "upgrade") or key in _FRAMING:
        if key in _FRAMING and value:
            parts.note(statement, f"{name} is rsp's own to write; it is left out")
        return
    if value in _LEFT_TO_RSP.get(key, ()):
        return
    if value in _FORWARDED:
        parts.note(
            statement,
            f"{value}: rsp believes {name} of proxies in `trusted` only; "
            'name the proxy before it: trusted = { "10.0.0.0/8" }',
        )
        return
    value = _NOT_YET.sub("", value)
    if not value:
        rules.removed.append(name)
        return
    if value == "$server_port" and len(ports) == 1:
        value = next(iter(ports))
    given = rules.request.get("set", {})
    try:
        if _clashes(name, given):
            raise Unsayable("peers may take the two names for one")
        rules.request["set"] = {**given, name: _text(value, names)}
    except Unsayable:
        said = names.lua(value)
        if said.startswith('"') or said.endswith('"') or _NEVER_EMPTY.fullmatch(said):
            rules.before.append(f"req.headers{index(name)} = {said}")
        else:
            rules.before += [f"local value = {said}", f'req.headers{index(name)} = value ~= "" and value or nil']


def _clashes(name: str, given: Mapping[str, Value]) -> bool:
    """Whether another name has letters in the other case, or ``_`` for ``-``: rsp refuses these beside each other."""
    return any(each != name and fold(each.encode()) == fold(name.encode()) for each in given)


def _text(value: str, names: Names) -> str:
    """Raises :class:`Unsayable`, also where rsp would send an empty field, and nginx none."""
    if value in ("$args", "$query_string"):
        raise Unsayable("the query may be empty")
    return names.text(value)


def _host(value: str, names: Names, ports: frozenset[str]) -> str:
    """Empty: a hook sets it."""
    if value in ("$http_host", "$host:$server_port"):
        return "client"
    if value == "$host":
        return "client" if ports <= _OWN_PORTS else "{host}"
    if value == "$proxy_host":
        return "peer"
    return value if names.is_plain(value) else ""


def hidden(level: Level) -> list[str]:
    """Fields of peers that clients do not get."""
    return [word for statement in level.all(f"{level.family()}_hide_header") for word in statement.args]


def rules_behind(behind: Level | None, names: Names, rules: Rules) -> None:
    """Of the location that is asked where there is no file.  Raises :class:`Unsayable`."""
    if behind is not None:
        rules.hidden += hidden(behind)
        rules.after += more_headers.of_peer(behind, names)


def response_rules(level: Level, names: Names, parts: Parts, rules: Rules, *, adds: bool = True) -> None:
    """What clients are sent.  ``adds``: also what add_header says."""
    rules.hidden += hidden(level)
    added = level.all("add_header") if adds else []
    rules.by_hook = rules.has_peer or any(each.args[2:] == ["always"] for each in added)
    for statement in added:
        if len(statement.args) < 2:
            parts.lost(statement, "it has no value")
            continue
        _added("add", statement.args[0], statement.args[1], statement, names, parts, rules)
    rules.after += substitutions.lines(level, names.with_response(), parts)
    for change in more_headers.changes(level):
        if not change.is_plain:
            try:
                rules.after += more_headers.lines(change, names.with_response(), "res")
            except Unsayable as error:
                parts.lost(change.statement, str(error))
            continue
        for name, value in change.fields:
            key = name.lower()
            given = rules.response.get("set", {})
            rules.response["set"] = {each: text for each, text in given.items() if each.lower() != key}
            rules.hidden = [each for each in rules.hidden if each.lower() != key]
            if value:
                _added("set", name, value, change.statement, names, parts, rules)
            else:
                rules.hidden.append(name)
    rules.hidden = [name for name in rules.hidden if name.lower() not in OWN]  # these never pass on from a peer


def _added(way: str, name: str, value: str, statement: Statement, names: Names, parts: Parts, rules: Rules) -> None:
    key = name.lower()
    said = names.expand(value)
    if key in ("etag", "last-modified") and not said:
        rules.hidden.append(name)
    if not said:
        return
    if "$upstream_cache_status" in said or "$srcache" in said:
        parts.note(statement, "rsp has no response cache, so it does not say whether a response is from one")
        return
    if key == "alt-svc" and "h3" in said:
        parts.note(statement, "rsp does not speak HTTP/3, so it does not announce it")
        return
    if key in SINGLE and way == "add":
        way = "set"
    if key in OWN:
        parts.note(statement, f"{name} is rsp's own to write; it is left out")
        return
    try:
        if key == "cache-control" and way == "add" and statement.args[2:] != ["always"]:
            rules.keeps = True
            if rules.by_hook:
                inside = if_not_empty("add", name, names.with_response().lua(said))
                rules.after += ["if res.status < 400 then", *(f"  {line}" for line in inside), "end"]
                return
        text = _text(said, names)
        given = rules.response.setdefault(way, {})
        name = next((each for each in given if each.lower() == key), name)
        before = given.get(name)
        if (key == "set-cookie" and before is not None) or _clashes(name, given):
            rules.after += if_not_empty("add", name, names.with_response().lua(said))
            return
        given[name] = text if before is None or before == text else f"{before}, {text}"
    except Unsayable:
        try:
            rules.after += if_not_empty(way, name, names.with_response().lua(said))
        except Unsayable as error:
            parts.lost(statement, str(error))


def if_not_empty(way: str, name: str, value: str, table: str = "res") -> list[str]:
    """nginx adds no field without a value."""
    if value == '""':
        return []
    at = f"{table}.headers"
    start, end = (f"{at}:add({quoted(name)}, ", ")") if way == "add" else (f"{at}{index(name)} = ", "")
    if _HAS_TEXT.search(value):
        return [f"{start}{value}{end}"]
    return ["do", f"  local value = {value}", f'  if value ~= "" then {start}value{end} end', "end"]


def put(rules: Rules, keys: dict[str, Value], peer: str) -> bool:
    """Into the keys of a route; whether peers get a Host that is not the client's.  ``peer``: nginx's own Host."""
    table: dict[str, Value] = dict(rules.request)
    if rules.removed:
        table = {"remove": rules.removed, **table}
    if rules.host == "{host}":
        given = table.get("set")
        table["set"] = {"Host": "{host}", **(given if isinstance(given, dict) else {})}
    if table:
        keys["request_headers"] = table
    if rules.host in ("client", "{host}"):
        return False
    keys["send_host"] = peer if rules.host == "peer" else rules.host
    return True


def _keep_hidden(rules: Rules) -> None:
    """What a hook asks for is hidden by the hook, once it has been read."""
    for number, name in enumerate(dict.fromkeys(rules.hidden), 1):
        asked = f"res.headers{index('-'.join(part.capitalize() for part in name.split('-')))}"
        if any(asked in line for line in rules.after):
            kept = f"hidden_{number}"
            lines = [line.replace(asked, kept) for line in rules.after]
            rules.after[:] = [f"local {kept} = {asked}", f"{asked} = nil", *lines]
            rules.hidden = [each for each in rules.hidden if each != name]


def before_rewrites(keys: dict[str, Value], before: list[str]) -> list[str]:
    """``$request_uri`` stays the client's where a hook changes the path: ``before``, behind lines for such fields."""
    table = keys.get("request_headers")
    given = table.get("set") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(given, dict) or not any("req.path = " in line for line in before):
        return before
    lines: list[str] = []
    for name, text in list(given.items()):
        parts = [part for part in re.split(r"(\{\w+\})", str(text)) if part]
        if "{uri}" in parts and all(part in _IN_HOOKS or not part.startswith("{") for part in parts):
            said = " .. ".join(_IN_HOOKS.get(part, quoted(part)) for part in parts)
            lines.append(f"req.headers{index(name)} = {said}")
            given = {key: value for key, value in given.items() if key != name}
    rest = {key: value for key, value in table.items() if key != "set"}
    left: dict[str, Value] = {**rest, **({"set": given} if given else {})}
    if left:
        keys["request_headers"] = left
    else:
        del keys["request_headers"]
    return [*lines, *before]


def taken(keys: dict[str, Value], name: str) -> str:
    """The text that a route adds as ``name``, which a hook is to add instead; empty: there is none."""
    table = keys.get("response_headers")
    given = table.get("add") if isinstance(table, dict) else None
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(table, dict) or not isinstance(given, dict) or not isinstance(value, str) or "{" in value:
        return ""
    rest: dict[str, Value] = {key: each for key, each in given.items() if key != name}
    others = {key: each for key, each in table.items() if key != "add"}
    left: dict[str, Value] = {**others, **({"add": rest} if rest else {})}
    keys["response_headers"] = left
    if not left:
        del keys["response_headers"]
    return value


def put_response(rules: Rules, keys: dict[str, Value]) -> None:
    _keep_hidden(rules)
    table: dict[str, Value] = {way: given for way, given in rules.response.items() if given}
    added = {name.lower() for fields in rules.response.values() for name in fields}
    own = [name for name in dict.fromkeys(rules.hidden) if name.lower() in _OF_RSP - added]
    if own:  # only those of peers
        rules.after[:0] = ["if not res.own then", *(f"  res.headers{index(name)} = nil" for name in own), "end"]
        rules.hidden = [name for name in rules.hidden if name not in own]
    if rules.hidden:
        table = {"remove": list({name.lower(): name for name in reversed(rules.hidden)}.values())[::-1], **table}
    if rules.keeps and not rules.by_hook and "files" in keys:
        table["own"] = False
    if table:
        keys["response_headers"] = table
