"""``proxy_pass`` by variables: the peer that a hook finds once a request has come, as nginx's resolver does."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.peers import proxy
from rsp.importing.nginx.peers.upstreams import Block
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Names, pieces
from rsp.importing.site import Declaration

_NOBODY: Final = "192.0.2.1:9"  # RFC 5737: in no network
_CLIENTS: Final = re.compile(r"\$\{?(?:arg_|http_|cookie_|uri|request_uri|args|\d)")
_AS_TARGET: Final = (
    'if target ~= "" then',
    '  local path, query = target:match("^([^?]*)%??(.*)$")',
    '  req.path, req.query = url.decode(path ~= "" and path or "/"), query',
    "end",
)
_PARTED: Final = (
    'local scheme, address, target = (URL):match("^(https?)://([^/?]*)(.*)$")',
    "if not scheme then return respond(500) end",
    *_AS_TARGET,
)
_NAMES: Final = ("host", "http_host", "server_name", "server_port", "server_addr", "remote_addr", "scheme")
_ANY_LETTER: Final = re.compile(r"[./]|\[\^|\\[SDW]")  # of an expression that may match a slash
_FUNCTION: Final = """\
local function ask(req, scheme, address, named, keeps_host)
  if not keeps_host then req.host = address end
  if named[address] then return proxy(named[address]) end
  local host, port = address:match("^(.-):?(%d*)$")
  if address:match("%]$") or not address:match(":%d+$") then
    host, port = address, scheme == "https" and "443" or "80"
  end
  if not host:match("^[%d.]+$") and not host:match("^%[") then
    if not host:match("^[%w._-]+$") then return respond(502) end
    local found = dns.resolve(host)
    if not found or not found[1] then return respond(502) end
    host = found[1]:find(":", 1, true) and "[" .. found[1] .. "]" or found[1]
  end
  return proxy{ upstream = named[""], peer = host .. ":" .. port }
end"""


class Known(Struct):
    """The values of variables.  ``expression``: of the location; ``values``: all that a map can give."""

    level: Level
    expression: str
    values: Callable[[str], list[str]]

    def is_name(self, name: str) -> bool:
        """Whether the variable never has a slash, so that it is a part of the peer's name alone."""
        if name in _NAMES:
            return True
        given = [each.args[1] for level in self.level.around() for each in every(level.block) if _sets(each, name)]
        values = given or self.values(name)
        if values:
            return not any(letter in value for value in values for letter in "/$")
        group = _group(self.expression, name)
        return bool(group) and not _ANY_LETTER.search(re.sub(r"\\[.]|\[\^[^\]]*/[^\]]*\]", "x", group))


def _sets(statement: Statement, name: str) -> bool:
    return statement.name == "set" and statement.value == f"${name}" and len(statement.args) == 2


def _group(expression: str, name: str) -> str:
    """What stands in the group that has this name, or number; empty: there is none, or it has groups inside."""
    groups = re.findall(r"(?<!\\)\((?!\?[:=!])(?:\?P?<(\w+)>)?([^()]*)\)", expression)
    numbered: dict[str, str] = {str(number): inside for number, (_, inside) in enumerate(groups, 1)}
    if len(groups) != len(re.findall(r"(?<!\\)\((?!\?[:=!])", expression)):
        numbered = {}
    named: dict[str, str] = {called: inside for called, inside in groups if called}
    return named.get(name) or numbered.get(name, "")


class Asked(Struct):
    """``upstream``: of the route; ``lines``: the end of its hook."""

    upstream: str
    lines: list[str]


def by_hook(
    statement: Statement, level: Level, names: Names, blocks: Mapping[str, Block], result: Result, parts: Parts,
    known: Known, *, keeps_host: bool,
) -> Asked:  # fmt: skip
    """Raises :class:`rsp.importing.nginx.values.variables.Unsayable` where a variable is not known."""
    match = re.fullmatch(
        r"(https?|\$\{?scheme\}?)://([^/?]*?)([/?].*)?", proxy.as_address(names.expand(statement.value)), re.DOTALL
    )
    scheme, address, uri = match.groups() if match is not None else ("$", "$", None)
    schemes = ["http", "https"] if scheme.startswith("$") else [scheme]
    tables = {each: _named(each, statement, level, names, blocks, result, parts) for each in schemes}
    given = [f"{index(each)} = {table}" for each, table in tables.items()]
    called = names.lua(scheme) if match is not None else "scheme"
    if match is None:
        lines = [line.replace("URL", names.lua(names.expand(statement.value))) for line in _PARTED]
    else:
        is_open = any(name and not known.is_name(name) for _, name in pieces(address))
        lines = _cut(address, uri, names) if is_open else _plain(address, uri, names)
    table = f"({{ {', '.join(given)} }})[{called}]" if len(given) > 1 else tables[scheme]
    lines.append(f"return ask(req, {called}, address, {table}, {str(keeps_host).lower()})")
    result.script(_FUNCTION)
    if _CLIENTS.search(address if match is not None else statement.value):
        parts.note(
            statement, "clients say which peer is asked, as in nginx: see to it that they reach only what they may"
        )
    return Asked(_open(schemes[0], level, names, result), lines)


def _plain(address: str, uri: str | None, names: Names) -> list[str]:
    return [f"local address = {names.lua(address)}", *(proxy.whole_target(uri, names) if uri else [])]


def _cut(address: str, uri: str | None, names: Names) -> list[str]:
    """nginx puts the whole text together before it looks for the slash behind the host."""
    if not uri:
        return [f'local address, target = ({names.lua(address)}):match("^([^/?]*)(.*)$")', *_AS_TARGET]
    first, *rest = proxy.whole_target(uri, names)
    parted = f'local address, above = ({names.lua(address)}):match("^([^/]*)(.*)$")'
    return [parted, first.replace("req.path = ", "req.path = above .. ", 1), *rest]


def _named(
    scheme: str, statement: Statement, level: Level, names: Names, blocks: Mapping[str, Block], result: Result,
    parts: Parts,
) -> str:  # fmt: skip
    """The name of a table of Lua: the upstreams of the file by name, and by an empty name that for all other peers."""
    found = {"": _open(scheme, level, names, result)}
    for name, block in blocks.items():
        if block.peers:
            url = Statement("proxy_pass", [f"{scheme}://{name}"], statement.origin)
            found[name] = proxy.target(url, level, names, blocks, result, parts).upstream
    called = re.sub(r"\W", "_", f"named_{found['']}")
    listed = "".join(f"  {index(name)} = {quoted(upstream)},\n" for name, upstream in found.items())
    result.script(f"local {called} = {{\n{listed}}}")
    return called


def _open(scheme: str, level: Level, names: Names, result: Result) -> str:
    """The upstream that says how peers are asked which the file does not name."""
    keys = {"tls": proxy.tls(level, "", names, "proxy")} if scheme == "https" else {}
    name = result.upstream(f"any-{scheme}", [_NOBODY], keys, None)
    for part in result.upstreams:
        if isinstance(part, Declaration) and part.name == name and not part.comments:
            part.comments.append("Hooks name the peers; this one stands for them, and is not asked.")
    return name
