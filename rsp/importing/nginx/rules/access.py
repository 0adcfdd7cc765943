"""Which clients come in: ``allow``, ``deny``, ``auth_basic``, ``auth_request``, ``limit_req``, ``limit_conn``.

A restriction that cannot be said raises :class:`Unsayable`: the location must not be served then.
"""

import re
from collections.abc import Mapping
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.addresses import in_order, masked
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.units import size
from rsp.importing.nginx.values.variables import Names, Unsayable, field, pieces
from rsp.importing.site import Value

LIMITS: Final = ("limit_req", "limit_conn")
RESTRICTING: Final = ("allow", "deny", "auth_basic", "auth_request", "limit_except", "internal")
EVERYONE: Final = ["0.0.0.0/0", "::/0", "unix:"]
_NOT_COPIED: Final = frozenset(  # which rsp writes itself, or which the client gets where the service says no
    """
    location www_authenticate x_forwarded_for x_forwarded_proto x_forwarded_host via x_request_id content_type
    content_length connection transfer_encoding upgrade
    """.split()  # noqa: SIM905 - a list of words
)
_GUESS: Final = "10r/s"
_FULL: Final = (  # never empty
    "binary_remote_addr", "remote_addr", "proxy_protocol_addr", "server_name", "server_port", "server_addr", "host",
    "http_host", "uri", "request_uri", "document_uri", "request_method", "scheme",
)  # fmt: skip
_CACHING: Final = re.compile(r"\w+_(?:cache(?:_\w+)?|no_cache)|access_log|location")
_RATE: Final = re.compile(r"rate=(\d+)r/([sm])")


def networks(level: Level, keys: dict[str, Value]) -> None:
    """``allow`` and ``deny``: nginx takes the first that matches, rsp any ``deny`` before any ``allow``.

    Raises :class:`Unsayable`.
    """
    rules: list[tuple[bool, str]] = []
    closed = False
    for statement in level.all("allow", "deny"):
        if statement.value == "all":
            closed = statement.name == "deny"
            break
        rules.append((statement.name == "allow", masked(statement.value)))
    allowed: list[Value] = [network for allows, network in rules if allows]
    denied: list[Value] = [network for allows, network in rules if not allows]
    if closed and not allowed:
        keys["deny"] = EVERYONE
        return
    kinds = [allows for allows, _ in rules]
    if kinds != sorted(kinds):  # an allow before a deny
        found: list[Value] = [*in_order(rules, closed=closed)]
        allowed, denied = (found, []) if closed else ([], found)
    if closed:
        keys["allow"] = allowed if len(allowed) > 1 else allowed[0]
    if denied:
        keys["deny"] = denied


def passwords(level: Level, keys: dict[str, Value], names: Names) -> None:
    """Raises :class:`Unsayable`."""
    realm = level.last("auth_basic")
    file = level.last("auth_basic_user_file")
    if realm is None or realm.value == "off":
        return
    if file is None:
        raise Unsayable("auth_basic without auth_basic_user_file lets no client in")
    if not names.is_plain(file.value):
        raise Unsayable("the file of passwords depends on the request")
    auth: dict[str, Value] = {"basic": names.expand(file.value)}
    if not names.is_plain(realm.value):
        return  # its variable may be `off`: hooked.py
    if names.expand(realm.value) == "off":
        return
    auth["realm"] = names.expand(realm.value)
    keys["auth"] = auth


def differ(one: Level, other: Level, *, returns: bool = False) -> bool:
    """Whether ``other`` keeps clients out that ``one`` lets in: an internal redirect to it cannot be said then.

    ``returns``: its ``return`` does not count.
    """
    if other.has("limit_except") or (other.has("return") and not returns) or not _only_sets(other):
        return True
    return restricts(one, other)


def restricts(one: Level, other: Level) -> bool:
    """Whether ``other`` lets clients in by other addresses or passwords than ``one``, or asks another service."""
    for names in (("allow", "deny"), ("auth_basic",), ("auth_request",)):
        asked = other.all(*names)
        if asked and asked[-1].value != "off" and (asked[0].name, asked[0].value) != ("allow", "all"):
            for each in (names, ("satisfy",), ("auth_basic_user_file",)):
                if _said(one, *each) != _said(other, *each):
                    return True
    return False


def _only_sets(level: Level) -> bool:
    """Whether each ``if`` does nothing but set variables that caches alone ask for."""
    block = [each for one in level.block if one.name == "if" for each in one.block or []]
    if any(each.name not in ("set", "access_log") for each in block):
        return False
    given = {each.value.strip("${}") for each in block if each.name == "set"}
    if not given:
        return True
    said = (each for outer in level.around() for each in outer.block if not _CACHING.fullmatch(each.name))
    texts = (word for each in said for word in (each.args[1:] if each.name == "set" else each.args))
    return not any(name in given for text in texts for _, name in pieces(text))


def _said(level: Level, *names: str) -> list[tuple[str, list[str]]]:
    return [(each.name, each.args) for each in level.all(*names)]


def satisfy(level: Level, keys: dict[str, Value]) -> None:
    if level.value("satisfy", "all") != "any" or "auth" not in keys:
        return
    if keys.get("deny") not in (None, EVERYONE):
        raise Unsayable("rsp serves no client that `deny` names: satisfy any lets those with a password in")
    allowed: list[Value] = [each.value for each in level.all("allow", "deny")]
    if "all" in allowed and "deny" not in keys and "allow" not in keys:
        del keys["auth"]  # all clients are allowed
        return
    if allowed and "deny" not in keys:
        keys.setdefault("allow", allowed)
    if "allow" in keys:
        keys["any"] = True
    elif keys.get("deny") == EVERYONE:
        del keys["deny"]  # clients with a password are served


class Zones:
    """``limit_req_zone`` and ``limit_conn_zone``, by name: key, and rate.

    ``guesses``: the file is a part of a configuration, so that zones may be defined elsewhere.
    """

    def __init__(self, http: Level, *, guesses: bool = False) -> None:
        self.guesses = guesses
        self._used: set[str] = set()
        self._rates: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, str] = {}
        for statement in http.own("limit_req_zone"):
            key, *others = statement.args
            match = next((found for found in map(_RATE.fullmatch, others) if found), None)
            if match is not None:
                self._rates[_zone(others)] = key, f"{match[1]}r/{match[2]}"
        for statement in http.own("limit_conn_zone"):
            key, *others = statement.args
            self._counts[_zone(others)] = key

    def put(self, level: Level, keys: dict[str, Value], names: Names, parts: Parts) -> list[str]:
        """``rate_limit`` and ``concurrency`` of a route; lines of a hook for keys that may be empty."""
        lines: list[str] = []
        rates = [
            rate
            for statement in _enforced(level, "limit_req", parts)
            if (rate := self._rate(statement, level, names, parts, lines)) is not None
        ]
        if rates:
            keys["rate_limit"] = rates[0] if len(rates) == 1 else rates
        counts: list[Value] = []
        table: dict[str, Value]
        for statement in _enforced(level, "limit_conn", parts):
            zone, count, *_ = [*statement.args, ""]
            key = self._counts.get(zone)
            if key is None and self.guesses:
                key = "$binary_remote_addr"
                parts.note(statement, f'zone "{zone}" is defined elsewhere: that it counts by client is a guess')
            if key is None or not count.isdigit():
                parts.lost(statement, f'there is no limit_conn_zone "{zone}" here')
                continue
            status = level.value("limit_conn_status", "503")
            if may_be_empty(key):
                table = {"name": zone, "max": int(count)}
                lines += self._counted("conn", key, table, status, statement, names, parts)
                continue
            self._use(f"limit_conn {zone}", statement, parts)
            said = self._key(key, statement, names, parts)
            if said is not None:
                table = {"max": int(count)}
                if said != "{client}":
                    table["key"] = said
                if status != "503":
                    table["status"] = int(status)
                counts.append(table)
        if counts:
            keys["concurrency"] = counts[0] if len(counts) == 1 else counts
        slow = level.last("limit_rate")
        if slow is not None and slow.value not in ("0", ""):
            keys["bandwidth"] = {"down": size(slow.value)}
        return lines

    def _rate(self, statement: Statement, level: Level, names: Names, parts: Parts, lines: list[str]) -> Value:
        words = dict(word.partition("=")[::2] for word in statement.args)
        name = words.get("zone", "")
        zone = self._rates.get(name)
        if zone is None and self.guesses:
            zone = "$binary_remote_addr", _GUESS
            parts.note(statement, f'zone "{name}" is defined elsewhere: {_GUESS} for each client is a guess')
        if zone is None:
            parts.lost(statement, f'there is no limit_req_zone "{name}" here')
            return None
        key, rate = zone
        table: dict[str, Value] = {"rate": rate}
        if words.get("burst", "0") != "0":
            table["burst"] = int(words["burst"])
            if "nodelay" not in words:
                parts.note(statement, "rsp delays no request: those within `burst` pass at once, as with nodelay")
        status = level.value("limit_req_status", "503")
        if may_be_empty(key):
            lines += self._counted("rate", key, {"name": name, **table}, status, statement, names, parts)
            return None
        self._use(f"limit_req {name}", statement, parts)
        said = self._key(key, statement, names, parts)
        if said is None:
            return None
        if said != "{client}":
            table = {"rate": rate, "key": said, **table}
        if status != "429":
            table["status"] = int(status)
        return table

    def _use(self, name: str, statement: Statement, parts: Parts) -> None:
        if name in self._used:
            parts.note(statement, "locations that share a zone share its count in nginx; each route of rsp has its own")
        self._used.add(name)

    @staticmethod
    def _counted(
        kind: str, key: str, table: dict[str, Value], status: str, statement: Statement, names: Names, parts: Parts
    ) -> list[str]:
        """nginx does not count requests whose key is empty."""
        try:
            value = names.lua(names.expand(key))
        except Unsayable as error:
            parts.lost(statement, f"requests cannot be counted by {key}: {error}")
            return []
        said = ", ".join(f"{word} = {quoted(each) if isinstance(each, str) else each}" for word, each in table.items())
        return [
            f"local counted = {value}",
            f'if counted ~= "" and not limit.{kind}{{ key = counted, {said} }} then return respond({status}) end',
        ]

    @staticmethod
    def _key(key: str, statement: Statement, names: Names, parts: Parts) -> str | None:
        try:
            if key == "$server_name":
                return "all"
            return names.text(key)
        except Unsayable as error:
            parts.lost(statement, f"requests cannot be counted by {key}: {error}")
            return None


def may_be_empty(key: str) -> bool:
    """Of a key by which requests are counted."""
    return all(not text and name not in _FULL for text, name in pieces(key))


def _zone(words: list[str]) -> str:
    return next((word[5:].split(":")[0] for word in words if word.startswith("zone=")), "")


def service(level: Level, keys: dict[str, Value], upstream_of: Mapping[str, tuple[str, str]]) -> None:
    """``auth_request``: another service is asked.  ``upstream_of``: upstream and path, by the location's path.

    Raises :class:`Unsayable`.
    """
    statement = level.last("auth_request")
    if statement is None or statement.value == "off":
        return
    found = upstream_of.get(statement.value)
    if found is None:
        raise Unsayable(f"auth_request {statement.value}: its location does not lead to an upstream")
    if "auth" in keys:
        raise Unsayable("rsp has one `auth` for a route: a password or another service")
    upstream, path = found
    auth: dict[str, Value] = {"forward": upstream, "path": path, "style": "auth_request"}
    copied = _copied(level)
    if copied:
        auth["copy"] = copied
    keys["auth"] = auth


def _copied(level: Level) -> list[str]:
    """Fields of the service's answer that variables stand for."""
    fields = [told.removeprefix("$http_") for told in of_service(level).values() if told]
    if logins(level) & {word.strip("${}") for each in level.all("error_page") for word in each.args[-1:]}:
        fields.append("location")
    return list(dict.fromkeys(field(name) for name in fields))


def logins(level: Level) -> set[str]:
    """Variables for where the service that refuses a client sends it."""
    sets = level.all("auth_request_set") if level.value("auth_request", "off") != "off" else []
    return {each.value.strip("${}") for each in sets if each.args[1:] == ["$upstream_http_location"]}


def of_service(level: Level, *, is_named: bool = False) -> dict[str, str]:
    """``auth_request_set``: what its variables are, once rsp has copied fields of the service's answer.

    Cookies that it sets reach the client by themselves.  Where no service is asked, the variables are empty; a named
    location has those of the one that leads there (:func:`hide`).
    """
    known: dict[str, str] = {}
    for statement in level.all("auth_request_set"):
        name, value = [*statement.args, "", ""][:2]
        match = re.fullmatch(r"\$\{?upstream_http_(\w+?)\}?", value)
        if match is not None and match[1] not in _NOT_COPIED:
            is_asked = is_named or level.value("auth_request", "off") != "off"
            known[name.lstrip("$")] = f"$http_{match[1]}" if is_asked and match[1] != "set_cookie" else ""
    return known


def set_in_vain(server: Statement) -> dict[str, str]:
    """Variables that ``auth_request_set`` of the service's own location alone sets: nginx leaves them empty."""
    block = every([server])
    services = {each.value for each in block if each.name == "auth_request"}
    inside = [each for each in block if each.name == "location" and "".join(each.args[-1:]) in services]
    own = [each for location in inside for each in location.block or [] if each.name == "auth_request_set"]
    names = {each.value.lstrip("$") for each in own}
    others = {each.value.lstrip("$") for each in block if each.name == "auth_request_set" and each not in own}
    return dict.fromkeys(names - others, "")


def hide(keys: dict[str, Value], server: list[Statement]) -> None:
    """Peers get what the service has answered under the names that the file gives it, and no others.

    ``server``: its block.  Raises :class:`Unsayable` where the client would be believed in the place of the service.
    """
    auth = keys.get("auth")
    copied = auth.get("copy", []) if isinstance(auth, dict) else []
    given = keys.get("request_headers")
    table: dict[str, Value] = dict(given) if isinstance(given, dict) else {}
    block = every(server) if "{header." in str(given) else []  # of many locations: that takes a while
    for told in of_service(Level("server", block), is_named=True).values():
        name = field(told.removeprefix("$http_"))
        if told and f"{{header.{name}}}" in str(given) and name not in (copied if isinstance(copied, list) else []):
            raise Unsayable(f"no service is asked for {name} here, which peers are sent")
    sets, removed = table.get("set"), table.pop("remove", [])
    own = {name.lower() for name in sets} if isinstance(sets, dict) else set[str]()
    listed = list(removed) if isinstance(removed, list) else []
    listed += [name for name in (copied if isinstance(copied, list) else []) if str(name).lower() not in own]
    if copied and listed and {"to", "else_to"} & keys.keys():
        keys["request_headers"] = {"remove": listed, **table}


def _enforced(level: Level, name: str, parts: Parts) -> list[Statement]:
    found = level.all(name)
    if not level.is_on(f"{name}_dry_run"):
        return found
    for statement in found:
        parts.note(statement, f"{name}_dry_run: nginx counts here and refuses no request; rsp does neither")
    return []
