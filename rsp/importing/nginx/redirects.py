"""Where a server sends requests before any location is found: ``if ($host = ...)``, ``if ($scheme = http)``, as routes.

``settled``: hosts that are answered so, by server; ``secure``: servers that answer so what comes without TLS.
"""

import re

from rsp.importing.nginx.content.answers import put_fields, returned
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft, declarations
from rsp.importing.nginx.matching.listen import Listeners, Part, is_name
from rsp.importing.nginx.matching.servers import Server
from rsp.importing.nginx.rewrite.guards import EVERY_PATH, MODULE, redirect_status, stripped
from rsp.importing.nginx.syntax.tree import Statement, mark, mark_all
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Value


class Redirects:
    """``hosts``: of all servers, as rsp has them."""

    def __init__(self, context: Context, listeners: Listeners, hosts: dict[int, list[str]]) -> None:
        self._context = context
        self._listeners = listeners
        self._hosts = hosts
        self.settled: dict[int, list[str]] = {}
        self.secure: set[int] = set()

    def by_host(self, server: Server, hosts: list[str], certified: dict[str, Value]) -> list[str]:
        """``if ($host = example.com) { return 301 ...; }``, as certbot writes it; the hosts that are settled so."""
        settled: list[str] = []
        for statement in module(server):
            if statement.name != "if":
                break
            words = stripped(statement.args)
            block = statement.block or []
            if not (len(words) == 3 and words[:2] in (["$host", "="], ["$http_host", "="])):
                break
            if [each.name for each in block] != ["return"]:
                break
            name = server.names.expand(words[2]).lower()
            if not is_name(name):
                break
            if name not in hosts:
                comes = self._listeners.gets(server, name, self._hosts)
                if comes is None:
                    break
                if not comes:
                    mark(statement)
                    continue
            keys = self.returned(block[0], server)
            if keys is None:
                break
            mark(statement)
            addresses = self._listeners.where(Part(self._listeners.of(server), [name]))
            self._put(keys, {**addresses, **certified}, server, statement)
            settled.append(name)
        self.settled[id(server)] = settled
        return settled

    def _put(self, keys: dict[str, Value], where: dict[str, Value], server: Server, statement: Statement) -> None:
        draft = Draft({}, dict(keys))
        put_fields(draft, server.level, server.names, draft.parts)
        self._context.result.routes += [*draft.parts, *declarations(draft, where, statement)]

    def returned(self, statement: Statement, server: Server) -> dict[str, Value] | None:
        try:
            return returned(statement, server.names, server.level)
        except Unsayable:
            return None

    def answer(self, statement: Statement, server: Server) -> dict[str, Value] | None:
        """Of ``return``, or of a ``rewrite`` that redirects every path."""
        return self.returned(statement, server) if statement.name == "return" else self.moved(statement, server)

    def by_scheme(self, server: Server, parts: list[Part]) -> None:
        """``if ($scheme = http) { return 301 https://...; }``: a route for the listeners without TLS."""
        is_first = True
        for statement in module(server):
            if statement.name != "if":
                return
            words = stripped(statement.args)
            block = statement.block or []
            asks = words in (["$scheme", "=", "http"], ["$scheme", "!=", "https"], ["$https", "=", ""],
                             ["$server_port", "=", "80"], ["$https", "!=", "on"], ["$server_port", "!=", "443"],
                             ["$server_port", "~", "80"], ["$ssl_protocol", "=", ""])  # fmt: skip
            rewrites = [each for each in block if each.name in ("return", "rewrite")]
            if not asks or len(rewrites) != 1 or len(rewrites) != len(block):
                is_first = False
                continue
            plain = [listener for part in parts for listener in part.listeners if not listener.tls]
            secure = [listener for part in parts for listener in part.listeners if listener.tls]
            if not plain:
                mark(statement)
                continue
            keys = self.answer(rewrites[0], server)
            if keys is None:
                return
            mark(statement)
            if is_first and secure:
                self.secure.add(id(server))
            for part in list(parts):
                own = [listener for listener in part.listeners if not listener.tls]
                if own:
                    where = self._listeners.where(Part(own, part.hosts, part.others))
                    self._put(keys, where, server, statement)
                part.listeners = [listener for listener in part.listeners if listener.tls]
            if not secure:
                mark_all(server.statement.block or [])
            parts[:] = [part for part in parts if part.listeners]

    def moved(self, statement: Statement, server: Server) -> dict[str, Value] | None:
        """A ``rewrite`` that redirects every path."""
        if len(statement.args) < 2 or statement.args[0] not in EVERY_PATH:
            return None
        expression, target, *flags = statement.args
        status = redirect_status(target, flags[0] if flags else "")
        if not status:
            return None
        to = target
        if "(" in expression:
            to = to.replace("/$1", "$uri") if expression.startswith(("^/", "/")) else to.replace("$1", "$uri")
        elif re.search(r"\$\d", to):
            return None
        keeps = not to.endswith("?")
        to = to.removesuffix("?")
        if keeps and "?" in to:
            return None  # the query of the request comes behind it
        try:
            said = server.names.text(to)
        except Unsayable:
            return None
        if keeps:
            said = said.replace("{uri}", "{path}")
        elif "{uri}" not in said:
            return {"respond": {"status": status, "headers": {"Location": said}}}
        return {"redirect": said if status == 302 else {"to": said, "status": status}}


def module(server: Server) -> list[Statement]:
    return [statement for statement in server.level.block if statement.name in MODULE and not statement.used]
