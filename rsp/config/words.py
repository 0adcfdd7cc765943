"""Words that people bring from nginx, HAProxy, Caddy, Traefik and Envoy, and what says the same in rsp.

One table, by the word in lower case without underscores.  A new key of rsp's own that is such a word is taken off it.
"""

import re
from collections.abc import Iterable
from typing import Final

from rsp.config import (
    auth_words,
    compress_words,
    cpus,
    discovery_words,
    fastcgi_words,
    files_words,
    grpc_words,
    http2_words,
    limit_words,
    observe_words,
    proxy_protocol_words,
    response_words,
    store_words,
    traffic_words,
    value_words,
)
from rsp.config.errors import suggest
from rsp.config.routes import Route
from rsp.config.schema import Settings
from rsp.config.tls_words import SAID

_NIL: Final = re.compile(r"attempt to (?:call|index) (?:global '(\w+)' \(a nil|a nil value \(global '(\w+)')")
_CALLED: Final = re.compile(r"attempt to call (?:global '(\w+)' \(|a \w+ value \(global '(\w+)')")
_INDEXED: Final = re.compile(r"attempt to index (?:global '(\w+)' \(|a \w+ value \(global '(\w+)')")
_FIELD: Final = re.compile(r"attempt to (?:call|index) (?:field|a nil value \(field) '(\w+)'")
# How else the two parameters of hooks are written.
_PARAMETERS: Final = {
    **dict.fromkeys(("reg", "rec", "rq", "request"), "req"),
    **dict.fromkeys(("resp", "response"), "res"),
}
_MEMBER: Final = re.compile(r"\b(req|res)\.(\w+): unknown field; known: ([\w, ]+)$")
_NEAR: Final = re.compile(r":(\d+): .* near '(.*)'$")
_SYNTAX: Final = re.compile(r":(\d+): (?:'=' expected|syntax error|malformed number) near '(.*)'$")
_STATEMENTS: Final = frozenset(("listen", "upstream", "route", "page", "certificate", "local", "function", "if", "end"))
_SHORT: Final = 4  # characters: "https" is no plural
_NOT_IN_LUA: Final = {
    **dict.fromkeys(("execute", "popen"), "rsp does not run programs"),
    **dict.fromkeys(("exit",), "a signal stops rsp; error(...) rejects a configuration"),
    **dict.fromkeys(
        ("getenv", "open", "lines", "remove", "rename", "tmpname"),
        "Lua in rsp has no access to files and the environment",
    ),
}
# What other programs call the fields of req and res.
_MEMBERS: Final = {
    "uri": "path", "url": "path", "request_uri": "path", "querystring": "query", "query_string": "query",
    "remote_addr": "client", "ip": "client", "verb": "method", "code": "status", "status_code": "status",
}  # fmt: skip
_ROUTE = 'route { host = "example.com", path = "/", to = "app" }'
_UPSTREAM = 'upstream "app" { "10.0.0.1:8000" }'
_LISTEN = 'listen "0.0.0.0:8080"'
_SET = 'request_headers = { set = { ["X-Name"] = "value" } } in a route'
_ADD = 'response_headers = { set = { ["X-Name"] = "value" } } in a route'
_HOOK = "a hook: on_request(function(req) ... end)"
_FAILURES = 'failures = { count = 3, out = "1s" } in an upstream'
_NO_CACHE = "rsp has no cache yet"

_SAID: Final[dict[str, str]] = {
    # the whole instance
    "clientmaxbodysize": 'limits = { body = "10MB" }',
    "largeclientheaderbuffers": 'limits = { line = "8KB", head = "32KB" }',
    "clientheaderbuffersize": 'limits = { head = "32KB" }',
    **dict.fromkeys(("maxsize", "requestbody"), 'limits = { body = "10MB" }'),
    "servertokens": "rsp sends no version; leave it out",
    "forwardfor": "rsp sends X-Forwarded-For by itself; leave it out",
    "clientheadertimeout": 'timeouts = { head = "10s" }',
    "clientbodytimeout": 'timeouts = { body = "30s" }',
    "sendtimeout": 'timeouts = { send = "60s" }',
    "keepalivetimeout": 'timeouts = { idle = "75s" }',
    "proxyconnecttimeout": 'timeouts = { connect = "3s" }',
    "proxyreadtimeout": 'timeouts = { response = "60s", read = "60s" }',
    "proxysendtimeout": 'timeouts = { response = "60s" }',
    "timeout": 'timeouts = { response = "60s" }',
    **dict.fromkeys(("timeoutconnect", "dialtimeout"), 'timeouts = { connect = "3s" }'),
    **dict.fromkeys(("timeoutserver", "readtimeout", "writetimeout"), 'timeouts = { response = "60s", read = "60s" }'),
    "timeoutclient": 'timeouts = { body = "30s", send = "60s" }',
    "timeouthttprequest": 'timeouts = { head = "10s" }',
    "timeouttunnel": 'timeouts = { tunnel = "1h" }',
    "timeoutqueue": 'queue = { timeout = "1s" } in an upstream',
    "workershutdowntimeout": 'timeouts = { shutdown = "30s" }',
    "gracefultimeout": 'timeouts = { shutdown = "30s" }',
    "workerprocesses": 'workers = "auto"',
    "nbthread": 'workers = "auto"',
    "nbproc": 'workers = "auto"',
    "threads": 'workers = "auto"',
    "processes": 'workers = "auto"',
    "workerconnections": "limits = { connections = 10000 }",
    "maxconn": "limits = { connections = 10000 }, or max_conns = 100 in an upstream",
    "events": "limits = { connections = 10000 }; there is no block for it",
    "pid": 'pid_file = "/run/rsp.pid"',
    "daemon": "rsp stays in the foreground; a service manager starts it",
    "daemonize": "rsp stays in the foreground; a service manager starts it",
    "resolver": 'dns = { servers = { "10.0.0.53:53" } }',
    "resolvers": 'dns = { servers = { "10.0.0.53:53" } }',
    "setrealipfrom": 'trusted = { "10.0.0.0/8" }',
    "realipheader": 'trusted = { "10.0.0.0/8" }',
    "trustedproxies": 'trusted = { "10.0.0.0/8" }',
    "trustproxy": 'trusted = { "10.0.0.0/8" }',
    "forwardedallowips": 'trusted = { "10.0.0.0/8" }',
    "api": 'admin = "/run/rsp/admin.sock", and rspctl',
    **SAID,
    **auth_words.SAID,
    **response_words.SAID,
    **observe_words.SAID,
    **fastcgi_words.SAID,
    **files_words.SAID,
    **compress_words.SAID,
    **cpus.SAID,
    "busypolling": 'busy_poll = "50us"',
    **grpc_words.SAID,
    **limit_words.SAID,
    **store_words.SAID,
    **value_words.SAID,
    **http2_words.SAID,
    **proxy_protocol_words.SAID,
    **traffic_words.SAID,
    **discovery_words.SAID,
    "http3": "rsp does not speak HTTP/3 yet",
    "quic": "rsp does not speak HTTP/3 yet",
    "cache": _NO_CACHE,
    "proxycache": _NO_CACHE,
    "proxycachepath": _NO_CACHE,
    # listeners
    "port": _LISTEN,
    "bind": _LISTEN,
    "listener": _LISTEN,
    "listeners": _LISTEN,
    "entrypoints": _LISTEN,
    "frontend": f"{_LISTEN} and {_ROUTE}",
    "httpport": _LISTEN,
    # routes
    "server": f"{_LISTEN} and {_ROUTE}; a backend is {_UPSTREAM}",
    "servername": 'host = "example.com" in a route',
    "location": 'route { path = "/api/", to = "app" }; files = "/srv/www" in the place of to serves a directory',
    "prefix": 'path = "/api/" in a route',
    "pathprefix": 'path = "/api/" in a route',
    "proxypass": f"{_UPSTREAM} and {_ROUTE}",
    "reverseproxy": f"{_UPSTREAM} and {_ROUTE}",
    "usebackend": _ROUTE,
    "defaultbackend": 'route { to = "app" }',
    "routes": f"{_ROUTE}, once for each",
    "routers": f"{_ROUTE}, once for each",
    "handle": _ROUTE,
    "handlepath": 'route { path = "/api/", strip = true, to = "app" }; files removes path anyway',
    "stripprefix": "strip = true in a route",
    "acl": _ROUTE,
    "match": _ROUTE,
    "http": f"{_LISTEN} and {_ROUTE}, without a block around them; http = 2 is a key of an upstream",
    "global": "settings are global variables; there is no block around them",
    "defaults": "settings are global variables; there is no block around them",
    "stream": "rsp proxies HTTP only",
    "mode": "rsp proxies HTTP only",
    "return": 'route { path = "/x", respond = { status = 410 } } or route { redirect = "https://..." }',
    "redir": 'route { path = "/old", redirect = "/new" }',
    "rewriterule": 'rewrite = "/new" in a route, or req.path in on_request',
    "errorpage": 'page { status = { 502, 503 }, file = "down.html" }',
    "proxyintercepterrors": 'page { status = { 502, 503 }, file = "down.html" }, or on_response in a route',
    **dict.fromkeys(("subfilter", "replacebody"), _HOOK),
    "errorfile": 'page { status = 503, file = "down.html" }',
    "errorpages": 'page { status = { 502, 503 }, file = "down.html" }',
    **dict.fromkeys(("proxysetheader", "headerup", "customrequestheaders", "setrequestheader", "requestheader"), _SET),
    **dict.fromkeys(("headerdown", "customresponseheaders", "setresponseheader", "responseheader"), _ADD),
    **dict.fromkeys(("setheader", "setheaders"), f"{_SET}; response_headers likewise"),
    "addheader": _ADD,
    "header": _ADD,
    "headers": f"{_SET}; response_headers likewise",
    "hidehostheader": _ADD,
    "proxyhideheader": 'response_headers = { remove = { "X-Powered-By" } } in a route',
    "hostheader": 'send_host = "backend.example.com" in a route',
    "preservehost": "rsp keeps the client's Host; send_host changes it",
    "passhostheader": "rsp keeps the client's Host; send_host changes it",
    "middlewares": _HOOK,
    "middleware": _HOOK,
    "accessbylua": _HOOK,
    "rewritebylua": _HOOK,
    "contentbylua": _HOOK,
    "method": 'methods = { "GET" } in a route',
    **dict.fromkeys(
        ("websocket", "websockets", "ws", "upgrade"),
        "rsp passes WebSockets on by itself; leave it out",
    ),
    **dict.fromkeys(("include", "import"), 'dofile "conf.d/shop.lua", a line for each file'),
    "ngx": "req, res and respond(...); docs/lua.md describes the API",
    # upstreams
    "backend": _UPSTREAM,
    "backends": f"{_UPSTREAM}, once for each",
    "upstreams": f"{_UPSTREAM}, once for each",
    "servers": _UPSTREAM,
    "services": _UPSTREAM,
    "service": _UPSTREAM,
    "cluster": _UPSTREAM,
    "clusters": _UPSTREAM,
    "target": _UPSTREAM,
    "targets": _UPSTREAM,
    "url": '"10.0.0.1:8000" as a peer',
    "balance": 'policy = "least_conn" in an upstream',
    "lbpolicy": 'policy = "least_conn" in an upstream',
    "algorithm": 'policy = "least_conn" in an upstream',
    "strategy": 'policy = "least_conn" in an upstream',
    "leastconn": 'policy = "least_conn"',
    "iphash": 'policy = "hash", key = "client"',
    "hash": 'policy = "hash", key = "uri"',
    "maxfails": _FAILURES,
    "failtimeout": _FAILURES,
    "maxretries": "retry = { tries = 3 } in an upstream",
    "retries": "retry = { tries = 3 } in an upstream",
    "proxynextupstream": "retry = { on = { 502, 503, 504 } } in an upstream",
    "proxynextupstreamtries": "retry = { tries = 3 } in an upstream",
    "tries": "retry = { tries = 3 } in an upstream",
    "healthcheck": 'health = "/up" in an upstream',
    "check": 'health = "/up" in an upstream',
    **dict.fromkeys(("httpchk", "optionhttpchk", "httpcheck", "healthuri"), 'health = "/up" in an upstream'),
    "healthinterval": 'health = { interval = "5s" } in an upstream',
    "healthtimeout": 'health = { timeout = "2s" } in an upstream',
    **dict.fromkeys(("failduration", "circuitbreaker"), _FAILURES),
    **dict.fromkeys(("lbretries", "optionredispatch", "redispatch"), "retry = { tries = 3 } in an upstream"),
    **dict.fromkeys(("loadbalancer", "hashtype"), 'policy = "least_conn" in an upstream'),
    "transport": _UPSTREAM,
    "slowstart": 'slow_start = "30s" in an upstream',
    "stickycookie": "sticky = true in an upstream",
    "cookie": 'sticky = "name" in an upstream',
    "interval": 'health = { interval = "5s" } in an upstream',
    "inter": 'health = { interval = "5s" } in an upstream',
    "rise": "health = { rise = 2 } in an upstream",
    "fall": "health = { fall = 3 } in an upstream",
    "down": "rspctl drain, or remove the peer",
    "keepaliverequests": "keepalive_age in an upstream; the number of requests is not limited",
}


def hint_of_call(message: str, known: Iterable[str]) -> str:
    """Lua's ``message`` that a global is nil, with what to say instead; ``known``: the functions that there are."""
    match = _CALLED.search(message)
    name = match[1] or match[2] if match is not None else ""
    if name in Settings.__struct_fields__:
        return f"{message} (it is a setting: {name} = ...)"
    if name in Route.__struct_fields__:
        return f"{message} (it is a key of a route: route {{ {name} = ... }})"
    if (match := _INDEXED.search(message)) and (match[1] or match[2]) in Settings.__struct_fields__:
        return f"{message} (it is a setting: {match[1] or match[2]} = {{ ... }})"
    if match := _MEMBER.search(message):
        there = match[3].split(", ")
        other = _MEMBERS.get(match[2].lower(), "")
        return message + (f' (did you mean "{other}"?)' if other in there else suggest(match[2], there))
    if (match := _FIELD.search(message)) and match[1] in _NOT_IN_LUA:
        return f"{message} ({_NOT_IN_LUA[match[1]]})"
    match = _NIL.search(message)
    if match is not None and "index" in match[0] and (near := _PARAMETERS.get(match[1] or match[2])):
        return f'{message} (did you mean "{near}"?)'
    return message + hint(match[1] or match[2], known) if match is not None else message


def hint_of_syntax(message: str, source: str) -> str:
    """Lua's ``message`` that ``source`` cannot be read, with what to write if a string lacks its quotes."""
    match = _NEAR.search(message)
    lines = source.split("\n")
    if match is None or int(match[1]) > len(lines):
        return message
    near, line = match[2].split("'")[0], lines[int(match[1]) - 1]
    if slip := _slip(message, line, near):
        return f"{message}; {slip}"
    if not _SYNTAX.search(message):
        return message
    found = re.search(rf"\b(listen|upstream|route|page|certificate)\s+({re.escape(near)}[^\s{{}}\"',;()]*)", line)
    if not found and (said := _hint_of_directive(line, near)):
        return message + said
    if not (near and found):
        return message
    place = message[: match.start()]
    return f'{place}:{match[1]}: "{found[1]}" needs a string: write {found[1]} "{found[2]}"'


def _slip(message: str, line: str, near: str) -> str:
    """What other languages and word processors write otherwise."""
    if re.search("[\u2018-\u201f]", near):
        return 'write straight quotes: "'
    if "malformed number" in message and not _hint_of_directive(line, near):
        word = re.search(rf"{re.escape(near)}[\w.:/%-]*", line)
        return f'write it in quotes: "{word[0]}"' if word else ""
    if near == "=" and "then' expected" in message:
        return "write == to compare"
    if near == "return" and (number := re.search(r"return\s*=\s*(\d+)?", line)):
        return f"write respond = {{ status = {number[1] or 404} }}"
    if "unfinished string" in message:
        return "is a quote missing?"
    if "invalid escape sequence" in message:
        found = re.search(r"""(["'])((?:(?!\1)[^\\]|\\.)*\\[^abfnrtvxz\\"'0-9](?:(?!\1)[^\\]|\\.)*)\1""", line)
        return f"write [[{found[2]}]], in which a backslash stands for itself" if found else ""
    if near == "=" and (key := re.search(r"(?<![\w\"])[A-Za-z]\w*(?:-\w+)+(?=\s*=)", line)):
        return f'write ["{key[0]}"] = ...'
    if "name>' expected" in message and re.search(r'\w\s*:\s*["{\d]', line):
        return "write = between a key and its value"
    if "}' expected" in message and (near in _STATEMENTS or near == "<eof>"):
        return "is a closing } missing?"
    if "}' expected" in message and re.match(r'[\w"{]', near):
        return f"is a comma missing before {near}?"
    return "a comment begins with --" if line.lstrip().startswith(("#", "//", "/*")) else ""


def _hint_of_directive(line: str, near: str) -> str:
    """For ``http2 on``, which is no Lua: Lua stops at ``near``."""
    word, rest = (*line.split(maxsplit=1), "", "")[:2]
    if said := observe_words.hint_of_directive(word):
        return said
    return hint(word) if near and rest.startswith(near) and word != "return" else ""


def hint(word: str, known: Iterable[str] = ()) -> str:
    """What to say instead of ``word``, in brackets: the nearest of ``known``, or rsp's own way; or ``""``."""
    folded, known = word.lower().replace("_", ""), list(known)
    said = _SAID.get(folded)
    own = {name.replace("_", "") for name in known}
    if said is None or folded in own or {f"{folded}s", folded.removesuffix("s")} & {n for n in own if len(n) > _SHORT}:
        return suggest(word, known)
    return f" ({said})" if said.startswith("rsp ") else f" (in rsp: {said})"
