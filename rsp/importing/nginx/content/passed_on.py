"""``index index.php`` where a location passes scripts to a peer that speaks HTTP, as nginx before Apache does.

The index of a directory is asked for by its own path, where the file is there.
"""

from rsp.importing.lua import quoted
from rsp.importing.nginx.content import indexes
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import proxy
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules import access, fields
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.variables import Unsayable


def found(server: Server, location: Location | None, level: Level) -> Location | None:
    """The expression that passes on the one script that ``index`` names."""
    if (location is not None and (location.is_regex or location.modifier == "=")) or level.has("alias"):
        return None
    words = indexes.scripts(level)
    folder = location.path.rstrip("/") if location is not None else ""
    asked = server.find(f"{folder}/{words[0]}") if len(words) == 1 else None
    passing = asked.content if asked is not None else None
    if asked is None or passing is None or passing.name != "proxy_pass" or not asked.is_regex:
        return None
    return None if asked.level.has(*MODULE) else asked


def put(
    draft: Draft, asked: Location | None, server: Server, context: Context, ports: frozenset[str], level: Level,
    folder: str, rules: fields.Rules,
) -> None:  # fmt: skip
    """Lines of the hook, and what the peer is told.  Raises :class:`Unsayable`."""
    passing = asked.content if asked is not None else None
    if asked is None or passing is None:
        return
    word = indexes.scripts(level)[0]
    if access.differ(level, asked.level):
        raise Unsayable(f"the index leads to a location with restrictions of its own: {asked.path}")
    names = server.names_at(asked)
    passing.used = True
    target = proxy.target(passing, asked.level, names, context.blocks, context.result, draft.parts)
    if target.uri is not None:
        raise Unsayable(f"the index {word} leads to another path of a peer")
    behind = draft.behind
    host = ""
    if behind is not None:
        given = [[each.args for each in one.all("proxy_set_header")] for one in (behind, asked.level)]
        if given[0] != given[1] or draft.keys.get("else_to") != target.upstream:
            raise Unsayable(
                f"the index {word} leads to another peer, or with other fields, than where there is no file"
            )
    else:
        fields.request_rules(asked.level, target.names(names), draft.parts, ports, rules)
        if fields.put(rules, draft.keys, ""):
            given_host = str(draft.keys.pop("send_host"))
            host = f"req.host = {quoted(given_host or target.host)} "
        draft.behind = asked.level
    indexes.in_order(draft, level, folder, {word: f"{host}return proxy({quoted(target.upstream)})"})
