"""Words for what a route is for that people bring from other programs, and what says the same in rsp."""

import re
from typing import Any, Final

import msgspec

from rsp.config.answers import Redirect
from rsp.config.routes import Route
from rsp.config.units import show

_ORDER: Final = (
    "the order is: exact, regex as declared, the longest path; first = true gives a path precedence over them; among "
    "equal routes, the first declared wins"
)  # fmt: skip

_LOOKAROUND: Final = re.compile(r"\(\?<?[=!]")
_BACKREFERENCE: Final = re.compile(r"\\[1-9]")
_NGINX: Final = re.compile(r"(~\*?|=|\^~)\s*(.*)", re.DOTALL)

_OF_ROUTE: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("hosts", "hostname", "hostnames", "domain", "domains", "servername", "servernames", "vhost", "serveralias"),
        'in rsp: host = { "example.com", "*.example.com", "app.*" }',
    ),
    **dict.fromkeys(("hostregex", "hostregexp"), 'in rsp: host = "*.example.com" or "app.*"'),
    **dict.fromkeys(
        ("method", "verb", "verbs", "limitexcept"), 'in rsp: methods = { "GET", "POST" }; GET includes HEAD'
    ),
    **dict.fromkeys(("header", "fields", "matchheaders", "requireheaders"), 'in rsp: headers = { ["X-Beta"] = "1" }'),
    **dict.fromkeys(
        ("headerregexp", "headersregexp", "headerregex", "useragent", "hdrreg", "hdrsub", "hdrbeg"),
        'in rsp: headers = { ["User-Agent"] = { regex = "(?i)bot" } }',
    ),
    **dict.fromkeys(
        ("queryparams", "queryparameters", "querystring", "params", "parameters", "args", "arguments"),
        'in rsp: query = { v = "2" }',
    ),
    "queryregexp": 'in rsp: query = { v = { regex = "^[0-9]+$" } }',
    **dict.fromkeys(("cookie", "cookieregexp", "cook"), 'in rsp: cookies = { beta = "1" }'),
    **dict.fromkeys(
        ("clients", "clientip", "clientips", "remoteip", "remoteaddr", "source", "sources", "sourceip", "src"),
        'in rsp: client = { "10.0.0.0/8" }; to refuse all others, allow = { "10.0.0.0/8" }',
    ),
    **dict.fromkeys(("exactpath", "pathexact", "equals", "equal", "fullpath", "eq"), 'in rsp: exact = "/healthz"'),
    **dict.fromkeys(
        ("regexp", "pathregex", "pathregexp", "pattern", "expression", "re", "matches", "pathreg"),
        'in rsp: regex = "^/users/([0-9]+)$"',
    ),
    **dict.fromkeys(("paths", "prefixes", "pathprefixes", "uris"), "a route has one path; declare a route for each"),
    **dict.fromkeys(
        ("trailingslash", "appendslash", "redirectslash", "redirectslashes", "strictslash", "absoluteredirect"),
        'in rsp: slash = "redirect"',
    ),
    **dict.fromkeys(("priority", "order", "rank", "precedence", "weight"), _ORDER),
    "last": _ORDER,
}
_OF_REDIRECT: Final = {
    "permanent": "in rsp: status = 301; 308 keeps the method",
    **dict.fromkeys(("code", "statuscode", "type"), "in rsp: status = 301"),
    **dict.fromkeys(("url", "target", "location", "replacement", "uri"), 'in rsp: to = "https://www.example.com{uri}"'),
    **dict.fromkeys(("scheme", "https"), 'in rsp: to = "https://{host}{uri}"; for a listener: redirect = "https"'),
    **dict.fromkeys(("regex", "pattern", "from", "path"), "it belongs to the route, beside redirect"),
}  # fmt: skip
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {Route: _OF_ROUTE, Redirect: _OF_REDIRECT}


def modifier(text: str) -> str:
    """What to write instead of a path or expression with nginx's mark before it: ``"~" is nginx's; ...``; or ``""``."""
    found = _NGINX.fullmatch(text)
    if found is None:
        return ""
    mark, rest = found[1], written(found[2])
    ways = {"=": f"exact = {rest}", "^~": f"path = {rest}, first = true", "~*": f"regex = {written('(?i)' + found[2])}"}
    return f'"{mark}" is nginx syntax; write {ways.get(mark, f"regex = {rest}")}'


def written(regex: str) -> str:
    """As it has to be written in Lua, where a backslash begins an escape in quotes."""
    return f"[[{regex}]]" if "\\" in regex and "]]" not in regex else show(regex)


def without_lookaround(regex: str, way: str) -> str:
    """What to do without what RE2 does not have; ``way``: in the place of lookahead."""
    if _LOOKAROUND.search(regex):
        return f"; RE2 has no lookahead and no lookbehind: {way}"
    return "; RE2 has no back-references" if _BACKREFERENCE.search(regex) else ""


def query(given: Any) -> str:
    """A table in the place of a text such as ``v=2``."""
    text = next((part for part in (given if isinstance(given, list) else [given]) if isinstance(part, str)), "v=2")
    name, _, value = text.lstrip("?").partition("&")[0].partition("=")
    return f"{{ {name if name.isidentifier() else f'[{show(name)}]'} = {show(value or '...')} }}"
