"""What the types of the schema cannot say about `compress`."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config import files_words
from rsp.config.content import COMPRESSED, Compress
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.schema import Settings
from rsp.config.units import show

_TYPE: Final = re.compile(r"\*|[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

Mistakes = Iterator[tuple[Path, str]]


def mistakes(route: Route, _upstreams: Collection[str]) -> Mistakes:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    yield from _mistakes(route.compress)


def setting_mistakes(settings: Settings) -> Mistakes:
    """Each mistake in ``settings``: the path to it, and what is wrong."""
    yield from _mistakes(settings.compress)


def warnings(given: bool | Compress | None) -> Mistakes:
    """What is allowed, and probably not meant."""
    for number, name in enumerate(given.types if isinstance(given, Compress) else (), 1):
        if COMPRESSED.match(name):
            yield (
                ("compress", "types", number),
                f"types: {show(name)} is compressed already, so this costs time and saves nothing",
            )


def _mistakes(given: bool | Compress | None) -> Mistakes:
    if not isinstance(given, Compress):
        return
    for number, name in enumerate(given.types, 1):
        if _TYPE.fullmatch(name) is None:
            yield ("compress", "types", number), f"compress: types: {_type_mistake(name)}"
    for number, name in enumerate(given.algorithms, 1):
        if name in given.algorithms[: number - 1]:
            yield ("compress", "algorithms", number), f"compress: algorithms: {show(name)} is listed twice"


def _type_mistake(name: str) -> str:
    plain, semicolon, _ = name.partition(";")
    if semicolon and _TYPE.fullmatch(plain.strip()):
        return f"{show(name)}: parameters are not compared; write {show(plain.strip())}"
    several = re.split(r"[\s,]+", name.strip(" ,"))
    if len(several) > 1 and all(map(_TYPE.fullmatch, several)):
        return f"{show(name)}: list each value separately: write {{ {', '.join(map(show, several))} }}"
    way = files_words.type_of(name) or '; every type is "*"' * (name in ("all", "any", "*/", "**"))
    return f'expected a type such as "text/html" or "text/*", got {show(name)}{way}'
