"""Why no file answers a request, as ``rsp explain`` says it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from rsp.config.content import Files as Rules
from rsp.config.route_names import label
from rsp.config.routes import Route
from rsp.exchange.handlers.files import Files
from rsp.files.names import Names


def missing_file(exchange: Any, name: str, routes: Iterable[Route]) -> str:
    """``exchange``: one that is over; ``name``: of its route.

    Empty: it was not answered 404 for want of a file, or the disk does not say.
    """
    entry = exchange.route
    handler = entry.handler if entry is not None else None
    if not isinstance(handler, Files) or exchange.status != 404 or exchange.upstream is not None:
        return ""
    rules_of = [route for route in routes if route.files is not None and label(route) == name]
    return _reason(rules_of[0], handler.name_of(exchange)) if len(rules_of) == 1 else ""


def _reason(route: Route, name: bytes) -> str:
    rules = route.file_rules
    if rules is None:
        return ""
    if not Path(rules.root).is_dir():
        return f'there is no directory "{rules.root}"'
    said = _of_name(rules, name) or _of_disk(route, rules, os.path.join(rules.root, os.fsdecode(name)))  # noqa: PTH118
    fallback = f'; the fallback "{route.fallback}" does not exist either' if said and route.fallback is not None else ""
    return said + fallback


def _of_name(rules: Rules, name: bytes) -> str:
    shown = os.fsdecode(name)
    if rules.hide and Names(rules, ()).hides(name):
        return f'"{shown}" matches a pattern in hide'
    if b"\0" in name or Names(msgspec.structs.replace(rules, hide=()), ()).allow(name):
        return ""
    return f'a part of "{shown}" begins with a dot; hidden = true serves such names'


def _of_disk(route: Route, rules: Rules, path: str) -> str:
    root, real = os.path.realpath(rules.root), os.path.realpath(path)
    if not os.path.lexists(path):
        return f'there is no "{path}"'
    if real != root and not real.startswith(root + "/") and rules.symlinks != "all":
        return f'"{path}" leads out of the directory; symlinks = "all" follows such links'
    if rules.symlinks == "none" and real != os.path.join(root, os.path.relpath(path, rules.root)):  # noqa: PTH118
        return f'"{path}" is a symbolic link or below one, and symlinks = "none"'
    found = Path(path)
    if found.is_dir():
        names = ", ".join(route.index_names)
        return f'"{path}" is a directory{f" without {names}" if names else ""}; list = true lists its files'
    return "" if found.is_file() else f'"{path}" is not a regular file'
