"""Where a hook makes the variables of scripts that have no placeholder: before anything may be passed on."""

import re
from typing import Final

from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Unsayable

_FUNCTION: Final = re.compile(r"function (\w+)\(")
_OF_TARGET: Final = re.compile(r"\breq\.(?:path|query|args)\b")


def placed(
    given: list[str], draft: Draft, location: Location | None, server: Server, scripts: Parts
) -> tuple[list[str], list[str]]:
    """``given``: lines of the rewrite module.  With them, the lines that come first, and those that come after.

    ``scripts``: of the file, which the lines may call.

    Raises :class:`Unsayable`.
    """
    code = " ".join(draft.parts.told)
    if location is None or location.content is None:  # scripts are asked for with another path, and another query
        called = (str(part) for part in scripts if any(f"{name}(" in code for name in _FUNCTION.findall(str(part))))
        if any(_OF_TARGET.search(text) for text in (code, *called)):
            raise Unsayable("a variable of scripts depends on the path or the query, which are others for scripts")
    if "found" not in code and "req.ctx." not in code:
        return [*draft.parts.told, *given], []
    asked = set(re.findall(r"\breq\.ctx\.(\w+)", code))
    if location is None or location.content is None:
        inside = [each for other in server.all_locations() for each in every(other.level.block)]
        if "found" in code or asked & {each.value.lstrip("$") for each in inside if each.name == "set"}:
            raise Unsayable("a variable of scripts depends on the location that a request is led to")
    if any("return proxy(" in line for line in given):
        raise Unsayable("a variable of scripts is known only after a request has been led elsewhere")
    return given, draft.parts.told


def late(draft: Draft) -> None:
    """Where only a page for an error comes from a script.  Raises :class:`Unsayable`."""
    lines = [line for line in draft.parts.told if not any(line in each for each in draft.before)]
    if any("found" in line or "req.ctx." in line for line in lines):
        raise Unsayable("a variable of scripts depends on the location that a request is led to")
    draft.before[:0] = lines
