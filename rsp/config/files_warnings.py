"""What is allowed, and probably not meant, of the directories whose files are served.

They are looked at with the rights of the process that reads the configuration; what a worker may enter is said by
``exchange/file_roots.py``.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path as File
from threading import Thread
from time import monotonic
from typing import Final

from rsp.config.content import Files
from rsp.config.errors import Path
from rsp.config.files_rules import SCRIPT
from rsp.config.routes import Route

_PATIENCE: Final = 2.0  # seconds
_LEAST: Final = 0.05  # seconds for each
_LOOKED_AT: Final = 2000  # names in a root
_EXTENSION: Final = re.compile(r"\.[A-Za-z0-9]+")
Warnings = Iterator[tuple[Path, str]]


class Looks:
    """Looks at disks, with a time for all of them: one that does not respond must not keep rsp from starting."""

    def __init__(self) -> None:
        self._left = _PATIENCE

    def warnings(
        self, route: Route, secrets: Iterable[str], runs: bool, elsewhere: Callable[[str], bool] = lambda _name: False
    ) -> Warnings:
        """``secrets``: files, with their whole paths, that no client should read.

        ``runs``: an upstream beside the files gets what names a script, so that its source is not sent; ``elsewhere``:
        whether the path of a file below the root is for another route.
        """
        rules = route.file_rules
        if rules is None:
            return
        path: Path = ("files",) if isinstance(route.files, str) else ("files", "root")
        found: list[tuple[Path, str]] = []
        looking = Thread(
            target=lambda: found.extend(_warnings(route, rules, path, secrets, runs, elsewhere)), daemon=True
        )
        began = monotonic()
        looking.start()
        looking.join(max(_LEAST, self._left))
        self._left = max(0.0, self._left - (monotonic() - began))
        if looking.is_alive():
            yield path, f"files: the file system of {_quoted(rules.root)} does not respond"
        else:
            yield from found


def _warnings(
    route: Route, rules: Files, path: Path, secrets: Iterable[str], runs: bool, elsewhere: Callable[[str], bool]
) -> Warnings:
    for pattern in () if rules.hidden else rules.hide:
        if _EXTENSION.fullmatch(pattern):
            yield (
                ("files", "hide"),
                f"hide: {_quoted(pattern)} has no effect: names that begin with a dot are hidden already; for names "
                f"with this extension, write {_quoted('*' + pattern)}",
            )
    if said := _root(rules.root, route):
        yield path, f"files: {said}"
        return
    for name in _served(secrets, rules):
        yield (
            path,
            f"files: clients can read {_quoted(name)}; serve another directory, or add {_hide(name, rules.root)}",
        )
    if not runs and (script := _script(rules, elsewhere)):
        yield (
            path,
            f'files: clients can read the source of scripts, such as {_quoted(script)}; add else_to = "app", an '
            f"upstream that runs them, or hide = {{ {_quoted('*' + File(script).suffix)} }}",
        )
    if route.fallback is not None and not os.path.isfile(rules.root + route.fallback):  # noqa: PTH113 - never raises
        yield ("fallback",), f"fallback: there is no file {_quoted(rules.root + route.fallback)} yet"


def _quoted(text: str) -> str:
    """As a whole: a path is of no use otherwise."""
    return f'"{text}"'


def _root(root: str, route: Route) -> str:
    """Why it cannot be served."""
    try:
        if File(root).is_dir():
            return ""
        there = os.path.lexists(root)
    except OSError as error:
        return f"{_quoted(root)}: {error.strerror}"
    if there and File(root).is_file():
        folder, _, name = root.rpartition("/")
        return (
            f"{_quoted(root)} is a file, not a directory; for this file alone write files = {_quoted(folder or '/')}, "
            f"rewrite = {_quoted('/' + name)}"
        )
    if there:
        return f"{_quoted(root)} does not lead to a directory"
    answer = f'go to "{route.else_to}"' if route.else_to is not None else "are answered 404"
    return f"there is no directory {_quoted(root)} yet; until there is, requests {answer}"


def _served(secrets: Iterable[str], rules: Files) -> Iterator[str]:
    """Those of ``secrets`` that lie below the root and are neither hidden nor `hide`."""
    root = os.path.realpath(rules.root)
    for name in dict.fromkeys(secrets):
        real = os.path.realpath(name)
        if os.path.commonpath((root, real)) == root and not is_hidden(os.path.relpath(real, root), rules):
            yield name


def is_hidden(name: str, rules: Files) -> bool:
    """Whether the file ``name``, relative to the root, is not served, as far as its name says so.

    The same as in ``files/patterns.py``, which stands above.
    """
    parts = name.split("/")
    shown = parts[1:] if parts[0] == ".well-known" else parts
    if not rules.hidden and any(part[:1] == "." for part in shown):
        return True
    return any(_fits(name.lower(), pattern.lower().strip("/")) for pattern in rules.hide)


def _fits(name: str, pattern: str) -> bool:
    if "/" in pattern:
        return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")
    return any(fnmatchcase(part, pattern) for part in name.split("/"))


def _hide(name: str, root: str) -> str:
    return f"hide = {{ {_quoted(os.path.relpath(os.path.realpath(name), os.path.realpath(root)))} }}"


def _script(rules: Files, elsewhere: Callable[[str], bool]) -> str:
    """The first in the root that another server would run."""
    try:
        with os.scandir(rules.root) as entries:
            names = sorted(entry.name for entry in islice(entries, _LOOKED_AT))
    except OSError:
        return ""
    return next((name for name in names if _is_shown_script(name, rules, elsewhere)), "")


def _is_shown_script(name: str, rules: Files, elsewhere: Callable[[str], bool]) -> bool:
    return SCRIPT.fullmatch(name) is not None and not is_hidden(name, rules) and not elsewhere(name)
