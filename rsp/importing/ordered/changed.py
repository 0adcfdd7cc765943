"""Fields of the request that an earlier rule has changed.

Caddy and HAProxy show later rules the new value, routes of rsp look at what the client sent.  A client that sends the
field itself must not get what the new value is for.
"""

import re
from typing import Any, Final

from msgspec.structs import replace

from rsp.importing.ordered.condition import Condition, Inexpressible
from rsp.importing.ordered.value import Wanted, takes

_FIELD: Final = re.compile(r"(?<!\{)\{header\.([\w-]+)\}")
_UNCHANGED: Final = ("{host}", "{authority}")


def changed_fields(keys: dict[str, Any]) -> dict[str, str | None]:
    """By their names in small letters; ``""``: removed, ``None``: not known.

    ``_written`` of ``keys`` names fields that rsp writes by itself, in the place of a rule.
    """
    rules = keys.get("request_headers", {})
    changed: dict[str, str | None] = {name.lower(): "" for name in rules.get("remove", ())}
    changed |= {name.lower(): str(value) or None for name, value in rules.get("set", {}).items()}
    changed |= {name.lower(): None for name in [*rules.get("add", ()), *keys.get("_written", ())]}
    if "send_host" in keys:
        changed["host"] = keys["send_host"]
    if changed.get("host") in _UNCHANGED:
        del changed["host"]
    return changed


def answered(condition: Condition, changed: dict[str, str | None]) -> Condition | None:
    """Without fields whose new value it agrees with; ``None``: it never holds.  Raises :class:`Inexpressible`."""
    rest: list[tuple[str, Wanted]] = []
    for name, wanted in condition.headers:
        if name.lower() not in changed:
            rest.append((name, wanted))
            continue
        value = changed[name.lower()]
        if value is None or "{" in value:
            raise Inexpressible(f"it asks for {name}, which an earlier rule has changed")
        if not takes(wanted, value or None):
            return None
    return replace(condition, headers=tuple(rest)) if len(rest) < len(condition.headers) else condition


def with_fields(keys: dict[str, Any], changed: dict[str, str | None]) -> dict[str, Any]:
    """The new values in the place of ``{header.NAME}``.  Raises :class:`Inexpressible`."""

    def value(match: "re.Match[str]") -> str:
        if match[1].lower() not in changed:
            return match[0]
        new = changed[match[1].lower()]
        if new is None:
            raise Inexpressible(f"it sends {match[1]}, which an earlier rule has changed")
        return new

    def told(part: Any) -> Any:
        if isinstance(part, str):
            return _FIELD.sub(value, part)
        if isinstance(part, dict):
            return {name: told(each) for name, each in part.items()}
        return [told(each) for each in part] if isinstance(part, list) else part

    return told(keys) if changed else keys
