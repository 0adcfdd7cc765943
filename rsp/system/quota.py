"""What a container may use: the processors and the memory that cgroups (version 1 or 2) and affinity leave it.

A process is in one cgroup of each hierarchy, and every ancestor's limits hold as well.  The path in /proc/self/cgroup
begins at the hierarchy's root; what is mounted may be a part of it, as mountinfo says.  With a cgroup namespace both
are relative to its root; a container without such a namespace sees its host's path, and its own group mounted.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from rsp.config.units import MOST_WORKERS

_USUAL: Final = Path("/sys/fs/cgroup")
_SHARED: Final = 64 << 20  # `lua.shared` where memory is not short
_UNLIMITED: Final = 1 << 60  # version 1 has no word for it, but a number near 2^63


class _Mount(NamedTuple):
    """A mounted hierarchy: of ``controllers`` (none for version 2), from ``root`` down, at ``point``."""

    controllers: frozenset[str]
    root: str
    point: Path


def processors(root: Path = Path("/")) -> int:
    """How many processes can run at once: the affinity's, but no more than the quota, rounded up; at least 1."""
    usable = len(os.sched_getaffinity(0))
    quota = min(_cpu_limits(root), default=math.inf)
    return max(1, min(usable, math.ceil(quota))) if quota < math.inf else usable


def workers(root: Path = Path("/")) -> int:
    """What `auto` stands for."""
    return min(processors(root), MOST_WORKERS)


def memory(root: Path = Path("/")) -> int | None:
    """The least limit in bytes; ``None``: there is none."""
    limits = [
        int(text)
        for place, unified in _places(root, "memory")
        for text in _words(place / ("memory.max" if unified else "memory.limit_in_bytes"))[:1]
        if text.isdecimal()
    ]
    return min((limit for limit in limits if 0 < limit < _UNLIMITED), default=None)


def shared_memory(configured: int | None, root: Path = Path("/")) -> int:
    """Bytes of `lua.shared`: where the configuration leaves it open 64 MB, but at most an eighth of the limit."""
    if configured is not None:
        return configured
    limit = memory(root)
    return _SHARED if limit is None else min(_SHARED, limit // 8)


def _cpu_limits(root: Path) -> Iterator[float]:
    for place, unified in _places(root, "cpu"):
        if unified:
            numbers = _words(place / "cpu.max")
        else:
            numbers = _words(place / "cpu.cfs_quota_us")[:1] + _words(place / "cpu.cfs_period_us")[:1]
        if len(numbers) == 2 and all(text.isdecimal() for text in numbers) and int(numbers[0]) and int(numbers[1]):
            yield int(numbers[0]) / int(numbers[1])


def _places(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Directories whose limits of ``controller`` hold for this process, and whether they are of version 2."""
    paths = _paths(root)
    for mount in _mounts(root):
        unified = not mount.controllers
        if unified or controller in mount.controllers:
            path = paths.get("" if unified else controller, "/")
            for place in _within(mount, path):
                yield root / place.relative_to("/"), unified


def _within(mount: _Mount, path: str) -> Iterator[Path]:
    """The group at ``path`` of the hierarchy and its ancestors, as far as they are mounted."""
    inside = PurePosixPath(path)
    if ".." in inside.parts or not inside.is_relative_to(mount.root):
        inside = PurePosixPath(mount.root)  # another namespace's view: what is mounted is ours
    relative = inside.relative_to(mount.root)
    for part in (relative, *relative.parents):
        yield mount.point / part


def _paths(root: Path) -> dict[str, str]:
    """From /proc/self/cgroup: the path by controller; version 2's by ``""``."""
    found: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and path.startswith("/"):
            for controller in controllers.split(","):
                found[controller] = path
    return found


def _mounts(root: Path) -> list[_Mount]:
    """From /proc/self/mountinfo (proc(5)), and where they usually are."""
    found = [_Mount(frozenset(), "/", _USUAL)]
    found += [_Mount(frozenset((name,)), "/", _USUAL / name) for name in ("cpu", "memory")]
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) >= 5 and len(right) >= 3 and right[0] in ("cgroup", "cgroup2"):
            controllers = frozenset(right[2].split(",")) if right[0] == "cgroup" else frozenset()
            found.append(_Mount(controllers, _unescaped(left[3]), Path(_unescaped(left[4]))))
    return found


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)[:1]).split()
