"""nginx's prefixes go on in the middle of a segment: ``location /admin`` is for ``/administrator``, too.

rsp's ``path = "/admin"`` is not.  A route with a regular expression has the rest, behind all others of the server.
"""

import re
from typing import Final

from rsp.importing.nginx.matching.paths import as_sent, in_expression
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.site import Value

Rest = dict[str, Value]  # None: the key is left out
_CLOSING: Final = ("auth", "allow", "deny", "client_ca", "maintenance", "country")
NOTE: Final = (
    "a `location` without a slash at its end also covers paths that go on in the same segment (/api: /apix), `path` "
    "does not: they have routes with a regular expression, which you may leave out where no client asks for such paths"
)
_BESIDE: Final = "; here these answer with an error: nginx would look for files beside the directory"
LEFT_OUT: Final = (
    "paths that go on in the same segment, which nginx has here, are not covered: path in rsp is for whole ones"
)


def is_open_ended(location: Location | None) -> bool:
    """Whether the location is for more than rsp's ``path`` of the same text."""
    return location is not None and location.modifier in ("", "^~") and not location.path.endswith("/")


def keeps_out(keys: dict[str, Value]) -> bool:
    """Whether a route with these keys refuses clients that others would serve."""
    return any(key in keys for key in _CLOSING) or refuses(keys)


def refuses(keys: dict[str, Value]) -> bool:
    """Whether it serves no client."""
    respond = keys.get("respond")
    status = respond.get("status") if isinstance(respond, dict) else None
    return isinstance(status, int) and status >= 400


def longer(path: str, server: Server) -> set[str]:
    """How the paths of prefixes go on that begin with ``path``."""
    paths = {in_expression(each.path) for each in server.locations if each.modifier in ("", "^~")}
    return {each[len(path) :] for each in paths if each.startswith(path) and each != path}


def note(rest: Rest | None, keys: dict[str, Value]) -> str:
    """What is to be said of a location's ``rest``, where its route has ``keys``."""
    if rest is None:
        return LEFT_OUT
    return f"{NOTE}{_BESIDE}" if "files" in keys and "respond" in rest else NOTE


def but_longer(path: str, server: Server) -> str:
    """An expression for what begins with ``path`` and is of no longer prefix."""
    words = longer(path, server)
    return f"^{re.escape(path)}{_beginning_otherwise(words) if words else ''}"


def directories(path: str, server: Server) -> str:
    """An expression for what begins with ``path``, ends in a slash, and is of no longer prefix."""
    start = f"{path.rstrip('/')}/"
    words = longer(start, server)
    if not words:
        return f"^{re.escape(start)}(.*/)?$" if path != "/" else "/$"
    return f"^{re.escape(start)}{_directories_otherwise(words, is_one=True)}$"


def _directories_otherwise(words: set[str], *, is_one: bool) -> str:
    """What ends in a slash, or is empty where ``is_one``, and begins with none of ``words``."""
    letters = sorted({word[0] for word in words})
    said = "".join(rf"\{letter}" if letter in r"\]^-" else letter for letter in letters if letter != "/")
    found = [f"[^/{said}].*/"]
    if "/" not in letters:
        found.append("/(?:.*/)?")
    for letter in letters:
        behind = {word[1:] for word in words if word[0] == letter}
        if "" not in behind:
            found.append(f"{re.escape(letter)}{_directories_otherwise(behind, is_one=letter == '/')}")
    return f"(?:{'|'.join(found)}){'?' if is_one else ''}"


def rest(location: Location, server: Server, keys: dict[str, Value], *, closes: bool) -> Rest | None:
    """How a route for the paths that ``path`` does not cover differs; ``None``: rsp cannot say it.

    Longer prefixes of the server are left out of it.  ``closes``: where rsp cannot say it, it refuses all clients.
    """
    path = as_sent(location.path)
    otherwise = _beginning_otherwise({"/", *longer(path, server)})
    found: Rest = dict.fromkeys(("path", "first", "slash", "rewrite_location"))
    found["regex"] = f"^{re.escape(path)}{otherwise}"
    rewrite = str(keys.get("rewrite", path))
    if "?" in rewrite or "" in keys:
        return {**found, **dict.fromkeys(keys), "respond": {"status": 403}} if closes else None
    if "files" in keys and "rewrite" not in keys and not above(location, keys, found):
        return {**found, **dict.fromkeys(keys), "respond": {"status": 403 if closes else 404}}
    if rewrite == path:
        found["rewrite"] = None
    elif "{" not in rewrite:
        found["regex"] = f"^{re.escape(path)}({otherwise}.*)$"
        found["rewrite"] = f"{rewrite}{{1}}"
    return found


def above(location: Location, keys: dict[str, Value], found: Rest) -> bool:
    """``files`` of a route with an expression, which takes no ``path`` off: those of the directory above."""
    given = keys["files"]
    table = dict(given) if isinstance(given, dict) else {"root": given}
    root, path = str(table["root"]), location.path
    if root == path:
        return False  # beside it there is the whole file system, of which rsp serves nothing
    if not root.endswith(path):
        return not location.level.has("alias")  # else the directory is for all paths: a hook names the file
    table["root"] = root.removesuffix(path)
    found["files"] = table if len(table) > 1 else table["root"]
    if "fallback" in keys:
        found["fallback"] = f"{path}{keys['fallback']}"
    return True


def _beginning_otherwise(words: set[str]) -> str:
    """An expression for what begins with none of ``words``, and is not empty."""
    letters = sorted({word[0] for word in words})
    said = "".join(rf"\{letter}" if letter in r"\]^-" else letter for letter in letters)
    found = [f"[^{said}]"]
    for letter in letters:
        behind = {word[1:] for word in words if word[0] == letter}
        if "" not in behind:
            found.append(f"{re.escape(letter)}(?:$|{_beginning_otherwise(behind)})")
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"
