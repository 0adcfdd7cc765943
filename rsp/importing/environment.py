"""Variables of the environment in a source's texts: ``os.getenv`` in what is written."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rsp.importing.lua import quoted
from rsp.importing.site import Code, Declaration, Note, Setting, Site, Table

_OF_URL: Final = '"^http://([^/]+)/?$"'  # host and port: with a path, or TLS, the result does not load
Variables = Callable[[str], list[tuple[str, str | None, str]]]


def with_environment(site: Site, variables: Variables, *, has_urls: bool = False) -> None:
    """``variables``: those in a text, as name, default and how they stand there.

    ``has_urls``: of a default with ``http://``, and of what is in the environment in its place, the host is taken.
    """
    names: dict[str, str] = {}

    def text(value: str) -> Any:
        found = variables(value)
        if not found:
            return value
        pieces: list[str] = []
        rest = value
        for name, default, written in found:
            before, _, rest = rest.partition(written)
            if before:
                pieces.append(quoted(before))
            if default is None:
                default = _stand_in(name, before, rest, names)
                names[name] = default
            said = f"(os.getenv({quoted(name)}) or {quoted(default)})"
            if has_urls and default.startswith("http://"):
                names[name] = default
                said = f"{said}:match({_OF_URL})"
            pieces.append(said)
        if rest:
            pieces.append(quoted(rest))
        return Code(" .. ".join(pieces))

    for part in site.parts:
        if isinstance(part, Setting):
            part.value = _changed(part.value, text)
        elif isinstance(part, Declaration):
            if part.name and variables(part.name):
                part.items.insert(0, text(part.name))
                part.name = ""
            part.items = _changed(part.items, text)
            part.keys = _changed(part.keys, text)
    for name, default in names.items():
        site.add(Note(f'set the variable {name} of the environment of rsp; "{default}" stands for it until then'))


def _stand_in(name: str, before: str, after: str, others: Mapping[str, str]) -> str:
    """What loads in the place of a variable that is not set: of two ports, another for each."""
    is_behind_colon = before.endswith(":") and after[:1] in ("", "/", "{", "?")
    if is_behind_colon or (not after and "port" in name.lower()):
        if others.get(name, "").isdigit():
            return others[name]
        return next(str(port) for port in range(8080, 65536) if str(port) not in others.values())
    if not before and any(part in name.lower() for part in ("uri", "path")):
        return f"/{name.lower().replace('_', '-')}"
    return f"{name.lower().replace('_', '-').strip('-') or 'x'}.invalid"


def _changed(value: Any, text: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_changed(each, text) for each in value]
    if isinstance(value, dict):
        return {name: _changed(each, text) for name, each in value.items()}
    if isinstance(value, Table):
        return Table(_changed(value.items, text), _changed(value.keys, text))
    return value
