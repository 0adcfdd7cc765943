"""What holds for the whole file: compression, proxies before it, its user."""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.addresses import masked
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.units import size
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Setting, Value

COMPRESSING: Final = tuple(
    f"{name}{what}" for name in ("gzip", "brotli", "zstd") for what in ("", "_types", "_comp_level", "_min_length")
)
_NOWHERE: Final = "192.0.2.1"  # in no network (RFC 5737)
_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+*-]+")


def whole(main: Level, http: Level, result: Result) -> list[str]:
    """Settings; the proxies before it whose word counts."""
    for statement in (*main.own("user"), *http.own("user")):
        result.settings.append(Setting("user", statement.value, statement.origin))
        if len(statement.args) > 1:
            result.settings.append(Setting("group", statement.args[1], statement.origin))
    for statement in main.own("worker_processes"):
        if statement.value.isdigit() and 1 <= int(statement.value) <= 128:
            result.settings.append(Setting("workers", int(statement.value), statement.origin))
    for statement in main.own("worker_cpu_affinity"):
        if statement.args == ["auto"]:
            result.settings.append(Setting("cpu_affinity", "auto", statement.origin))
        else:  # of another machine, perhaps
            result.settings.note(statement, f"where these CPUs are, pin workers: {_affinity(statement.args)}")
    trusted = _trusted(http, result)
    compress = compression(http, result)
    if compress:
        result.settings.append(Setting("compress", compress))
    return trusted


def _affinity(words: list[str]) -> str:
    """nginx's masks have a bit for each CPU, the first one last."""
    found = [[str(number) for number, bit in enumerate(reversed(word)) if bit == "1"] for word in words]
    return f"cpu_affinity = {{ {', '.join(quoted(','.join(numbers)) for numbers in found if numbers)} }}"


def _trusted(http: Level, result: Result) -> list[str]:
    levels = [http, *(Level("server", each.block or [], http) for each in http.block if each.name == "server")]
    levels += [
        Level("location", inner.block or [])
        for level in levels[1:]
        for inner in level.block
        if inner.name == "location"
    ]
    statements = [statement for level in levels for statement in level.own("set_real_ip_from")]
    headers = [statement for level in levels for statement in level.own("real_ip_header")]
    for level in levels:
        level.own("real_ip_recursive")
    trusted = list(dict.fromkeys(address for statement in statements for address in _proxies(statement, result)))
    by_header = [statement for statement in headers if statement.value != "proxy_protocol"]
    if not trusted:
        return []
    if headers and not by_header:
        return trusted
    result.set("trusted", trusted, statements[0])
    servers = [each for each in http.block if each.name == "server"]
    if not http.has("set_real_ip_from") and len(servers) > 1:
        result.settings.note(statements[0], "rsp believes `trusted` proxies in all servers, not only in this one")
    for statement in by_header:
        if statement.value.lower() not in ("x-forwarded-for", "x-real-ip"):
            text = (
                f"rsp takes the client's address from X-Forwarded-For of `trusted` proxies, not from {statement.value}"
            )
            result.settings.note(statement, text)
    if not by_header:
        result.settings.note(statements[0], "nginx reads X-Real-IP here; rsp reads X-Forwarded-For")
    return trusted


def _proxies(statement: Statement, result: Result) -> list[str]:
    """The addresses of a proxy, which nginx may know by its name."""
    name = statement.value
    if name == "localhost":
        return ["127.0.0.1", "::1"]
    if not re.fullmatch(r"[A-Za-z][\w.\-]*", name):
        return [masked(name)]
    said = f"nginx looks up the address of {name} when it starts: put it in `trusted`, where {_NOWHERE} stands"
    result.settings.note(statement, said)
    return [_NOWHERE]


def compression(level: Level, result: Result) -> Value:
    """Of ``gzip`` and its like at this level; ``None``: nothing is said."""
    words = {name: level.last(name) for name in ("gzip", "brotli", "zstd")}
    on = [name for name, statement in words.items() if statement is not None and statement.value == "on"]
    for name in words:
        level.all(f"{name}_types", f"{name}_comp_level", f"{name}_min_length", f"{name}_static")
    if not on:
        return None
    keys: dict[str, Value] = {}
    names = {"gzip": "gzip", "brotli": "br", "zstd": "zstd"}
    keys["algorithms"] = [names[name] for name in ("zstd", "brotli", "gzip") if name in on]
    types = next((found for name in on if (found := level.last(f"{name}_types")) is not None), None)
    listed = ["text/html", *(types.args if types is not None else [])]
    if "*" in listed:
        listed = ["*"]
    kinds = [word for word in listed if word == "*" or _TYPE.fullmatch(word)]
    for word in dict.fromkeys(listed):
        if word not in kinds:
            result.settings.note(types, f"no response has the type {word}, so it is left out")
    if "application/javascript" in kinds:
        kinds.append("text/javascript")  # as rsp calls the same files
    keys["types"] = list(dict.fromkeys(kinds))
    smallest = level.last(f"{on[0]}_min_length")
    try:
        least = size(smallest.value) if smallest is not None else "20"
        keys["min_size"] = int(least) if least.isdigit() else least
    except Unsayable as error:
        if smallest is not None:
            result.settings.lost(smallest, str(error))
    depth = level.value(f"{on[0]}_comp_level")
    if depth.isdigit() and 1 <= int(depth) <= 9:
        keys["level"] = int(depth)
    return keys
