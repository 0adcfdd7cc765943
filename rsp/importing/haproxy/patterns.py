"""Files of patterns (``-f``) and maps, which HAProxy reads when it starts: what is in them."""

from pathlib import Path, PurePosixPath
from typing import Final

from rsp.importing.ordered.condition import Inexpressible

_MOST: Final = 2000  # lines that become conditions of routes
_LARGEST: Final = 1 << 20  # bytes


class Patterns:
    """``folder``: of the configuration.  Files of another machine are looked for there, by how their paths end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, str] = {}  # as the configuration names it: where it was found

    def lines(self, name: str) -> list[str]:
        """Raises :class:`Inexpressible`."""
        path = self._found(name)
        if path is None:
            why = "its patterns are in a file that is not on this machine; put it beside this one"
            raise Inexpressible(f"{why}: {name}")
        try:
            if path.stat().st_size > _LARGEST:
                raise Inexpressible(f"its patterns are in a file of more than 1 MB: {name}")
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise Inexpressible(f"its patterns are in a file: {name}: {error.strerror}") from None
        self.read[name] = str(path)
        found = [line.strip() for line in text.splitlines()]
        found = [line for line in found if line and not line.startswith("#")]
        if len(found) > _MOST:
            raise Inexpressible(f"its patterns are in a file of more than {_MOST} lines: {name}")
        return found

    def keys(self, name: str) -> list[str]:
        return [key for key, _ in self.pairs(name)]

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """Keys and values of a map.  Raises :class:`Inexpressible`."""
        found = [line.split(None, 1) for line in self.lines(name)]
        return [(pair[0], pair[1].strip() if len(pair) > 1 else "") for pair in found]

    def _found(self, name: str) -> Path | None:
        path = Path(name)
        if "$" in name or "@" in name.split("/", 1)[0]:
            return None
        parts = PurePosixPath(name).parts
        tails = [PurePosixPath(*parts[index:]) for index in range(1 if path.is_absolute() else 0, len(parts))]
        places = [path] if path.is_absolute() else []
        places += [self.folder / tail for tail in tails] + [self.folder.parent / tail for tail in tails[:-1]]
        return next((each for each in places if each.is_file()), None)
