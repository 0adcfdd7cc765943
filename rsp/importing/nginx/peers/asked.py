"""``proxy_pass`` by variables: the peer that a hook finds once a request has come, as nginx's resolver does."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.peers import proxy
from rsp.importing.nginx.peers.upstreams import Block
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.variables import Names
from rsp.importing.site import Declaration

_NOBODY: Final = "192.0.2.1:9"  # RFC 5737: in no network
_CLIENTS: Final = re.compile(r"\$\{?(?:arg_|http_|cookie_|uri|request_uri|args|\d)")
_PARTED: Final = (
    'local scheme, address, target = (URL):match("^(https?)://([^/?]*)(.*)$")',
    "if not scheme then return respond(500) end",
    'if target ~= "" then',
    '  local path, query = target:match("^([^?]*)%??(.*)$")',
    '  req.path, req.query = url.decode(path ~= "" and path or "/"), query',
    "end",
)
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


class Asked(Struct):
    """``upstream``: of the route; ``lines``: the end of its hook."""

    upstream: str
    lines: list[str]


def by_hook(
    statement: Statement, level: Level, names: Names, blocks: Mapping[str, Block], result: Result, parts: Parts,
    *, keeps_host: bool,
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
        lines = [f"local address = {names.lua(address)}", *(proxy.whole_target(uri, names) if uri else [])]
    table = f"({{ {', '.join(given)} }})[{called}]" if len(given) > 1 else tables[scheme]
    lines.append(f"return ask(req, {called}, address, {table}, {str(keeps_host).lower()})")
    result.script(_FUNCTION)
    if _CLIENTS.search(address if match is not None else statement.value):
        parts.note(
            statement, "clients say which peer is asked, as in nginx: see to it that they reach only what they may"
        )
    return Asked(_open(schemes[0], level, names, result), lines)


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
