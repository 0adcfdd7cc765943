"""All routes of one server, behind what its own ``if``, ``return`` and ``rewrite`` do before any location is found."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.nginx import conflicts, early
from rsp.importing.nginx.content import error_pages
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft, declarations
from rsp.importing.nginx.locations import Locations
from rsp.importing.nginx.matching import tls
from rsp.importing.nginx.matching.listen import Listeners, Part, hosts_of
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.redirects import Redirects, module
from rsp.importing.nginx.rewrite import before, host_groups, identity, referers
from rsp.importing.nginx.rewrite.guards import Guards, body, until_break
from rsp.importing.nginx.rules import logs, settings
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark, mark_all
from rsp.importing.nginx.values.environment import named
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Declaration, Heading, Note, Script, Value

_DISTINCT: Final = ("listener", "path", "exact", "regex", "headers", "methods", "query", "cookies")


class Routes:
    """``before``: the hook for all requests."""

    def __init__(self, context: Context, servers: list[Server], listeners: Listeners, prefix: Path) -> None:
        self._context = context
        self._servers = servers
        self._listeners = listeners
        self._prefix = prefix
        self._hosts = {id(server): hosts_of(server, context.result) for server in servers}
        self._clients = tls.Clients(servers, listeners, self._hosts, context.result)
        self._before = before.Before()
        self._redirects = Redirects(context, listeners, self._hosts)
        self._taken: set[str] = set()
        self._names: set[str] = set()

    def add(self, server: Server) -> None:
        result = self._context.result
        hosts = self._hosts[id(server)]
        parts = self._listeners.parts(server, self._hosts)
        own = self._listeners.of(server)
        tls.certificates(server, own, result)
        certified = self._clients.keys(server)
        if own and all(listener.redirects for listener in own):
            return
        result.routes.append(Heading(self._heading(server, parts)))
        name = self._name(hosts, server)
        if not parts:
            if own:
                said = "no request comes to this server: it has no name, or one that an earlier server has"
                result.routes.note(server.statement, said)
            mark_all(server.statement.block or [])
            return
        if self._clients.is_refused(server, result):
            self._close(server, parts)
            return
        split = self._redirects.by_host(server, hosts, certified)
        parts = [self._without(part, split) for part in parts]
        parts = [part for part in parts if part.hosts is None or part.hosts]
        self._redirects.by_scheme(server, parts)
        if self._whole(server, parts, certified):
            return
        host_groups.know(server, name, result)
        guard = self._guard(server, name)
        ports = frozenset(listener.port for listener in own)
        locations = Locations(self._context, server, ports, name, is_known=self._identity(server) is not None)
        drafts = locations.drafts()
        pairs: list[tuple[Location | None, Draft]] = list(
            zip([*server.locations, None][: len(drafts)], drafts, strict=False)
        )
        early.put_pages(server, pairs, self._context, self._prefix)
        if guard:
            early.tell_of_server(server.level, drafts, result.routes)
        result.routes += locations.left()
        leftover = Parts()
        shared = {**certified, **self._of_server(server)}
        closes = self._context.leftovers(server.level.block, leftover)
        result.routes += leftover
        rests: list[Declaration] = []  # behind all expressions of the server: nginx's prefixes are weaker than these
        for number, part in enumerate(parts):
            where = self._listeners.where(part)
            for location, draft in [*conflicts.routes(server, pairs), *pairs]:
                is_weak = location is not None and "first" not in draft.match and not draft.is_settled
                if number == 0:
                    result.routes += draft.parts
                if draft.is_closed and not draft.keys:
                    continue
                if closes:
                    draft.close()
                elif guard:
                    draft.begin(guard)
                extra = dict(shared)
                self._of_location(location, extra)
                for declaration in declarations(draft, where, location.statement if location else server.statement):
                    declaration.keys.update(extra)
                    weak = draft.expressions
                    if is_weak and declaration.keys.get("regex") in weak:
                        rests.append(declaration)
                    else:
                        self._put(declaration)
        for declaration in rests:
            self._put(declaration)
        self._declare(server, name, locations)

    def _close(self, server: Server, parts: list[Part]) -> None:
        mark_all(server.statement.block or [])
        for part in parts:
            keys: dict[str, Value] = {**self._listeners.where(part), "respond": {"status": 503}}
            self._put(Declaration("route", keys=keys, origin=server.statement.origin))

    def _declare(self, server: Server, name: str, locations: Locations) -> None:
        """Patterns, and what locations do before there is a route."""
        again = locations.rerouted.script(locations.guards)
        declared = [*locations.guards.declared(), *([again] if again else [])]
        if declared:
            self._context.result.scripts.append(Script("\n".join(declared)))
        if again:
            self._before.add_last(f"reroute_{name}", self._identity(server) or "", locations.rerouted.fields)

    def _name(self, hosts: list[str], server: Server) -> str:
        """What names of Lua begin with: no other server's do."""
        plain = [host for host in hosts if host[0] != "~"]
        said = re.sub(r"\W", "_", named(plain[0]) if plain else "").strip("_")
        number = self._servers.index(server) + 1
        if not said or said[0].isdigit():
            said = f"server_{said or number}"
        if said in self._names:
            said = f"{said}_{number}"
        self._names.add(said)
        return said

    def _put(self, route: Declaration) -> None:
        """Unless nginx ignores it, too: a second server of one name, or a path that no request has."""
        parts = self._context.result.routes
        path = route.keys.get("exact", route.keys.get("path", "/"))
        if not str(path).startswith("/"):
            parts.append(Note(f"no request has the path {path}", route.origin))
            return
        if any(isinstance(part, Declaration) and part.keys == route.keys for part in parts):
            return  # of an expression that stands before others as well: conflicts.py
        taken = str([route.keys.get(key) for key in _DISTINCT])
        hosts = route.keys.get("host")
        names = [str(name) for name in hosts] if isinstance(hosts, list) else [str(hosts)]
        free = [name for name in names if f"{taken} {name}" not in self._taken]
        self._taken.update(f"{taken} {name}" for name in names)
        if not free:
            parts.append(
                Note("another server, or location, has this name and path; nginx takes the first", route.origin)
            )
            return
        if len(free) < len(names):
            route.keys["host"] = list(free) if len(free) > 1 else free[0]
        parts.append(route)

    def _of_location(self, location: Location | None, extra: dict[str, Value]) -> None:
        if location is None:
            return
        level = Level("location", location.level.block)
        if level.has(*settings.COMPRESSING):
            compress = settings.compression(location.level, self._context.result)
            extra["compress"] = compress or False
        if level.has("access_log"):
            statements = level.own("access_log")
            log = logs.logged(statements, self._context.formats, self._context.result)
            extra["access_log"] = log

    def _of_server(self, server: Server) -> dict[str, Value]:
        """Keys of all its routes."""
        level, result, keys = server.level, self._context.result, dict[str, Value]()
        compress = settings.compression(level, result) if level.has(*settings.COMPRESSING) else None
        if compress or (level.has("gzip") and level.value("gzip") == "off"):
            keys["compress"] = compress or False
        statements = level.own("access_log")
        if statements:
            keys["access_log"] = logs.logged(statements, self._context.formats, result)
        return keys

    def _heading(self, server: Server, parts: list[Part]) -> str:
        names = ", ".join(server.server_names[:4]) or "server"
        names = {"_": "server", '""': "server"}.get(names, names)
        default = [part for part in parts if part.hosts is None]
        others = len(self._servers) > 1
        said = ""
        if default and others and any(listener.servers != [server] for listener in default[0].listeners):
            said = "; also hosts that no other server names (nginx's default server)"
        elif default and not others and names != "server":
            named = ", ".join(f'"{name}"' for name in server.server_names[:4])
            said = f"; the only server, it answers for all hosts, as in nginx: host = {{ {named} }} would restrict it"
        return f"{names} ({server.statement.origin}){said}"

    # -- what the server does before any location

    @staticmethod
    def _without(part: Part, settled: list[str]) -> Part:
        if part.hosts is None:
            return part
        return Part(part.listeners, [host for host in part.hosts if host not in settled], part.others)

    def _whole(self, server: Server, parts: list[Part], certified: dict[str, Value]) -> bool:
        """A server that answers every request in the same way: one route."""
        if not parts:
            mark_all(server.statement.block or [])
            return True
        block = [each for each in module(server) if each.name != "set"]
        if not block or block[0].name not in ("return", "rewrite"):
            return False
        first = block[0]
        keys = self._redirects.answer(first, server)
        if keys is None:
            return False
        if first.name == "return" and first.value == "444":
            self._context.result.routes.note(first, "nginx closes the connection without a response; rsp answers 444")
        draft = Draft({}, dict(keys))
        from rsp.importing.nginx.rules import fields

        rules = fields.Rules()
        fields.response_rules(server.level, server.names, draft.parts, rules)
        fields.put_response(rules, draft.keys)
        error_pages.write(server, [(None, draft)], self._context, self._prefix)
        mark_all(server.statement.block or [])
        self._context.result.routes += draft.parts
        for part in parts:
            for declaration in declarations(draft, self._listeners.where(part), server.statement):
                declaration.keys.update(certified)
                self._context.result.routes.append(declaration)
        return True

    def _guard(self, server: Server, name: str) -> str:
        """A line that each route's hook begins with; the same may stand in the hook for all routes instead."""
        block = module(server)
        if not block:
            return ""
        result = self._context.result
        names = referers.known(server.names, server.level, server.server_names, result)
        guards = Guards(names, f"{name}_before", is_used=self._context.matter)
        lines: list[str] = []
        for number, statement in enumerate(block):
            try:
                lines += guards.some([statement], more=number + 1 < len(block))
                if any(branch.fields for branch in guards.branches):
                    guards.branches = []
                    raise Unsayable("rsp import does not translate add_header in if of a server")
            except Unsayable as error:
                result.routes.lost(statement, str(error))
                closes = any(_refuses(each) for each in [statement, *(statement.block or [])])
                mark(statement)
                if closes:
                    lines.append("do return respond(503) end  -- instead of what is not translated above")
            if statement.name in ("return", "break"):
                break
        if not lines:
            return ""
        draft = Draft({"": None}, before=lines)
        error_pages.write(server, [(None, draft)], self._context, self._prefix)
        lines = until_break(draft.before)
        function = f"before_{name}"
        condition = self._identity(server)
        if condition is None and guards.routes_again:  # where it leads to, clients may be refused
            lines = [re.sub(r"^(\s*)req\.(path|query) = .*", r"\1do return respond(503) end", line) for line in lines]
        text = [*guards.declared(), f"local function {function}(req)", *(f"  {line}" for line in body(lines)), "end"]
        result.scripts.append(Script("\n".join(text), server.statement.origin))
        if condition is None:
            if guards.routes_again:
                first = next(each for each in block if each.name in ("rewrite", "if"))
                result.routes.lost(first, "rsp does not know the server before it has chosen a route")
            return f"local answer = {function}(req) if answer then return answer end"
        answers = any("return re" in line for line in lines)
        self._before.add(name, condition, function, before.fields_of(server.level, names, result) if answers else [])
        return ""

    def _identity(self, server: Server) -> str | None:
        said = identity.condition(server, self._listeners, self._hosts)
        if said is None:
            return None
        redirects, key = self._redirects, id(server)
        return identity.but_for(said, redirects.settled.get(key, []), is_secure=key in redirects.secure)

    def finish(self) -> None:
        self._before.write(self._context.result)


def _refuses(statement: Statement) -> bool:
    return statement.name in ("return", "deny") and not statement.value.startswith(("2", "3", "http", "$"))
