"""What is said at the start of directories whose files are served, and that workers may not enter or read.

That one is not there at all the loader has said already (``config/files_warnings.py``).
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from rsp.config.route_names import label
from rsp.config.routes import Route
from rsp.files.threads import Busy, submit
from rsp.logs import log
from rsp.system.privileges import user_name


def tell_of_file_roots(routes: Iterable[Route]) -> None:
    """In the log, once the disk has answered; looked at with the rights that this process has now."""
    for root, named in _by_root(routes).items():
        with suppress(Busy):
            looked = asyncio.wrap_future(submit(root, _looked_at, root, named))
            looked.add_done_callback(_tell)


def _by_root(routes: Iterable[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        if (rules := route.file_rules) is not None:
            found.setdefault(rules.root, []).append(route)
    return found


def _looked_at(root: str, routes: list[Route]) -> list[str]:
    """In a thread."""
    try:
        return list(closed(root, routes))
    except OSError as error:  # of a disk or a network that fails
        return [f'files = "{root}": {error.strerror}']


def _tell(looked: "asyncio.Future[list[str]]") -> None:
    for line in looked.result() if not looked.cancelled() else ():
        log.line(line, log.WARNING)


def closed(root: str, routes: Iterable[Route]) -> Iterator[str]:
    """What the user of this process may not do, a line for each; ``routes``: those with this ``root``.  Waits."""
    may = partial(os.access, effective_ids=os.access in os.supports_effective_ids)
    first, *_ = routes = list(routes)
    about = f'route {label(first)}: files = "{root}"'
    way = f'change its permissions, or run workers as another user with user = "..."; they run as {user_name()}'
    for folder in (*reversed(Path(root).parents), Path(root)):
        if folder.is_dir() and not may(folder, os.X_OK):
            yield f'{about}: workers cannot enter "{folder}", so requests get 403; {way}'
            return
    if any(rules.list for route in routes if (rules := route.file_rules)) and not may(root, os.R_OK):
        yield f"{about}: workers cannot read what is in it, so it cannot be listed; {way}"
    for route in routes:
        file = Path(root + (route.fallback or ""))
        if route.fallback is not None and file.is_file() and not may(file, os.R_OK):
            yield f'{about}: workers cannot read the fallback "{file}"; {way}'
