"""``rewrite ^/api/(.*)$ /$1 break`` in ``location /api/``: what peers get in the place of the prefix, by a key."""

from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement


def by_key(statement: Statement, level: Level, draft: Draft, location: Location) -> bool:
    """Whether a key of the route says what ``rewrite`` does; nothing of its module follows."""
    if not any(each.name in ("proxy_pass", "grpc_pass") for each in level.block):
        return False
    if len(statement.args) != 3 or statement.args[2] != "break" or location.is_regex:
        return False
    expression, target, _ = statement.args
    path = location.path
    wholes = (f"^{path}(.*)$", f"^{path}(.*)", f"{path}(.*)$", f"{path}(.*)")
    if not path.endswith("/") or location.modifier == "=" or expression not in wholes:
        return False
    if not target.endswith("$1") or "$" in target[:-2] or "?" in target:
        return False
    draft.keys["rewrite"] = target[:-2]
    statement.used = True
    return True
