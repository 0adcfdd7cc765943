"""What the types of the schema cannot say about access: ``allow``, ``deny``, ``country``, ``any``,
``maintenance`` and ``fault`` of a route."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config.access_files import entries
from rsp.config.errors import Path
from rsp.config.network_list import explain, name_of
from rsp.config.routes import Route
from rsp.config.units import Network, show, spoken

_CODE: Final = re.compile("[A-Z]{2}")


def mistakes(route: Route, _upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    for key in ("allow", "deny"):
        yield from _list_mistakes(key, getattr(route, key))
    yield from _country_mistakes(route)
    yield from _any_mistakes(route)
    yield from _maintenance_mistakes(route.maintenance)
    if route.fault is not None and not route.fault.delay and route.fault.abort is None:
        yield ("fault",), 'fault: "delay" and "abort" are missing; add delay = "2s", or abort = 503'


def _list_mistakes(key: str, value: str | tuple[str, ...] | None) -> Iterator[tuple[Path, str]]:
    for number, entry in enumerate(entries(value)):
        path: Path = (key,) if isinstance(value, str) else (key, number)
        name = name_of(entry)
        if name == "":
            yield path, f'{key}: missing file name; write "file:office.txt"'
        elif name is None and (wrong := _entry_mistake(key, entry)):
            yield path, f"{key}: {wrong}"


def _entry_mistake(key: str, entry: str) -> str:
    """What is wrong with a network; empty: nothing."""
    try:
        Network.parse(entry)
    except ValueError:
        if entry == "all" and key == "deny":
            return (
                'expected networks, got "all"; "allow" denies all other clients; to deny every client, write respond '
                "= { status = 403 }"
            )
        if entry == "all":
            return 'expected networks, got "all"; every client is allowed unless "allow" names some'
        if "/" not in entry and entry.endswith((".txt", ".lst", ".list", ".conf", ".csv")):
            return f"expected networks, got {show(entry)}; for a file with networks write {show('file:' + entry)}"
        return explain(entry)
    return ""


def _country_mistakes(route: Route) -> Iterator[tuple[Path, str]]:
    country = route.country
    if country is None:
        return
    if not country.allow and not country.deny:
        yield ("country",), 'country: "allow" and "deny" are empty; add allow = { "DE" }, or deny = { "DE" }'
    for key in ("allow", "deny"):
        for number, code in enumerate(getattr(country, key) or ()):
            if _CODE.fullmatch(code) is None:
                way = f'; write "{code.upper()}"' if _CODE.fullmatch(code.upper()) else ""
                expected = f'expected two capital letters as in "DE" (ISO 3166-1), got {show(code)}'
                yield ("country", key, number), f"country: {key}: {expected}{way}"
    if country.file.startswith("file:"):
        yield ("country", "file"), f"country: file: write the name alone: {show(country.file[5:])}"


def _any_mistakes(route: Route) -> Iterator[tuple[Path, str]]:
    if not route.any:
        return
    ways = [name for name in ("allow", "auth") if getattr(route, name)]
    ways += ["country"] if route.country is not None and route.country.allow else []
    if len(ways) < 2:
        has = f', but only "{ways[0]}" is given' if ways else ""
        yield ("any",), f'any: true means that one of "allow", "country" (with allow) and "auth" is enough{has}'


def _maintenance_mistakes(value: bool | str) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and not name_of(value):
        way = f"; write {show('file:' + value)}" if value and not value.startswith("file:") else ""
        way = spoken(value) or way
        expected = 'expected true, or a file as in "file:/run/maintenance"'
        yield ("maintenance",), f"maintenance: {expected}, got {show(value)}{way}"
