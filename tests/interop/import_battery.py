"""Requests for a configuration of nginx, told from its own servers and locations.

Nothing here knows what the response should be: the oracle sends each request to nginx and to rsp.
"""

import re
from collections.abc import Iterator, Sequence
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import NamedTuple

Block = list[dict]

GENERAL = (
    "/", "/?q=1&q=2", "/index.html", "/missing", "/missing/", "/a/../b", "/a/./b//c", "/%2e%2e/up", "//double/x", "/.git/config",
    "/.htaccess", "/x.php", "/x.php/info", "/css/app.css", "/app.js?v=1", "/name~", "/docs", "/docs/", "/a%20b.txt", "/%C3%A9",
    "/?a=%20b+c&d=%2F%26&e", "/?", "/a?q=<b>'\"|", "/empty", "/empty/", "/about", "/about.html/", "/index.php?x=1", "/index.html?x=1",
)  # fmt: skip
FIELDS = (
    (("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "203.0.113.7")),
    (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")),
    (("User-Agent", "curl/8"), ("Referer", "https://elsewhere.test/"), ("Cookie", "session=1; beta=1"), ("Accept-Encoding", "gzip")),
    (("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"), ("Accept-Language", "de"), ("User-Agent", "Googlebot/2.1"), ("Cookie", "lang=fr")),
    (("If-None-Match", '"none"'), ("Range", "bytes=0-3"), ("Referer", "https://example.com/x"), ("User-Agent", "")),
    (("Origin", "https://app.test"), ("Authorization", "Basic dXNlcjpzZWNyZXQ="), ("X-Custom", "value")),
)  # fmt: skip
SIZES = (900_000, 1_100_000)  # below and above what nginx takes without client_max_body_size
METHODS = ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


class Request(NamedTuple):
    """``port``: as written in the configuration; ``fields``: besides Host; ``size``: of the body, 0: by method."""

    method: str
    port: int
    host: str
    target: str
    fields: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    size: int = 0

    def __str__(self) -> str:
        scheme = "https" if self.tls else "http"
        return " ".join(
            [
                self.method,
                f"{scheme}://{self.host}:{self.port}{self.target}",
                *map(": ".join, self.fields),
                *([f"({self.size} bytes)"] if self.size else []),
            ]
        )


def battery(blocks: Block, *, general: bool = True) -> list[Request]:
    """``blocks``: what is in ``http``, as crossplane parses it.  ``general``: also methods, fields and odd targets."""
    found: dict[Request, None] = {}
    for server in _all(blocks, "server"):
        inside = server["block"]
        listens = [_listen(each["args"]) for each in _all(inside, "listen")] or [(80, False)]
        names = [name for each in _all(inside, "server_name") for name in each["args"]] or ["_"]
        for port, tls in listens:
            for host in dict.fromkeys(host for name in names for host in _hosts(name)):
                for request in _of_server(inside, general):
                    found[request._replace(port=port, host=host, tls=tls)] = None
    return list(found)


def _of_server(inside: Block, general: bool) -> Iterator[Request]:
    plain = Request("GET", 0, "", "/")
    targets = dict.fromkeys(["/", "/missing?q=1", "/docs/guide.html"])
    firsts = ["/"]
    for location in _locations(inside):
        found = list(_targets(location["args"]))
        firsts += found[:1]
        targets.update(dict.fromkeys(found if general else found[:3]))
    targets.update(dict.fromkeys(_of_both(inside)))
    for target in [*targets, *(GENERAL if general else ())]:
        yield plain._replace(target=target)
    said = str(inside)
    several = [each for number, each in enumerate(FIELDS) if general or number < 2 or _is_asked(each, said)]
    for target in dict.fromkeys(firsts):
        for fields in several:
            yield plain._replace(target=target, fields=fields)
        for method in METHODS if general or "$request_method" in said else METHODS[:2]:
            yield plain._replace(target=target, method=method)
        for size in SIZES if general else ():
            yield plain._replace(target=target, method="POST", size=size)


def _is_asked(fields: tuple[tuple[str, str], ...], said: str) -> bool:
    """Whether the configuration looks at one of ``fields``."""
    return any(f"$http_{name.lower().replace('-', '_')}" in said for name, _ in fields)


def _all(blocks: Block, name: str) -> Iterator[dict]:
    return (each for each in blocks if each["directive"] == name)


def _locations(blocks: Block) -> Iterator[dict]:
    for each in blocks:
        if each["directive"] == "location":
            yield each
        yield from _locations(each.get("block") or [])


def _of_both(blocks: Block) -> Iterator[str]:
    """For expressions inside of expressions: what each matches, one behind the other."""
    for each in _locations(blocks):
        for inner in _all(each["block"], "location"):
            pairs = [location["args"] for location in (each, inner)]
            if all(words[0] in ("~", "~*") for words in pairs):
                one, other = (_samples(words[-1]) for words in pairs)
                for before, behind in ((one, other), (other, one)):
                    yield from (f"/{(start + end).lstrip('/')}" for start in before for end in behind)


def _listen(words: Sequence[str]) -> tuple[int, bool]:
    port = words[0].rsplit(":", 1)[-1]
    return int(port) if port.isdigit() else 80, "ssl" in words


def _hosts(name: str) -> list[str]:
    if name in ("_", "", "localhost") or name.startswith("$"):
        return ["unknown.test"]
    if name.startswith("~"):
        return _samples(name[1:])[:1] or ["unknown.test"]
    if name.startswith("."):
        return [name[1:], f"sub{name}"]
    return [name.replace("*", "sub"), *([name.upper()] if "*" not in name else [])][:1]


def _targets(words: Sequence[str]) -> Iterator[str]:
    kind, pattern = words if len(words) == 2 else ("", words[0])
    if pattern.startswith("@"):
        return
    if kind in ("~", "~*"):
        for sample in _samples(pattern):
            target = sample if sample.startswith("/") else f"/{sample}"
            yield from (target, f"{target}x", f"{target}/more?q=1", f"/before{target}", target.upper())
        return
    bare = pattern.rstrip("/")
    yield pattern
    yield from (f"{bare}/deep/er.txt?q=1&r=a%20b", f"{pattern}x", bare or "/", f"{bare}/", f"{bare}/../secret", f"{bare}/index.html",
                f"{bare}/a.php", f"{pattern.upper()}y", f"/{''.join(f'%{ord(c):02x}' for c in pattern[1:2])}{pattern[2:]}z", f"/{pattern}", f"{bare}/%2e%2e/up",
                f"{bare}/a%2Fb%3Fc", f"{bare};x=1", f"{bare}/docs/", f"{bare}/docs", f"{bare}/a+b%C3%A9")  # fmt: skip


def _samples(pattern: str) -> list[str]:
    """Strings that a regular expression matches: the first of all alternatives, and the last."""
    pattern = re.sub(r"\(\?<(?![=!])", "(?P<", pattern)
    try:
        tree = parser.parse(pattern)
    except re.error:
        return []
    return list(dict.fromkeys(_sample(tree, pick) for pick in (0, -1)))


def _sample(tree: Sequence, pick: int) -> str:
    out = ""
    for kind, value in tree:
        if kind is kinds.LITERAL:
            out += chr(value)
        elif kind is kinds.NOT_LITERAL:
            out += "x" if value != ord("x") else "y"
        elif kind is kinds.ANY:
            out += "x"
        elif kind is kinds.IN:
            out += _of_set(value)
        elif kind is kinds.BRANCH:
            out += _sample(value[1][pick], pick)
        elif kind is kinds.SUBPATTERN:
            out += _sample(value[3], pick)
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            out += _sample(value[2], pick) * max(value[0], 1 if pick == 0 else 0)
    return out


def _of_set(items: Sequence) -> str:
    if items and items[0][0] is kinds.NEGATE:
        barred = {value for kind, value in items[1:] if kind is kinds.LITERAL}
        return next(c for c in "xyz0" if ord(c) not in barred)
    kind, value = items[0]
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.RANGE:
        return chr(value[0])
    return {kinds.CATEGORY_DIGIT: "7", kinds.CATEGORY_SPACE: " ", kinds.CATEGORY_WORD: "w"}.get(value, "x")
