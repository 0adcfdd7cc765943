"""What many routes have in common is said once: as a setting where all have it, else as a local variable.

Other programs say such things at a level above; routes in rsp have no level above them but the settings.
"""

from collections import Counter
from typing import Final

from rsp.importing.lua import write
from rsp.importing.site import Code, Declaration, Part, Script, Setting, Site, Value

_SETTINGS: Final = ("compress", "access_log", "limits", "timeouts", "response_headers")
_OVERRIDDEN: Final = ("compress", "access_log")  # a route's own value takes the place of the setting's
_LOCALS: Final = ("listener", "host", "compress", "access_log", "timeouts", "request_headers", "response_headers",
                  "allow", "deny", "auth", "rate_limit", "concurrency")  # fmt: skip
_HOOKS: Final = ("on_request", "on_response", "on_error")
_OFTEN: Final = 3
_LONG: Final = 40  # characters, from which on a value is worth a name


def share(routes: list[Part], settings: list[Part], scripts: list[Part]) -> None:
    """``settings`` and ``scripts``: where those go that are made."""
    found = [part for part in routes if isinstance(part, Declaration) and part.word == "route"]
    for key in _SETTINGS:
        _hoist(key, found, settings)
    for key in (*_LOCALS, *_HOOKS):
        _name(key, found, scripts)


def share_in(site: Site) -> None:
    made: list[Part] = []
    share(site.parts, site.parts, made)
    site.parts += made
    site.sort()


def _hoist(key: str, routes: list[Declaration], settings: list[Part]) -> None:
    values = [route.keys.get(key) for route in routes]
    if len(routes) < 2 or any(value is None for value in values):
        return
    said, count = Counter(map(str, values)).most_common(1)[0]
    if count < len(routes) and (key not in _OVERRIDDEN or count < 2):
        return
    value = next(value for value in values if str(value) == said)
    _set(key, value, settings)
    for route in routes:
        if str(route.keys[key]) == said:
            del route.keys[key]


def _set(key: str, value: Value, settings: list[Part]) -> None:
    for part in settings:
        if isinstance(part, Setting) and part.name == key:
            is_table = isinstance(part.value, dict) and isinstance(value, dict) and key not in _OVERRIDDEN
            part.value = {**part.value, **value} if is_table else value  # type: ignore[dict-item]
            return
    settings.append(Setting(key, value))


def _name(key: str, routes: list[Declaration], scripts: list[Part]) -> None:
    counts = Counter(str(route.keys[key]) for route in routes if key in route.keys)
    number = 0
    for said, count in counts.items():
        if count < _OFTEN or len(said) < _LONG:
            continue
        value = next(route.keys[key] for route in routes if str(route.keys.get(key)) == said)
        if isinstance(value, Code) and not value.text.startswith("function("):
            continue
        number += 1
        name = f"shared_{key}" + (f"_{number}" if number > 1 else "")
        if isinstance(value, Code):
            text = value.text.replace("function", f"local function {name}", 1)
        else:
            text = write(Site("", "", [Setting(f"local {name}", value)])).text.split("\n\n", 1)[1]
        scripts.append(Script(text.rstrip("\n")))
        for route in routes:
            if str(route.keys.get(key)) == said:
                route.keys[key] = Code(name)
