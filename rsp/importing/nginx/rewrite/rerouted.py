"""``rewrite ... last`` in a location: nginx looks for a location again, before it checks the access rules.

The hook for all requests does the same: a function of the server says which location has a path, the rewrites of that
location change it, and so on until none does; routes then see the path that is left.
"""

import re
from collections.abc import Callable
from typing import Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rewrite.guards import Guards, body
from rsp.importing.nginx.rewrite.to_index import lead_to_index
from rsp.importing.nginx.rules.access import LIMITS, RESTRICTING, differ, restricts
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Value

_MOST: Final = 10  # as in nginx
_TRIED: Final = {("$uri",): "!-f", ("$uri", "$uri/"): "!-e", ("$uri/", "$uri"): "!-e"}
_PLACE: Final = re.compile(
    r"(?P<path>/[\w./\-]*\w)(?P<query>\?\$(?:args|query_string)|\$is_args\$(?:args|query_string))?"
)
_BEHIND: Final = " behind its rewrites"
_CLOSING: Final = (*RESTRICTING, "satisfy")


class Rerouted:
    """Of one server.  ``is_known``: the hook for all requests can tell this server's.

    ``fields``: lines for what it answers, by what stands in ``req.ctx.answered`` then.
    """

    def __init__(self, server: Server, name: str, *, is_known: bool) -> None:
        self._server = server
        self._name = name
        self._is_known = is_known
        self._lines: dict[int, list[str]] = {}
        self.fields: dict[str, list[str]] = {}

    def add(
        self, location: Location, block: list[Statement], guards: Guards, fields: Callable[[Level], list[str]]
    ) -> None:
        """What ``block`` does belongs to the hook for all requests.

        ``fields``: makes lines for what a level answers.  Raises :class:`Unsayable`.
        """
        said = "rsp does not look for a route again: rewrite ... last leads to another location"
        if not self._is_known or location.level.has("limit_except") or not self._stays(location, block):
            raise Unsayable(said)
        guards.lead = guards.stays = guards.jump = None
        guards.is_alone = False
        guards.says_stay = True
        number = self._server.locations.index(location) + 1
        added: dict[str, list[str]] = {}

        def answered(inside: list[Statement]) -> list[str]:
            key = f"{self._name} {number} {len(added) + 1}"
            added[key] = fields(Level("if", inside, location.level))
            return [f"req.ctx.answered = {quoted(key)}"]

        guards.answered = answered
        try:
            lines = guards.lines(block, guards.names.captures)
        finally:
            guards.says_stay, guards.answered = False, None
        answers = any("return re" in line for line in lines)
        if answers:
            codes = {each.value for each in every(block) if each.name == "return"}
            has_page = any(codes & set(page.args) for page in location.level.all("error_page"))
            if has_page or any(branch.fields and not branch.answers for branch in guards.branches):
                raise Unsayable(said)
            added[f"{self._name} {number}"] = fields(location.level)
            for key, given_fields in added.items():
                if any("found" in line for line in given_fields):
                    if _tries_more(block) or not location.is_regex:
                        raise Unsayable("groups of an expression in fields of what an `if` answers")
                    pattern = guards.compiled(location.modifier + location.path)
                    added[key] = [f"local found = {pattern}.match(req.path)", *given_fields]
            self.fields |= {key: each for key, each in added.items() if each}
        asks = [number for number, line in enumerate(lines) if "found[" in line or "found." in line]
        given = [number for number, line in enumerate(lines) if "found =" in line]
        own = bool(given and asks) and given[0] < asks[0] and not any("found." in lines[number] for number in asks)
        if guards.names.captures and asks and not own:  # numbers are those of the last expression that was tried
            if given:
                raise Unsayable("groups of the location's expression are used beside those of others")
            pattern = guards.compiled(location.modifier + location.path)
            lines = [f"local found = {pattern}.match(req.path)", *lines]
        self._place(guards)  # raises where an expression of a location cannot be compiled
        self._lines[number] = body(lines)

    def _stays(self, location: Location, block: list[Statement]) -> bool:
        """Whether paths that ``break`` keeps here are for this location all the same."""
        found = every(block)
        ends = any(each.name == "break" for each in found)
        for each in found:
            if each.name == "rewrite" and (each.args[2:] == ["break"] or (ends and not each.args[2:])):
                end = re.split(r"[?]", each.args[1])[0]
                match = re.fullmatch(r"(?:\$\{?(?:\d|uri)\}?)?(/[\w./\-]*)", end)
                starts = ("", "/x", "/x/y") if match is not None and end.startswith("$") else ("",)
                if match is None or any(self._server.find(f"{start}{match[1]}") is not location for start in starts):
                    return False
        return True

    def script(self, guards: Guards) -> str:
        """A function that changes requests, or answers them; empty: there is nothing to do."""
        if not self._lines:
            return ""
        name = self._name
        answered = f'    if answer then req.ctx.answered = req.ctx.answered or "{name} " .. number end'
        found = [*self._place(guards), f"local rewrites_of_{name} = {{"]
        for number, lines in self._lines.items():
            found += [f"  [{number}] = function(req)", *(f"    {line}" for line in lines), "  end,"]
        return "\n".join([
            *found, "}", f"local function reroute_{name}(req)", f"  for _ = 1, {_MOST} do",
            f"    local number, path = place_of_{name}(req.path), req.path",
            f"    local rewrite = rewrites_of_{name}[number]",
            "    local answer = rewrite and rewrite(req)",
            *([answered] if self.fields else []),
            "    if answer then return answer end",
            "    if req.path == path or req.ctx.stays then return end",
            "    req.ctx.rerouted = true",
            "  end",
            "  return respond(500)",
            "end",
        ])  # fmt: skip

    def _place(self, guards: Guards) -> list[str]:
        """A function of Lua: the number of the location that has a path, as nginx finds it."""
        name, locations = self._name, self._server.locations
        numbers = {id(each): number for number, each in enumerate(locations, 1)}
        exact = {each.path: numbers[id(each)] for each in locations if each.modifier == "="}
        plain = sorted((each for each in locations if each.modifier in ("", "^~")), key=lambda each: -len(each.path))
        paths = {each.path for each in plain}
        for each in plain:  # nginx redirects these to the path with a slash at its end
            if each.path.endswith("/") and each.content is not None and each.path[:-1] not in {"", *paths}:
                exact.setdefault(each.path[:-1], 0)
        outer = [each for each in locations if each.is_regex and each.home is None]
        listed: list[str] = []
        for each in plain:
            tried = self._server.tried(each)
            own = [one for one in tried if one not in outer]
            alone = len(own) == len(tried)
            tested = ", ".join(f"{{ {guards.compiled(one.compared)}, {numbers[id(one)]} }}" for one in own)
            listed.append(f"  {{ {quoted(each.path)}, {numbers[id(each)]}, {str(alone).lower()}, {{ {tested} }} }},")
        tests = [f"  {{ {guards.compiled(each.compared)}, {numbers[id(each)]} }}," for each in outer]
        exact_list = ", ".join(f"{index(path)} = {number}" for path, number in exact.items())
        return [
            f"local exact_of_{name} = {{ {exact_list} }}",
            f"local prefixes_of_{name} = {{  -- the longest first",
            *listed,
            "}",
            f"local expressions_of_{name} = {{",
            *tests,
            "}",
            f"local function place_of_{name}(path)",
            f"  if exact_of_{name}[path] then return exact_of_{name}[path] end",
            '  local place = { "", 0, false, {} }',
            f"  for _, each in ipairs(prefixes_of_{name}) do",
            "    if path:sub(1, #each[1]) == each[1] then place = each break end",
            "  end",
            "  for _, each in ipairs(place[4]) do",
            "    if each[1].test(path) then return each[2] end",
            "  end",
            f"  for _, each in ipairs(place[3] and {{}} or expressions_of_{name}) do",
            "    if each[1].test(path) then return each[2] end",
            "  end",
            "  return place[2]",
            "end",
        ]


def _tries_more(block: list[Statement]) -> bool:
    """Whether groups are those of another expression than the location's, or the path has changed."""
    found = every(block)
    words = (word for each in found if each.name == "if" for word in each.args)
    return any(each.name == "rewrite" for each in found) or any(word.lstrip("!").startswith("~") for word in words)


def rewrites_again(server: Server) -> bool:
    """Whether a location of it may lead to another one, which may be internal."""
    return any(
        each.name == "rewrite" and each.args[2:] in ([], ["last"]) and not re.match(r"https?:|\$scheme", each.args[1])
        for location in server.all_locations()
        for each in every(location.level.block)
    )


def as_condition(location: Location, server: Server) -> bool:
    """``try_files $uri @more``, where @more rewrites, becomes ``if (!-f ...)`` with these rewrites."""
    found = location.level.own("try_files")
    if found and location.is_regex and re.fullmatch(r"[/$][^?]*\$[^?]*", found[-1].args[-1]):
        return _by_groups(location, found[-1])
    if found and (_by_path(location, found[-1], server) or _by_place(location, found[-1], server)):
        return True
    if lead_to_index(location, server):
        return True
    named = server.named.get(found[-1].args[-1]) if found else None
    test = _TRIED.get(tuple(found[-1].args[:-1])) if found else None
    if named is None or test is None or location.level.has("alias", "if", "rewrite"):
        return False
    if any(level.all(*_CLOSING) for level in (location.level, named.level)):
        return False
    rewrites = [each for each in named.level.block if each.name == "rewrite"]
    if not rewrites or named.level.has("if", "return", "set", "break"):
        return False
    origin, copies = found[-1].origin, [Statement(each.name, list(each.args), each.origin) for each in rewrites]
    condition = Statement("if", ["(", test, "$request_filename", ")"], origin, copies)
    rest = [each for each in named.level.block if each.name != "rewrite"]
    end = "=404"
    if named.content is not None:
        end = f"{named.path}{_BEHIND}"
        server.named[end] = Location("@", end, Level("location", rest, named.level.outer), named.statement)
    for each in rewrites:
        each.used = True
    tries = Statement("try_files", [*found[-1].args[:-1], end], origin)
    block = [condition, *(tries if each is found[-1] else each for each in location.level.block)]
    location.level = Level("location", block, location.level.outer)
    return True


def passed(lines: list[str], level: Level, upstream: Value) -> list[str]:
    """What :func:`as_condition` has rewritten goes to the peer, although there may be a file of the new name."""
    tries = level.last("try_files")
    first = next((number for number, line in enumerate(lines) if line.lstrip().startswith("if file.kind(")), None)
    if first is None or upstream is None or tries is None or not tries.args[-1].endswith(_BEHIND):
        return lines
    indent = lines[first].partition("if")[0]
    end = lines.index(f"{indent}end", first)
    done = f"return proxy({quoted(str(upstream))})"
    block = [f"{line.partition('break')[0]}{done}" if line.strip() == "break" else line for line in lines[first:end]]
    return [*lines[:first], *block, f"{indent}  {done}", *lines[end:]]


def _by_groups(location: Location, tries: Statement) -> bool:
    """``try_files $uri $1.$2``, by the groups of the location's own expression."""
    test = _TRIED.get(tuple(tries.args[:-1]))
    if test is None or location.level.has("alias", "if", "rewrite") or location.level.all(*_CLOSING):
        return False
    expression = f"(?i){location.path}" if location.modifier == "~*" else location.path
    rewrite = Statement("rewrite", [expression, tries.args[-1], "last"], tries.origin)
    _as_if(location, tries, test, rewrite)
    return True


def _by_path(location: Location, tries: Statement, server: Server) -> bool:
    """``try_files $uri /index.html``, a file of another location, which rsp cannot serve from a route for this one."""
    test, target = _TRIED.get(tuple(tries.args[:-1])), tries.args[-1]
    if test is None or not re.fullmatch(r"/[\w./\-]*\w", target):
        return False
    found = server.find(target)
    if found is location or (found is not None and _does_more(found)):
        return False
    has_file = "request_filename" in server.names_at(location).constants
    if not has_file or location.level.has("if", "rewrite", "return") or location.level.all(*_CLOSING):
        return False
    rewrite = Statement("rewrite", ["^", f"{target}?", "last"], tries.origin)
    _as_if(location, tries, test, rewrite)
    return True


def _by_place(location: Location, tries: Statement, server: Server) -> bool:
    """``try_files $uri /index.php?$args`` where that place keeps clients out that this one lets in.

    The hook for all requests leads there before a route is chosen, so what that place says holds.
    """
    test, match = _TRIED.get(tuple(tries.args[:-1])), _PLACE.fullmatch(tries.args[-1])
    found = server.find(match["path"]) if match is not None else None
    if test is None or match is None or found is None or found is location or found.content is None:
        return False
    has_file = "request_filename" in server.names_at(location).constants
    if not has_file or not differ(location.level, found.level) or restricts(found.level, location.level):
        return False
    if location.level.has("if", "rewrite", "return", "limit_except", "internal"):
        return False
    if not {each.text for each in location.level.all(*LIMITS)} <= {each.text for each in found.level.all(*LIMITS)}:
        return False
    target = match["path"] if match["query"] else f"{match['path']}?"  # which leaves the query out
    _as_if(location, tries, test, Statement("rewrite", ["^", target, "last"], tries.origin))
    return True


def _as_if(location: Location, tries: Statement, test: str, rewrite: Statement) -> None:
    condition = Statement("if", ["(", test, "$request_filename", ")"], tries.origin, [rewrite])
    rest = Statement("try_files", [*tries.args[:-1], "=404"], tries.origin)
    block = [condition, *(rest if each is tries else each for each in location.level.block)]
    location.level = Level("location", block, location.level.outer)


def _does_more(location: Location) -> bool:
    """Whether it may do something else than to send a file."""
    return location.content is not None or location.level.has("internal", "if", "return")
