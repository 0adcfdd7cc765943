"""nginx's prefixes go on in the middle of a segment: ``location /admin`` is for ``/administrator``, too.

rsp's ``path = "/admin"`` is not.  Where the location keeps clients out, a route with a regular expression has the rest,
so that nothing is opened; elsewhere it is a note.
"""

import re
from typing import Final

from rsp.importing.nginx.precedence import as_sent
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.site import Value

_CLOSING: Final = ("auth", "allow", "deny", "client_ca", "maintenance", "country")
NOTE: Final = (
    "a `location` without a slash at its end also covers paths that go on in the same segment (/api: /apix); "
    "path in rsp does not"
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


def rest(
    location: Location, server: Server, match: dict[str, Value], keys: dict[str, Value]
) -> dict[str, Value] | None:
    """What a route for the paths that ``path`` does not cover matches, and its changed keys; ``None``: there is none.

    Longer prefixes of the server are left out of it.
    """
    path = as_sent(location.path)
    longer = {
        as_sent(each.path)[len(path) :]
        for each in server.locations
        if each.modifier in ("", "^~") and each.path.startswith(location.path) and len(each.path) > len(location.path)
    }
    found: dict[str, Value] = {"regex": f"^{re.escape(path)}{_beginning_otherwise({'/', *longer})}"}
    if keys.get("rewrite") == path:
        keys = {key: value for key, value in keys.items() if key != "rewrite"}
    if "rewrite" in keys or "files" in keys:
        found["respond"] = {"status": 403}
        return found
    return {**found, **{key: value for key, value in keys.items() if key not in ("rewrite_location",)}}


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
