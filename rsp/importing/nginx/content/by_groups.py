"""``try_files $uri /$1/index.html``: a file at the end whose name has groups of the location's expression.

It is looked for like those before it, where the location that nginx finds for it only has files of the same directory.
"""

from typing import Final

from rsp.importing.nginx.matching import paths_of_groups
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules.access import differ
from rsp.importing.nginx.values.variables import Names, Unsayable, pieces

_FIELDS: Final = ("add_header", "expires", "types", "default_type", "charset")
_QUERIES: Final = ("$is_args$args", "?$args", "?$query_string", "$is_args$query_string")


def file(last: str, server: Server, location: Location | None, names: Names) -> str | None:
    """The name, with nginx's variables; ``None``: it is something else.  Raises :class:`Unsayable`."""
    path = names.expand(last)
    for query in _QUERIES:
        path = path.removesuffix(query)
    variables = [name for _, name in pieces(path) if name]
    if location is None or not location.is_regex or not variables or not set(variables) <= names.captures:
        return None
    if not path.startswith("/") or path.endswith("/") or "?" in path or ".php" in path:
        return None
    for other in server.locations:
        if not _has_same(server, location, other) and paths_of_groups.may_have(path, location, other):
            raise Unsayable(f"{last} may lead to another location: {other.path}")
    return path


def _has_same(server: Server, location: Location, other: Location) -> bool:
    """Whether it serves the same files, to the same clients."""
    if other is location:
        return True
    if other.content is not None or other.level.has(*MODULE, "alias") or differ(location.level, other.level):
        return False
    pair = (location.level, other.level)
    if any(len({str([each.args for each in level.all(name)]) for level in pair}) > 1 for name in _FIELDS):
        return False
    here, there = (server.names_at(each).expand("$document_root") for each in (location, other))
    return here == there and not location.level.has("alias")
