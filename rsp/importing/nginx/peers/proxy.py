"""``proxy_pass``, ``grpc_pass`` and what belongs to them: the upstream, the path that it is asked for, the rules."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from rsp.importing.lua import quoted
from rsp.importing.nginx.peers.upstreams import Block, wish, with_port
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.maps import named_groups
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_URL: Final = re.compile(
    r"(?P<scheme>https?|grpcs?)://(?P<host>unix:[^:]+|\[[^\]]*\](?::\d+)?|[^/?]*)(?::(?=/|$))?(?P<uri>[/?].*)?",
    re.DOTALL,
)
_WHOLE: Final = re.compile(r"\$(?:request_uri|uri\$is_args\$args)$")
_MAPPED: Final = (
    "rewrite_location maps the Path of cookies as well, and a Location that is only a path; nginx does not; where "
    "other locations need these cookies, take rewrite_location out of the route"
)
_STATUSES: Final = ("http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429")
Compiled = Callable[[str], str]  # the name of a pattern, of ``~expression`` or ``~*expression``

_MOST: Final = 1000  # tries that rsp has


class Target(Struct):
    """``uri``: what is asked for in the place of the location's path; ``None``: the path as it is.

    ``host``: nginx's ``$proxy_host``; ``is_computed``: there were variables in it, so ``uri`` is all of the path.
    """

    upstream: str
    host: str
    uri: str | None
    is_computed: bool = False
    port: str = ""

    def names(self, around: Names) -> Names:
        """With the variables that nginx has of the peer."""
        constants = {**around.constants, "proxy_host": self.host, "proxy_port": self.port}
        return Names(
            constants, around.functions, around.captures, around.has_response, around.has_groups, around.is_rewritten
        )


def target(
    statement: Statement, level: Level, names: Names, blocks: Mapping[str, Block], result: Result, parts: Parts
) -> Target:
    """Of a ``proxy_pass`` or ``grpc_pass``.  Raises :class:`Unsayable`."""
    said = names.expand(statement.value)
    family = statement.name.removesuffix("_pass")
    if family == "grpc" and "://" not in said:
        said = f"grpc://{said}"
    match = _URL.fullmatch(as_address(said))
    if match is None:
        raise Unsayable("the address of the peer is not known before a request comes")
    host = match["host"]
    if "$" in host or not host:
        raise Unsayable(f"the peer {host} is not known before a request comes")
    if re.fullmatch(r"[^\[\]:]+:\d*:\d*", host):
        raise Unsayable(f"{host} is no address of a peer: it has two ports")
    uri = match["uri"]
    is_computed = "$" in statement.value
    secure = match["scheme"] in ("https", "grpcs")
    keys: dict[str, Value] = {}
    if secure:
        keys["tls"] = tls(level, host, names, family)
    if family == "grpc" or level.value("proxy_http_version") == "2":
        keys["http"] = 2
    retry(level, keys, parts, family)
    block = blocks.get(host)
    port = 443 if secure else 80
    if block is not None:
        if not block.peers:
            raise Unsayable(f"upstream {host} has no peers")
        name = result.upstream(block.name, list(block.peers), {**block.keys, **keys}, block.statement)
        shown = host
    else:
        address = with_port(host, port)
        if address.startswith("unix:") and isinstance(keys.get("tls"), dict):
            keys["tls"] = {"name": "localhost", **_table(keys["tls"])}
        name = result.upstream(wish(address), [address], keys, statement)
        shown = "localhost" if host.startswith("unix:") else re.sub(rf":{port}$", "", host)
    if uri == "$request_uri" and names.is_rewritten:
        raise Unsayable("a rewrite has changed the path, and the peer gets that of the client")
    if uri in ("$request_uri", "$uri$is_args$args", "$uri"):
        uri = None
    said_port = re.search(r":(\d+)$", host)
    return Target(name, shown, uri, is_computed, said_port[1] if said_port is not None else str(port))


def as_address(url: str) -> str:
    """Without what only repeats the request's own target; a target behind a path is that path and the request's."""
    bare = _WHOLE.sub("", url)
    return bare if re.fullmatch(r"[^/]*//[^/?]*", bare) or bare == url else f"{bare}$uri$is_args$args"


def is_open(statement: Statement, names: Names) -> bool:
    """Whether the peer is not known before a request comes."""
    match = _URL.fullmatch(as_address(names.expand(statement.value)))
    return match is None or "$" in match["host"]


def _table(value: Value) -> dict[str, Value]:
    return dict(value) if isinstance(value, dict) else {}


def tls(level: Level, host: str, names: Names, family: str) -> Value:
    """``family``: what its directives begin with, ``proxy`` or ``grpc``."""
    keys: dict[str, Value] = {}
    is_verified = level.is_on(f"{family}_ssl_verify")
    said = level.value(f"{family}_ssl_name")
    sends_name = level.is_on(f"{family}_ssl_server_name")
    bare = re.sub(r":\d+$", "", host)
    if said:
        plain = names.expand(said)
        keys["name"] = bare if plain == "$proxy_host" else plain
        if "$" in str(keys["name"]):
            raise Unsayable(f"{family}_ssl_name has variables")
    elif (is_verified or sends_name) and not host.startswith("unix:") and re.search(r"[A-Za-z]", bare):
        keys["name"] = bare
    if not is_verified:
        keys["verify"] = False
    for theirs, ours in (
        ("ssl_trusted_certificate", "ca"),
        ("ssl_crl", "crl"),
        ("ssl_certificate", "certificate"),
        ("ssl_certificate_key", "key"),
        ("ssl_password_file", "password"),
    ):
        value = level.value(f"{family}_{theirs}")
        if value and not (ours in ("ca", "crl") and not is_verified):
            keys[ours] = value
    protocols = level.last(f"{family}_ssl_protocols")
    if protocols is not None and protocols.args == ["TLSv1.3"]:
        keys["min"] = "1.3"
    return keys or True


def retry(level: Level, keys: dict[str, Value], parts: Parts, family: str) -> None:
    """``retry`` of the upstream."""
    said: dict[str, Value] = {}
    following = level.last(f"{family}_next_upstream")
    if following is not None:
        if "off" in following.args:
            said["tries"] = 1
        statuses = [int(word[5:]) for word in following.args if word in _STATUSES]
        if any(status < 429 for status in statuses):
            parts.note(following, "rsp takes 403 and 404 of a peer for responses, and asks no other peer")
        statuses = [status for status in statuses if status >= 429]
        if statuses:
            said["on"] = statuses
        if "non_idempotent" in following.args:
            parts.note(following, "rsp never sends a request twice that is not idempotent (POST, PATCH)")
    tries = level.value(f"{family}_next_upstream_tries")
    if tries.isdigit() and tries != "0":
        said["tries"] = min(int(tries), _MOST)
    if said:
        keys["retry"] = said


def rewritten(place: Target, keys: dict[str, Value], names: Names, prefix: str | None) -> list[str]:
    """``rewrite`` of the route, or lines of its hook, where the peer is asked for another path.

    Raises :class:`Unsayable`.
    """
    if place.uri is None:
        return []
    uri = place.uri
    for tail in ("$is_args$args", "?$args", "?$query_string"):
        uri = uri.removesuffix(tail)
    whole = "exact" in keys or "regex" in keys
    says_path = whole or re.search(r"\$\{?(?:document_)?uri\b", uri) is not None
    if place.is_computed and not (says_path and (uri != place.uri or (whole and "?" in uri))):
        return whole_target(place.uri, names)  # whatever the request is for, without the query of the client
    said = names.text(uri)
    if prefix is None or whole or said != prefix:
        keys["rewrite"] = said
    return []


def whole_target(uri: str, names: Names) -> list[str]:
    """Lines of a hook: what peers are asked for, whatever the client asks for.  Raises :class:`Unsayable`."""
    path, mark, query = uri.partition("?")
    bare = path.removesuffix("$is_args$args")
    if query in ("$args", "$query_string"):
        bare, path = path, ""
    lines = [f"req.path = {names.lua(bare or '/')}"]
    return lines if bare != path else [*lines, f"req.query = {names.lua(query) if mark else quoted('')}"]


def redirected(
    level: Level, place: Target, keys: dict[str, Value], sends_own_host: bool, names: Names, parts: Parts,
    compiled: Compiled,
) -> list[str]:  # fmt: skip
    """``proxy_redirect``: keys of the route, or lines for a hook with ``res``."""
    found = level.all("proxy_redirect")
    if any(statement.value == "off" for statement in found):
        return []
    said = [statement for statement in found if statement.value != "default"]
    is_default = len(said) < len(found) or (not found and not place.is_computed)
    if is_default and (sends_own_host or "rewrite" in keys) and not ("exact" in keys or "regex" in keys):
        if "rewrite" not in keys:
            keys["rewrite"] = keys.get("path", "/")
        if "{" not in str(keys["rewrite"]):
            keys["rewrite_location"] = True
            if keys["rewrite"] != keys.get("path", "/"):
                parts.note(level.last("proxy_pass") or level.last("grpc_pass"), _MAPPED)
        elif keys["rewrite"] == keys.get("path", "/"):
            del keys["rewrite"]
    lines = _replaced(said, names, parts, compiled)
    return ['local location = res.headers["Location"]', "if location then", *indented(lines), "end"] if lines else []


def _replaced(statements: list[Statement], names: Names, parts: Parts, compiled: Compiled) -> list[str]:
    """The first one that fits changes ``location``."""
    if not statements:
        return []
    statement, *others = statements
    rest = _replaced(others, names, parts, compiled)
    try:
        before, condition, new = replacement(statement, "location", names, compiled)
    except Unsayable as error:
        parts.lost(statement, str(error))
        return rest
    instead = ["else", *indented(rest)] if rest else []
    return [before, f"if {condition} then", f'  res.headers["Location"] = {new}', *instead, "end"]


def replacement(statement: Statement, value: str, names: Names, compiled: Compiled) -> tuple[str, str, str]:
    """A line that reads the first argument, the condition that ``value`` fits, and what is in the place of it then.

    Raises :class:`Unsayable`.
    """
    if len(statement.args) != 2:
        raise Unsayable("it has no second argument")
    old, new = statement.args
    if old.startswith("~"):
        groups = named_groups(old)
        known = Names(names.constants, names.functions, groups, has_response=True, is_rewritten=names.is_rewritten)
        return f"local found = {compiled(old)}.match({value})", "found", known.lua(new)
    rest = f"{value}:sub(#old + 1)"
    made = names.lua(new)
    return (
        f"local old = {names.lua(old)}",
        f"{value}:sub(1, #old) == old",
        rest if made == '""' else f"{made} .. {rest}",
    )


def indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
