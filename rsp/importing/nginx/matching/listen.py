"""``listen``: the addresses of the whole file, the default server of each, and which requests a server gets."""

import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.nginx.matching.servers import Server
from rsp.importing.nginx.syntax.tree import Statement, mark_all
from rsp.importing.nginx.values.maps import re2_of
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Declaration, Value

_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9\-_]|\.(?!\.))*|\[[0-9A-Fa-f:.]+\]")
_LARGEST_BACKLOG: Final = 65535
_ANY: Final = ("_", '""', "", "-", "__", "localhost.localdomain.invalid")
_REWRITES: Final = {
    (expression, f"https://{host}{path}")
    for host in ("$host", "$http_host")
    for expression, path in (
        ("^", "$request_uri?"), ("^.*$", "$request_uri?"), (".*", "$request_uri?"), ("^(.*)$", "$1"), ("^(.*)", "$1"),
        ("^/(.*)$", "/$1"), ("^/(.*)", "/$1"), ("(.*)", "$1"), ("^(.*)$", "$request_uri?"),
        ("^/(.*)$", "$request_uri?"),
    )
}  # fmt: skip
_OF_NGINX: Final = re.compile(r"\$\{?(?:http_)?host\}?|\$\{?server_name\}?")  # which nginx takes as it stands there
_SILENT: Final = (
    "default_server", "default", "ssl", "http2", "spdy", "quic", "proxy_protocol", "reuseport", "deferred", "bind",
    "off", "on",
)  # fmt: skip


class Listener(Struct):
    """``default``: the server that gets requests for hosts that no server names."""

    address: str
    statement: Statement | None
    tls: bool = False
    http2: bool | None = None
    proxied: bool = False
    backlog: int | None = None
    default: Server | None = None
    is_said: bool = False
    redirects: bool = False
    servers: list[Server] = field(default_factory=list)

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]


class Part(Struct):
    """Requests of a server: those at ``listeners``, for ``hosts`` (``None``: any).

    A host that begins with ``~`` is a regular expression; ``others``: those that other servers have before.
    """

    listeners: list[Listener]
    hosts: list[str] | None
    others: list[str] = field(default_factory=list)


class Listeners:
    """By address, in the order of the file."""

    def __init__(self, servers: list[Server], result: Result) -> None:
        self._result = result
        self.by_address: dict[str, Listener] = {}
        for server in servers:
            found = server.level.own("listen")
            for statement in found:
                self._listen(server, statement)
            if not found:
                self._add("0.0.0.0:80", server, None)
            http2 = server.level.last("http2")
            for listener in self.of(server):
                if server.level.own("ssl") and server.level.is_on("ssl"):
                    listener.tls = True
                if http2 is not None and http2.value == "off" and listener.http2 is None:
                    listener.http2 = False

    def of(self, server: Server) -> list[Listener]:
        return [listener for listener in self.by_address.values() if server in listener.servers]

    def _add(self, address: str, server: Server, statement: Statement | None) -> Listener:
        listener = self.by_address.setdefault(address, Listener(address, statement))
        if server not in listener.servers:
            listener.servers.append(server)
        if listener.default is None:
            listener.default = server
        return listener

    def _listen(self, server: Server, statement: Statement) -> None:
        if not statement.args:
            return
        words = statement.args[1:]
        if "quic" in words:
            self._result.listeners.note(statement, "rsp does not speak HTTP/3 (QUIC); clients use HTTP/2 over TCP")
            return
        address = place(statement.value)
        if address is None:
            self._result.listeners.lost(statement, "rsp import does not understand this address")
            return
        listener = self._add(address, server, statement)
        listener.tls = listener.tls or "ssl" in words
        listener.proxied = listener.proxied or "proxy_protocol" in words
        if ("default_server" in words or "default" in words) and not listener.is_said:
            listener.default, listener.is_said = server, True
        for word in words:
            name, _, value = word.partition("=")
            if name == "backlog" and value.isdigit() and int(value) > 0:
                listener.backlog = min(int(value), _LARGEST_BACKLOG)
            elif name not in (*_SILENT, "backlog", "rcvbuf", "sndbuf", "ipv6only", "so_keepalive", "fastopen",
                              "setfib", "accept_filter", "multipath"):  # fmt: skip
                self._result.listeners.lost(statement, f"rsp import does not know the parameter {word}")

    def redirect(self) -> None:
        """Listeners all of whose servers send every request to https://."""
        secure = [listener for listener in self.by_address.values() if listener.tls]
        if secure and not any(listener.port == "443" for listener in secure):
            return
        for listener in self.by_address.values():
            found = [_to_https(server) for server in listener.servers]
            if listener.tls or listener.proxied or not all(found):
                continue
            listener.redirects = True
            for server, statement in zip(listener.servers, found, strict=True):
                if statement is not None and statement.args[:1] != ["308"]:
                    said = 'listen { redirect = "https" } answers 308, which keeps method and body'
                    self._result.listeners.note(statement, f"{said}; nginx answers {_status(statement)}")
                if all(each.redirects for each in self.of(server)):
                    mark_all(server.statement.block or [])

    def declare(self, trusted: list[str]) -> None:
        """``trusted``: proxies whose PROXY header is believed."""
        for listener in self.by_address.values():
            keys: dict[str, Value] = {}
            if listener.redirects:
                keys["redirect"] = "https"
            if listener.backlog is not None:
                keys["backlog"] = listener.backlog
            if listener.tls:
                keys["tls"] = True
            if listener.http2 is False and listener.tls:
                keys["http2"] = False
            if listener.proxied:
                is_unix = listener.address.startswith("unix:")
                keys["proxy_protocol"] = {"from": ["unix:"] if is_unix else trusted or ["0.0.0.0/0", "::/0"]}
            origin = listener.statement.origin if listener.statement is not None else None
            said = [] if listener.statement is not None else ["nginx's default where a server has no `listen`."]
            self._result.listeners.append(
                Declaration("listen", listener.address, keys=keys, origin=origin, comments=said)
            )

    def parts(self, server: Server, hosts: dict[int, list[str]]) -> list[Part]:
        """``hosts``: names of all servers as rsp has them.

        Of two servers with one name at a listener, nginx takes the first.
        """
        own = [listener for listener in self.of(server) if not listener.redirects]
        default = [listener for listener in own if listener.default is server]
        parts: list[Part] = []
        expressions = self._expressions(own, hosts)
        others = [said for said, each in expressions if each is not server]
        if default:
            parts.append(Part(default, None, others))
        named: dict[tuple[str, ...], list[Listener]] = {}
        for listener in own:
            before = listener.servers[: listener.servers.index(server)]
            taken = {host for each in before for host in hosts[id(each)]}
            left = [host for host in hosts[id(server)] if host not in taken]
            if listener in default and not others:  # those that a name of another server would take
                theirs = [host for each in listener.servers if each is not server for host in hosts[id(each)]]
                left = [host for host in left if any(_covers(each, host) for each in theirs)]
            for some in ([host for host in left if host[0] != "~"], [host for host in left if host[0] == "~"]):
                if some:
                    named.setdefault(tuple(some), []).append(listener)
        earlier = [
            said for said, each in expressions[: [each for _, each in [*expressions, ("", server)]].index(server)]
        ]
        parts += [
            Part(listeners, list(left), earlier if left[0][0] == "~" else []) for left, listeners in named.items()
        ]
        return parts

    @staticmethod
    def _expressions(listeners: list[Listener], hosts: dict[int, list[str]]) -> list[tuple[str, Server]]:
        """All regular expressions for hosts at ``listeners``, in the order of their servers."""
        servers = list(dict.fromkeys(server for listener in listeners for server in listener.servers))
        servers.sort(key=lambda server: server.statement.origin.line)
        return [(host[1:], server) for server in servers for host in hosts[id(server)] if host[0] == "~"]

    def gets(self, server: Server, name: str, hosts: dict[int, list[str]]) -> bool | None:
        """Whether requests for ``name`` come to a server that does not say it; ``None``: it depends on more."""
        found: set[bool | None] = set()
        for listener in self.of(server):
            names = [host for each in listener.servers for host in hosts[id(each)]]
            is_open = name not in names and any(host[0] == "~" or _covers(host, name) for host in names)
            found.add(None if is_open else name not in names and listener.default is server)
        return found.pop() if len(found) == 1 else None

    def where(self, part: Part) -> dict[str, Value]:
        """Keys of routes for ``part``."""
        keys: dict[str, Value] = {}
        if len(part.listeners) < sum(not listener.redirects for listener in self.by_address.values()):
            addresses = [listener.address for listener in part.listeners]
            keys["listener"] = addresses[0] if len(addresses) == 1 else addresses
        expressions = [host[1:] for host in part.hosts or [] if host[0] == "~"]
        condition: dict[str, Value] = {}
        if expressions:
            condition["regex"] = expressions[0] if len(expressions) == 1 else expressions
        elif part.hosts is not None:
            keys["host"] = part.hosts[0] if len(part.hosts) == 1 else part.hosts
        if part.others:
            condition["except"] = {"regex": part.others[0] if len(part.others) == 1 else part.others}
        if condition:
            keys["headers"] = {"Host": condition}
        return keys


def _covers(name: str, host: str) -> bool:
    """Whether ``name`` has a star, and is for ``host`` as well."""
    if name.startswith("*"):
        return host.endswith(name[1:]) and host != name
    return name.endswith("*") and host.startswith(name[:-1]) and host != name


def _to_https(server: Server) -> Statement | None:
    """What sends every request to the same URL with https://, if all requests are."""
    block = server.level.block
    if any(each.name in ("if", "set", "rewrite") for each in block if each.name != "rewrite"):
        return None
    found = [each for each in block if each.name in ("return", "rewrite")]
    locations = [each for each in block if each.name == "location"]
    if not found and len(locations) == 1 and locations[0].args == ["/"]:
        inner = locations[0].block or []
        if any(each.name not in ("return", "rewrite") for each in inner):
            return None
        found = inner
    if not found:
        return None
    first = found[0]
    if first.name == "return":
        code, *rest = first.args
        code, rest = (code, rest) if code.isdigit() else ("302", [code])
        fits = code in ("301", "302", "307", "308") and rest in (
            ["https://$host$request_uri"],
            ["https://$http_host$request_uri"],
        )
        return first if fits else None
    if len(first.args) < 2:
        return None
    fits = (first.args[0], first.args[1]) in _REWRITES
    return first if fits else None


def _status(statement: Statement) -> str:
    if statement.name == "return":
        return statement.args[0] if statement.args[0].isdigit() else "302"
    return {"permanent": "301"}.get(statement.args[-1], "302")


def place(text: str) -> str | None:
    """As rsp writes addresses."""
    if text.startswith("unix:"):
        return text
    if text.isdigit():
        return f"0.0.0.0:{text}"
    match = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.]*\]|\*|[A-Za-z0-9.\-_]+)(?::(?P<port>\d+))?", text)
    if match is None:
        return None
    host = {"*": "0.0.0.0", "localhost": "127.0.0.1"}.get(match["host"], match["host"])
    return f"{host}:{match['port'] or 80}"


def is_name(text: str) -> bool:
    """Whether a host of rsp may be called so."""
    return text not in _ANY and _NAME.fullmatch(text) is not None


def hosts_of(server: Server, result: Result) -> list[str]:
    """``server_name`` as rsp has it; what cannot be said is reported."""
    hosts: list[str] = []
    for statement in server.level.own("server_name"):
        for name in statement.args:
            if name in _ANY or (not re.search(r"[A-Za-z0-9]", name)):
                continue
            if name.startswith("~"):
                try:
                    hosts += _expanded(name[1:]) or [f"~{_of_host(name[1:])}"]
                except Unsayable as error:
                    result.routes.lost(statement, str(error))
            elif name.startswith(".") and _NAME.fullmatch(name[1:]):
                hosts += [name[1:].lower(), f"*{name.lower()}"]
            elif name in ("$hostname", "${hostname}"):
                result.routes.note(statement, f"{name} is left out: rsp does not know the name of the machine")
            elif name.startswith("*.") or name.endswith(".*") or _NAME.fullmatch(name):
                hosts.append(name.lower().rstrip(".") if not name.endswith(".*") else name.lower())
            elif re.search(r"\$|\.env\d", name) and _OF_NGINX.fullmatch(name) is None:
                result.routes.lost(statement, f"this is no name of a host: {name}")
            else:
                said = "; it may be the beginning of a directive behind a `;` that is missing" if "/" in name else ""
                result.routes.note(statement, f"no request is for the host {name}{said}")
    return list(dict.fromkeys(hosts))


def _of_host(expression: str) -> str:
    """For the field Host, which may have a port.  Raises :class:`Unsayable`."""
    said = re2_of(expression)
    has_end = re.search(r"(?<!\\)(?:\\\\)*\$$", said) is not None
    if not has_end and re.search(r"(?:\\[dws]|[\d\]}])[)+*?]*$", said):
        raise Unsayable("a regular expression for hosts without $ at its end could match the port as well")
    said = re.sub(r"\\\.\.\*(?=\)?\$?$)", r"\\.[^.:].*", said)  # a dot at the end of the field is no part of the name
    said = re.sub(r"\\\.$", r"\\.[^.:]", said)
    if has_end:
        said = f"{said[:-1]}[.]?(?::[0-9]+)?$"
    return f"(?i){said}"


def _expanded(expression: str) -> list[str] | None:
    """The names that a plain regular expression stands for."""
    match = re.fullmatch(
        r"\^(?P<first>\(www\\\.\)\?|\(\?:www\\\.\)\?|www\\\.)?(?P<name>(?:[\w\-]|\\\.)+)\$", expression
    )
    if match is not None:
        name = match["name"].replace("\\.", ".")
        if match["first"] is None:
            return [name]
        return [f"www.{name}"] if match["first"] == "www\\." else [name, f"www.{name}"]
    match = re.fullmatch(
        r"\^\((?:\?P?<\w+>|\?:)?(?:\.\+|\[\^\.\]\+|\.\*)\)\\\.(?P<name>(?:[\w\-]|\\\.)+)\$", expression
    )
    if match is not None and "[^" not in expression:
        return [f"*.{match['name']}".replace("\\.", ".")]
    return None
