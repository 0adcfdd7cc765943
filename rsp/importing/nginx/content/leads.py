"""Where a request is led to by ``rewrite ... last``, or by ``return 418`` with ``error_page 418 = @app``.

nginx looks for a location again.  A hook knows the upstream of that location, where nothing else happens there.
"""

import re
from collections.abc import Sequence
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching import precedence
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import fastcgi, proxy
from rsp.importing.nginx.rewrite import idioms
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules import access
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.lookahead import refusing
from rsp.importing.nginx.values.variables import Unsayable

_MORE: Final = (*MODULE, *access.RESTRICTING)  # what happens in a location beside its upstream
_CLIENTS: Final = ("$host", "$http_host")


class Leads:
    """Of the locations of one server."""

    def __init__(self, context: Context, server: Server) -> None:
        self._context = context
        self._server = server

    def after_rewrite(self, to: str, draft: Draft, source: Location | None) -> str | None:
        """Statements of Lua that go on to the location that ``rewrite ... last`` leads to.

        ``None``: more than passing the request on happens there.
        """
        path, is_computed, _ = to.partition("$")
        found = self._server.find(path)
        if is_computed and found is not None and precedence.may_be_others(found, self._server):
            return None
        if source is None or (found is not None and access.differ(source.level, found.level)):
            return None
        passing = found.content if found is not None else None
        if found is None or passing is None or any(each.name in _MORE for each in found.level.block):
            return None
        names = self._server.names_at(found)
        context = self._context
        passing.used = True
        if passing.name in ("fastcgi_pass", "uwsgi_pass"):
            name = fastcgi.upstream(passing, found.level, names, context.blocks, context.result, draft.parts)
            return f"return proxy({quoted(name)})"
        target = proxy.target(passing, found.level, names, context.blocks, context.result, draft.parts)
        given = [each.args for each in found.level.all("proxy_set_header")]
        is_clients = all(name.lower() == "host" and value in _CLIENTS for name, value, *_ in given)
        if target.uri is not None or not is_clients or source.content is not None:
            return None
        own_host = "" if given else f"req.host = {quoted(target.host)} "
        return f"{own_host}return proxy({quoted(target.upstream)})"

    def stays(self, expression: str, to: str, source: Location | None) -> bool:
        """Whether a rewrite leads to the location that it stands in, where the expression does not match any more."""
        pair, start = refusing(expression), to.partition("$")[0]
        if pair is None or source is None or not self._has_all(source, start):
            return False
        return re.match(pair[1], start) is not None

    def _has_all(self, location: Location, start: str) -> bool:
        """Whether it has the paths that go on behind a script."""
        return ".php" in start and self._server.find(f"{start.rstrip('/')}/x") is location

    def instead_of(
        self, code: str, draft: Draft, source: Location | None, pages: Sequence[Statement] = ()
    ) -> str | None:
        """Statements of Lua in the place of ``return 418``; ``None``: no error_page names another location for it.

        ``pages``: of the ``if`` that has the return, in the place of those of the location.

        Raises :class:`Unsayable`.
        """
        for statement in pages or (source.level.all("error_page") if source is not None else []):
            *words, target = statement.args
            named = self._server.named.get(target)
            if source is None or named is None or not {code, "="} <= set(words) or named.level.has("return"):
                continue
            draft.jumps.add(code)
            if idioms.ends_with(source.level, named.statement):
                return "return"  # where the route goes on, without the files that the hook looks for
            return self._passed(source, named, draft)
        return None

    def _passed(self, source: Location, named: Location, draft: Draft) -> str:
        passing = named.content
        restricted = any(each.name in _MORE for each in named.level.block)
        if passing is None or restricted or access.differ(source.level, named.level):
            raise Unsayable(f"rsp import does not translate what {named.path} does after an error")
        names, context = self._server.names_at(named), self._context
        passing.used = True
        if passing.name in ("fastcgi_pass", "uwsgi_pass"):
            name = fastcgi.upstream(passing, named.level, names, context.blocks, context.result, draft.parts)
            return f"return proxy({quoted(name)})"
        place = proxy.target(passing, named.level, names, context.blocks, context.result, draft.parts)
        own, given = ([each.args for each in level.all("proxy_set_header")] for level in (source.level, named.level))
        tries = source.level.last("try_files")
        is_same = own == given if source.content is not None else tries is not None and tries.args[-1] == named.path
        is_clients = all(name.lower() == "host" and value in _CLIENTS for name, value, *_ in given)
        if place.uri is not None or not (is_same or (source.content is None and is_clients)):
            raise Unsayable(f"rsp import does not translate what {named.path} does after an error")
        if any(name.lower() == "host" for name, *_ in given) or tries is not None:
            return f"return proxy({quoted(place.upstream)})"
        return f"req.host = {quoted(place.host)} return proxy({quoted(place.upstream)})"
