"""A ``location`` becomes a route: what it matches, which clients it serves, what answers, by which rules.

A location of which a restriction is not understood is not served: a refusing route stands in its place.
"""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx import auth_request, conflicts, early, hooked
from rsp.importing.nginx.auth_request import Services
from rsp.importing.nginx.chosen import Chosen
from rsp.importing.nginx.content import ends, files, indexes, taken_off, told
from rsp.importing.nginx.content.answers import put_fields, returned
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.content.handler import Content
from rsp.importing.nginx.content.leads import Leads
from rsp.importing.nginx.matching import precedence, prefixes
from rsp.importing.nginx.matching.inside import UNREACHED
from rsp.importing.nginx.matching.paths import as_sent, never_sent
from rsp.importing.nginx.matching.servers import CONTENT, Location, Server
from rsp.importing.nginx.rewrite import before, branches, numbers, referers
from rsp.importing.nginx.rewrite.guards import MODULE, Guards, asks_outside, may_stop
from rsp.importing.nginx.rewrite.rerouted import Rerouted, as_condition, passed, rewrites_again
from rsp.importing.nginx.rules import access, fields, settings, times
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark, mark_all
from rsp.importing.nginx.syntax.words import is_closing
from rsp.importing.nginx.values.maps import is_unreached, wider_than
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_REFUSED: Final[dict[str, Value]] = {"status": 403}
_LEADING: Final = re.compile(r"\breturn\b(?! re(?:spond|direct)\b)")  # not to an answer


class Locations:
    """Those of one server.  ``ports``: of its listeners; ``is_known``: the hook for all requests can tell its own."""

    def __init__(self, context: Context, server: Server, ports: frozenset[str], prefix: str, *, is_known: bool) -> None:
        self.context = context
        self.server = server
        self._leads = Leads(context, server)
        self._prefix = prefix
        self.rerouted = Rerouted(server, prefix, is_known=is_known)
        self.guards = Guards(server.names, f"{prefix}_pattern", is_used=context.matter)
        self._content = Content(context, server, ports, self.guards)
        self._services = Services(context, server)
        self._numbers: dict[int, int] = {}  # of `if`
        self._settled = [each for each in server.locations if conflicts.is_settled(each, server)]

    def drafts(self) -> list[Draft]:
        """In the order in which they are written."""
        found: list[Draft] = []
        for location in self.server.locations:
            if any(each.is_regex for each in location.around()) and not location.is_regex:
                mark(location.statement)
                found.append(Draft({}, is_closed=True))  # the one around it is closed: precedence.py
                continue
            own = [each.path for each in (location, *location.around()) if not each.is_regex]
            never = never_sent(own, closes=_keeps_out(location.statement))
            if never:
                mark(location.statement)
                found.append(Draft({}, parts=Parts(), is_closed=True))
                found[-1].parts.note(location.statement, never)
                continue
            try:
                found.append(self._draft(location))
            except Unsayable as error:  # of what it matches
                closed = Parts()
                if str(error).startswith(UNREACHED):
                    mark(location.statement)
                    closed.note(location.statement, str(error))
                    found.append(Draft({}, parts=closed, is_closed=True))
                    continue
                closed.lost(location.statement, str(error))
                draft = Draft({}, parts=closed, is_closed=True)
                if _keeps_out(location.statement):
                    said = wider_than(location.path) if location.is_regex else f"^{re.escape(location.path)}"
                    draft.match["regex"] = f"(?i){said}"
                    draft.keys["respond"] = {"status": 503}
                mark(location.statement)
                found.append(draft)
        if not any(each.path == "/" and not each.modifier.startswith(("=", "~")) for each in self.server.locations):
            found.append(self._draft(None))
        return found

    def _rest(self) -> Statement:
        """What stands for paths that no location has."""
        return Statement("location", ["/"], self.server.statement.origin, [])

    def _place(self, level: Level) -> Location:
        """The same as a location."""
        place = Location("", "/", level, self._rest())
        self.server.locations.append(place)
        return place

    def left(self) -> Parts:
        """What nothing has translated in named locations."""
        parts = Parts()
        for location in self.server.named.values():
            self.context.leftovers(location.level.block, parts)
        return parts

    def _draft(self, location: Location | None) -> Draft:
        draft = Draft(self._match(location))
        level = location.level if location is not None else self._implicit()
        names = referers.known(self.server.names_at(location), level, self.server.server_names, self.context.result)
        self.guards.names = names
        self.guards.default_type = level.value("default_type", "text/plain")
        try:
            self._fill(draft, location, level, names)
            self._keep_order(draft, location)
        except Unsayable as error:
            place = location if location is not None else self._place(level)
            if as_condition(place, self.server):
                return self._draft(place)
            if location is None:
                self.server.locations.remove(place)
            draft.parts.lost(_cause(location) if location is not None else self._rest(), str(error))
            draft.is_closed = True
        for inner in level.own("location"):
            inner.used = True
        if draft.is_closed:
            mark_all(level.block)
        if location is not None and self.context.leftovers(level.block, draft.parts):
            draft.is_closed = True
        if draft.is_closed:
            draft.close()
        if location is not None and prefixes.is_open_ended(location):
            closes = prefixes.keeps_out(draft.keys) or bool(draft.before)
            if "exact" not in draft.match and not [each for each in draft.others if not indexes.is_below(each)]:
                draft.rest = prefixes.rest(location, self.server, draft.keys, closes=closes)
            draft.parts.note(location.statement, prefixes.note(draft.rest, draft.keys))
        return draft

    def _keep_order(self, draft: Draft, location: Location | None) -> None:
        """Raises :class:`Unsayable` where the route would have paths of another location, and serve them."""
        other = precedence.taken_from(location, self.server, self._settled) if location is not None else None
        if location is None or location.home is None or other is None:
            return
        said = f"in rsp, this expression inside of {location.home.path} comes before {other.path}"
        if not prefixes.refuses(draft.keys):
            raise Unsayable(said)
        draft.parts.note(location.statement, f"{said}, and refuses what it matches there, too")

    def _implicit(self) -> Level:
        """What answers where there is no location: with the server's own ``try_files``."""
        own = [statement for statement in self.server.level.block if statement.name == "try_files"]
        return Level("location", own, self.server.level)

    def _match(self, location: Location | None) -> dict[str, Value]:
        if location is None or (location.path == "/" and location.modifier == ""):
            return {}
        if location.is_regex:
            if is_unreached(location.expression):
                raise Unsayable(f"{UNREACHED}begins with a slash matches this expression")
            return {"regex": location.expression}
        if location.modifier == "=":
            return {"exact": as_sent(location.path)}
        return precedence.prefix(location, self.server)

    def _fill(self, draft: Draft, location: Location | None, level: Level, names: Names) -> None:
        """Raises :class:`Unsayable`."""
        if location is not None and location not in self._settled:
            precedence.keep(location, self.server, draft.match)
        is_internal = bool(level.own("internal"))
        if is_internal and not rewrites_again(self.server):
            draft.answer({"respond": {"status": 404}})
            self._always(draft, level, names)
            return
        level.own("access_log", *settings.COMPRESSING)
        restricted = self._restricted(draft, level, names, location)
        if restricted is None:
            return
        verdict, counted = restricted
        rules = fields.Rules()
        chosen = Chosen(self._content, draft, level, names, self._numbers)
        self.guards.choose = chosen.inside
        answered = self._rewriting(level, draft, names, location)
        names = numbers.left(names, level.block)
        if verdict is not None and any(_LEADING.search(line) for line in draft.before):
            raise Unsayable(f"requests may be led elsewhere before auth_request {verdict.path} is asked")
        if not answered:
            if verdict is not None:
                counted += self._verdict(verdict, level, draft, location)
            given, draft.before = [*draft.before, *counted], []
            self._content.answer(draft, location, level, names, rules)
            if ends.changes_path(given):
                ends.keep_whole(draft, level)
                given = passed(given, level, draft.keys.get("else_to"))
            chosen.settle(given, self._content.ports)
            given, behind_it = told.placed(given, draft, location, self.server, self.context.result.scripts)
            said = [*behind_it, *rules.before, *chosen.before, *draft.before]
            lines = self._with_groups(said, location)
            asked = set(re.findall(r"\{(\w+)\}", str(draft.keys.get("else_rewrite"))))
            if (lines is not said or asked & names.captures) and any("found" in line for line in given):
                raise Unsayable("groups of the location's expression are used beside those of others")
            draft.before = [*given, *lines]
        if rules.before and any(line.strip() == "return" for line in draft.before):
            raise Unsayable("a `return` to a named location, beside fields that a hook makes")
        behind = draft.behind
        others = branches.of_peer(level, behind) if behind is not None else []
        by_condition = branches.lines([*self.guards.branches, *others], level, names)
        rules.has_peer = draft.behind is not None or bool({"to", "else_to"} & set(draft.keys))
        fields.response_rules(level, names, draft.parts, rules, adds=not by_condition)
        fields.rules_behind(behind, names, rules)
        fields.put_response(rules, draft.keys)
        draft.after += [*by_condition, *chosen.after()]
        draft.after += files.computed_control(level, names, self.context.functions) + rules.after
        draft.after, given = self._with_groups(draft.after, location), draft.after
        if draft.after is not given and any("req.path = " in line for line in draft.before):
            raise Unsayable("fields of the response have groups of an expression, and the path is another one then")
        draft.before = fields.before_rewrites(draft.keys, draft.before)
        if draft.is_restricting and location is not None and draft.match.get("slash") == "redirect":
            early.slash(draft, location.path, level, names, draft.parts)
        if "slash" in draft.match and any("req.path = " in line for line in draft.before):
            bare = quoted(str(draft.match["path"]).rstrip("/"))
            draft.before.insert(0, f"if req.path == {bare} then return end  -- it is redirected")
        access.hide(draft.keys, self.server.level.block)
        times.of_route(level, draft.keys, draft.parts)
        if "files" not in draft.keys:
            self._cached(level, draft)
        if draft.match.get("slash") == "redirect" and any("return " in line for line in draft.before):
            bare = quoted(str(draft.match["path"]).rstrip("/"))  # before the hook answers, as in nginx
            to = 'req.path .. "/" .. (req.query ~= "" and "?" .. req.query or "")'
            draft.before.insert(0, f"if req.path == {bare} then return redirect({to}, 301) end")
        for each in (draft, *draft.early) if is_internal else ():
            each.before.insert(0, "if not req.ctx.rerouted then return respond(404) end")

    def _restricted(
        self, draft: Draft, level: Level, names: Names, location: Location | None
    ) -> tuple[Location | None, list[str]] | None:
        """What decides about ``auth_request``, and lines of the hook; ``None``: no client is served."""
        if early.is_over(level, self.server):
            draft.before += hooked.methods(level, names, draft.keys, self.context.result)
            early.tell(level, draft.parts)
            return None, []
        access.networks(level, draft.keys)
        if draft.keys.get("deny") == access.EVERYONE and level.value("satisfy") != "any":
            draft.keys = {"respond": dict(_REFUSED)}
            self.guards.choose = None
            self._first(early.module(level), draft, names, location, level)
            self._always(draft, level, names)
            return None
        access.passwords(level, draft.keys, names)
        verdict = auth_request.deciding(level, self.server)
        if verdict is None:
            access.service(level, draft.keys, self._services.asked)
        access.satisfy(level, draft.keys)
        counted = hooked.realm(level, names, draft, self.context.result)
        draft.before += hooked.methods(level, names, draft.keys, self.context.result)
        counted += self.context.zones.put(level, draft.keys, names, draft.parts)
        return verdict, counted

    def _first(
        self, block: list[Statement], draft: Draft, names: Names, location: Location | None, level: Level
    ) -> list[Statement]:
        """Before the route restricts anything: what may end requests in ``block``; the rest of it.

        Raises :class:`Unsayable`.
        """

        def stays(expression: str, path: str) -> bool:
            return self._leads.stays(expression, path, location)

        kept = early.kept_by(level, self.server.named)
        ends = [number for number, each in enumerate(block, 1) if early.leaves(each, stays, kept)]
        if not ends or location is None:
            return block
        plan = early.planned(block, level, self.server, names, draft.keys, stays, kept)
        if plan is None:
            count = len(block) if any(may_stop(each) for each in block[: ends[-1]]) else ends[-1]
            self._again(location, block[:count])
            return block[count:]
        draft.early += [early.route(first, level, names, draft.parts, self.guards) for first in plan]
        for each in draft.early:
            each.before[:0] = draft.before  # limit_except, whose methods do not come to the rewrite module
        taken = [id(first.statement) for first in plan]
        return [each for each in block if id(each) not in taken]

    def _again(self, location: Location, block: list[Statement]) -> None:
        names, result = self.guards.names, self.context.result
        self.guards.branches = []
        self.rerouted.add(location, block, self.guards, lambda level: before.fields_of(level, names, result))

    def _verdict(self, verdict: Location, level: Level, draft: Draft, location: Location | None) -> list[str]:
        def refuse(code: str) -> str:
            found = self._leads.instead_of(code, draft, location)
            if found is not None and self.server.level.value("auth_request", "off") != "off":
                raise Unsayable(f"error_page leads {code} to a location that asks {verdict.path} again")
            return found or f"return respond({code})"

        return auth_request.verdict(verdict, level, self.guards, self.context.functions, refuse)

    def _cached(self, level: Level, draft: Draft) -> None:
        """How long clients keep what peers answer; not their errors."""
        control = files.cache_control(level)
        if control and "to" in draft.keys:
            added = fields.taken(draft.keys, "Cache-Control")  # else the hook would take its place
            line = f'res.headers["Cache-Control"] = {quoted(control)}'
            more = [f'res.headers:add("Cache-Control", {quoted(added)})'] if added else []
            draft.after[:0] = [f"if res.status < 400 then {line} end", *more]

    @staticmethod
    def _always(draft: Draft, level: Level, names: Names) -> None:
        """What a location that refuses all clients sends all the same."""
        if any("always" in each.args[2:] for each in level.all("add_header")):
            put_fields(draft, level, names, draft.parts)
        mark_all(level.block)

    # -- the rewrite module

    def _rewriting(self, level: Level, draft: Draft, names: Names, location: Location | None) -> bool:
        """Whether something of it answers every request."""
        block = early.module(level)
        if draft.is_restricting:
            block = self._first(block, draft, names, location, level)
        final = next((each for each in block if each.name == "return"), None)
        before = block[: block.index(final)] if final is not None else block
        if final is not None:
            for unreachable in block[block.index(final) :]:
                mark(unreachable)
        if level.has("try_files"):
            branches.tell(block, draft.parts, level)
        last = block[-1] if block else None
        before = [each for each in before if not self._by_keys(each, draft, names, location, level, each is last)]
        if final is not None and any(may_stop(each) for each in before):
            draft.before += self._lines([*before, final], draft, location)
            return False
        draft.before += self._lines(before, draft, location, is_over=final is not None)
        if final is None:
            return False
        try:
            names = numbers.left(names, level.block)
            draft.answer(returned(final, names, level))
        except Unsayable:
            draft.before.append(self.guards.returned(final, names.captures))
            draft.before[-1:] = self._with_groups(draft.before[-1:], location)
            draft.answer({"respond": {"status": 500}})  # never sent: the hook answers
        return True

    def _lines(
        self, block: list[Statement], draft: Draft, location: Location | None, *, is_over: bool = False
    ) -> list[str]:
        """``is_over``: the route answers whatever the path has become."""
        self.guards.routes_again = False
        self.guards.lead = lambda path: self._leads.after_rewrite(path, draft, location)
        self.guards.stays = lambda expression, path: self._leads.stays(expression, path, location)
        self.guards.jump = lambda code: self._leads.instead_of(code, draft, location, self.guards.around)
        self.guards.is_alone = location is not None and sum(each.name in MODULE for each in location.level.block) == 1
        self.guards.branches = []
        lines = self.guards.lines(block, self.guards.names.captures)
        if self.guards.routes_again and not is_over:
            if location is None:
                raise Unsayable("rsp does not look for a route again: rewrite ... last leads to another location")
            self._again(location, block)
            return []
        return self._with_groups(lines, location)

    def _with_groups(self, lines: list[str], location: Location | None) -> list[str]:
        """With what the groups of the location's own expression have matched.  Raises :class:`Unsayable`."""
        if location is None or not self.guards.names.captures or not asks_outside(lines):
            return lines
        if any("found =" in line for line in lines):
            raise Unsayable("groups of the location's expression are used beside those of others")
        return [f"local found = {self.guards.compiled(location.modifier + location.path)}.match(req.path)", *lines]

    def _by_keys(
        self, statement: Statement, draft: Draft, names: Names, location: Location | None, level: Level, is_last: bool
    ) -> bool:
        """Whether a key of the route says it.  ``is_last``: nothing of the module follows."""
        if statement.name == "if":
            file = early.maintenance(statement, names)
            if file is not None:
                draft.keys["maintenance"] = file
                mark(statement)
            return file is not None
        if statement.name == "rewrite" and location is not None and is_last:
            return taken_off.by_key(statement, level, draft, location)
        return False


def _cause(location: Location) -> Statement:
    """The statement of a location that is reported when the whole of it cannot be said."""
    for name in (*CONTENT, "try_files", "alias", "limit_except", "auth_request", "rewrite", "if", "return"):
        for statement in location.level.block:
            if statement.name == name:
                return statement
    return Statement(location.statement.name, location.statement.args, location.statement.origin)


def _keeps_out(statement: Statement) -> bool:
    return any(is_closing(inner.name) or _keeps_out(inner) for inner in statement.block or [])
