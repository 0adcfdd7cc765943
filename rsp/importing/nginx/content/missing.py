"""What ``try_files`` does where there is no file, and the path changes: ``/index.php?q=$uri``, ``@rewrite``.

A key of the route says it (``else_rewrite``).  A named location with several ``rewrite`` becomes several routes, each
with the expression of one of them, behind all expressions of the server.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from rsp.importing.lua import quoted
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.content.files import Tries
from rsp.importing.nginx.matching.precedence import may_be_others
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import fastcgi
from rsp.importing.nginx.rewrite.guards import MODULE, encoded, redirect_status
from rsp.importing.nginx.rules import access, times
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark_all
from rsp.importing.nginx.values.lookahead import refusing
from rsp.importing.nginx.values.maps import named_groups, re2_of
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_ANY: Final = ("^", ".", ".*", "^.*", "^.*$", "^/", "^.+$")
_WHOLE: Final = ("^(.*)$", "^(.*)", "(.*)", "^(.+)$", "^(.+)")  # $1 is the path
_BELOW: Final = ("^/(.*)$", "^/(.+)$", "^/(.*)", "/(.*)", "/(.*)$", "^/?(.*)$", "^/?(.*)")  # what is behind its slash
_KEPT: Final = ("$is_args$args", "$is_args$query_string", "?$is_args$args")
Passed = Callable[[Statement, Location, bool], None]


class Missing(Struct):
    """Of one route.  ``passed``: makes ``else_to`` of the route; whether the path is another one than the client's."""

    context: Context
    server: Server
    draft: Draft
    level: Level
    passed: Passed

    def rewritten(self, meant: Location, target: str, names: Names) -> None:
        """``target``: the last argument of ``try_files``; ``names``: of the location that has it.

        Raises :class:`Unsayable`.
        """
        passing = self._passing(meant, target)
        self.passed(passing, meant, True)
        captures = names.captures if names.has_groups else frozenset()
        names = Names(names.constants, names.functions, captures)  # a path that was rewritten counts
        self.draft.keys["else_rewrite"] = _written(target, names, keeps_query=False)

    def named(self, meant: Location) -> None:
        """A location that does nothing but rewrite paths, and pass them on.  Raises :class:`Unsayable`."""
        module = [each for each in meant.level.block if each.name in MODULE]
        is_done = False
        for number, each in enumerate(module, 1):
            expression, target, flag, *_ = [*each.args, "", "", ""]
            if each.name != "rewrite" or flag not in ("last", "break", "") or redirect_status(target, flag):
                raise Unsayable(f"rsp import does not translate what {meant.path} does where there is no file")
            if flag == "" and number < len(module):
                raise Unsayable(f"in {meant.path}, rewrite without a flag changes the path for those that follow")
            is_done = is_done or self._rewrite(meant, expression, target, stays=flag == "break")
        mark_all(meant.level.block)
        if is_done:
            return
        if meant.content is not None:
            self._same_rules(meant)
            self.passed(meant.content, meant, False)

    def _rewrite(self, meant: Location, expression: str, target: str, *, stays: bool) -> bool:
        """Whether it is for all paths."""
        if expression in _WHOLE:
            target, expression = re.sub(r"\$1(?!\d)", "$uri", target), "^"
        elif expression in _BELOW and "$1" not in target.partition("?")[2]:
            target, expression = re.sub(r"/\$1(?!\d)", "$uri", target), "^"
        found = meant if stays else self._found(target)
        passing = self._passing(found, target)
        names = Names(self.server.names.constants, self.server.names.functions, named_groups(expression))
        text = _written(target, names, keeps_query=True)
        if expression in _ANY:
            self.passed(passing, found, True)
            self.draft.keys["else_rewrite"] = text
            return True
        if passing.name != "fastcgi_pass":
            raise Unsayable(f"rsp import translates several rewrites of {meant.path} only where scripts follow")
        self._alone(meant, expression)
        name = fastcgi.upstream(
            passing, found.level, self.server.names_at(found), self.context.blocks, self.context.result,
            self.draft.parts, is_rewritten=True,
        )  # fmt: skip
        passing.used = True
        files = below_nothing(self.draft.keys["files"], str(self.draft.match.get("path", "/")))
        other: dict[str, Value] = {"files": files, "else_to": name, "else_rewrite": text}
        self.draft.others.append({"regex": re2_of(expression), **other})
        return expression in _BELOW

    def _alone(self, meant: Location, expression: str) -> None:
        """Raises :class:`Unsayable` where a route with ``expression`` could have paths of another location."""
        match = re.match(r"\^((?:[\w/\-]|\\\.)*)", expression)
        start = match[1].replace("\\.", ".") if match is not None else ""
        if match is not None and expression[match.end() :][:1] in ("?", "*", "{"):
            start = start[:-1]
        own = str(self.draft.match.get("path", "/"))
        prefixes = {each.path for each in self.server.locations if each.modifier in ("", "^~")} - {own, "/"}
        longer = [path for path in prefixes if not own.startswith(path)]
        if set(self.draft.match) - {"path"} or not start.startswith(own) or self.level.has("alias"):
            raise Unsayable(f"an expression of {meant.path} covers paths of other locations")
        if any(start.startswith(path) or path.startswith(start) for path in longer):
            raise Unsayable(f"an expression of {meant.path} covers paths of other locations")

    def _found(self, target: str) -> Location:
        path = re.split(r"[?$]", target)[0]
        found = self.server.find(path) if path.startswith("/") else None
        if found is None or (target[len(path) :].startswith("$") and not self._has_all(found, path)):
            raise Unsayable(f"{target} may lead to several locations")
        return found

    def _has_all(self, found: Location, path: str) -> bool:
        """Whether all that begins with ``path`` is for the same location."""
        if self.server.find(f"{path.rstrip('/')}/x") is found and ".php" in path:
            return True
        return not may_be_others(found, self.server)

    def _passing(self, found: Location, target: str) -> Statement:
        self._same_rules(found)
        if found.content is None or not all(_is_idle(each, target) for each in found.level.block):
            raise Unsayable(f"where there is no file, {target} does not lead to a peer alone")
        found.content.used = True
        times.of_route(found.level, self.draft.keys, self.draft.parts)
        return found.content

    def _same_rules(self, meant: Location) -> None:
        """What keeps clients out of ``meant`` holds for requests that come there by way of files, too."""
        if access.differ(self.level, meant.level):
            raise Unsayable(f"{meant.path} has restrictions of its own")


def _is_idle(statement: Statement, target: str) -> bool:
    """Whether a statement of the rewrite module does nothing to requests for ``target``."""
    if statement.name not in MODULE or statement.name == "set":
        return True
    pair = refusing(statement.args[0]) if statement.name == "rewrite" else None
    return pair is not None and re.match(pair[1], re.split(r"[?$]", target)[0]) is not None


def below_nothing(files: Value, path: str) -> Value:
    """``files`` of a route with an expression, which takes no ``path`` off."""
    table = dict(files) if isinstance(files, dict) else {"root": files}
    table["root"] = str(table["root"]).removesuffix(path.rstrip("/")) or "/"
    return table if len(table) > 1 else table["root"]


def _written(target: str, names: Names, *, keeps_query: bool) -> str:
    """As ``else_rewrite``.  ``keeps_query``: as ``rewrite`` does, and ``try_files`` does not."""
    for tail in _KEPT:
        if target.endswith(tail) and "?" not in target.removesuffix(tail):
            target, keeps_query = target.removesuffix(tail), True
    path, mark, query = target.partition("?")
    said = names.text(path)
    if said.endswith("{uri}"):  # with its query
        return said
    query = re.sub(r"\$\{?(?:args|query_string)\}?$", "{query}", query)
    drops = query.endswith("?") or not keeps_query
    parts = [names.text(each) if each != "{query}" else each for each in [query.removesuffix("?")] if each]
    if query.endswith("{query}"):
        parts = [names.text(query.removesuffix("{query}")) + "{query}"]
    elif not drops and mark:
        parts.append("{query}")
    return f"{said}?{'&'.join(parts)}" if mark or drops else said


def otherwise(draft: Draft, tried: Tries, names: Names) -> list[str]:
    """Lines of a hook that has looked for files of other names, and found none.  Raises :class:`Unsayable`."""
    if tried.file:
        return []  # the route looks for the path itself
    to, rewrite = draft.keys.get("else_to"), tried.last.rewrite
    is_known = "else_rewrite" not in draft.keys or (to is not None and rewrite is not None)
    if "" in draft.keys or draft.others or tried.last.returned is not None or not is_known:
        raise Unsayable("rsp import does not translate what this try_files ends with")
    if to is not None:
        lines = _moved(rewrite, names) if rewrite is not None and "else_rewrite" in draft.keys else []
        return ["else", *(f"  {line}" for line in lines), f"  return proxy({quoted(str(to))})"]
    if "fallback" in draft.keys:
        return ["else", f"  req.path = {quoted(str(draft.keys['fallback']))}"]
    return ["else", f"  return respond({tried.last.status})"]


def _moved(target: str, names: Names) -> list[str]:
    """``target``: the last argument of ``try_files``."""
    kept = next((tail for tail in _KEPT if target.endswith(tail)), "")
    path, _, query = target.removesuffix(kept).partition("?")
    if (kept and query) or "request_uri" in path:
        raise Unsayable(f"rsp import does not translate {target} at the end of try_files")
    given = [] if kept else [f"req.query = {encoded(names.lua(query))}"]
    return [*given, f"req.path = {names.lua(path)}"]


def is_rewriting(meant: Location) -> bool:
    """Whether it is a named location that changes paths."""
    return meant.modifier == "@" and any(each.name == "rewrite" for each in meant.level.block)
