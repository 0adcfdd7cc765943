"""The configuration that the demo runs, and what the page's buttons make of it.

Rules of this room: the user's own file is never written to.  rsp runs a link to it in a temporary folder, and a change
puts another file in the link's place while rsp reads it.  A file whose meaning depends on the folder that it is in
(paths, ``require``) is run where it is, and cannot be changed by the page.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec

from rsp.config.schema import Config, encode_hook
from rsp.loader import load


class Change(NamedTuple):
    """``lines``: at the end of the file; ``weight``: of the last backend that has one."""

    title: str
    about: str
    lines: str = ""
    weight: int | None = None


CHANGES: Final = {
    "weight": Change(
        "A good change",
        "eve gets six turns for the others' one.  Reloading closes no connection and loses no request.",
        weight=6,
    ),
    "typo": Change(
        "A typing mistake",
        "rsp refuses the file, says where the mistake is, and keeps the running configuration.",
        'upstream "new" { { "127.0.0.1:9009", wieght = 2 } }',
    ),
    "bug": Change(
        "A bug that only traffic shows",
        "The file is valid, but its hook fails.  One worker tries it, and rsp refuses it for the others.",
        'reload = { canary = "4s", requests = 5 }\n\n'
        "function on_request(req)\n"
        '  local cookie = req.headers["Cookie"]  -- may be nil\n'
        '  if cookie:find("beta") then return respond(404) end\n'
        "end",
    ),
    "original": Change("The original", "The file as it was at the start."),
}
_WEIGHT: Final = re.compile(r"(?m)^((?!\s*--).*\bweight = )\d+")


class Site:
    """``path``: what rsp runs.  ``file``: the user's, or ``None`` for the built-in one.  ``changes``: names of those
    that the page may make."""

    def __init__(self, config: Config, file: str | None, path: Path, folder: "TemporaryDirectory[str]") -> None:
        self.config = config
        self.file = file
        self.path = path
        self._folder = folder
        is_copied = path.parent == Path(folder.name)
        self.changes = CHANGES if is_copied else {"original": CHANGES["original"]}

    @classmethod
    def built_in(cls, ports: Mapping[str, int]) -> "Site":
        """``ports``: those of the listener, the dashboard and each backend."""
        folder = TemporaryDirectory(prefix="rsp-demo-")
        text = (files("rsp.commands.demo") / "site.lua").read_text("utf-8")
        for name, port in ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        original = Path(folder.name, "original.lua")
        original.write_text(text, "utf-8")
        path = Path(folder.name, "site.lua")
        path.symlink_to(original)
        return cls(_config(path), None, path, folder)

    @classmethod
    def of_file(cls, file: str) -> "Site":
        """Raises :class:`rsp.config.errors.ConfigError`."""
        config = _config(Path(file))
        folder = TemporaryDirectory(prefix="rsp-demo-")
        path = Path(folder.name, Path(file).name)
        path.symlink_to(Path(file).absolute())
        try:
            depends = _said(_config(path)).replace(str(path), file) != _said(config)
        except Exception:
            depends = True
        return cls(config, file, Path(file) if depends else path, folder)

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def shown(self) -> str:
        """The file's name in messages on the page."""
        return self.file or self.path.name

    def change(self, name: str) -> None:
        """Put the changed file in the place of what rsp runs."""
        if len(self.changes) == 1:
            return
        change = CHANGES[name]
        target = Path(self._folder.name, "original.lua") if self.file is None else Path(self.file).absolute()
        if name != "original":
            changed = target.read_text("utf-8")
            if change.weight is not None:
                changed = _WEIGHT.sub(rf"\g<1>{change.weight}", changed)
            if change.lines:
                changed += f"\n{change.lines}\n"
            target = Path(self._folder.name, f"{name}.changed.lua")
            target.write_text(changed, "utf-8")
        link = self.path.with_suffix(".link")
        link.symlink_to(target)
        link.replace(self.path)

    def readable(self, message: str) -> str:
        """Without the temporary folder."""
        return message.replace(str(self.path), self.shown)

    def close(self) -> None:
        self._folder.cleanup()


def _said(config: Config) -> str:
    """All of it, with the names of files that hooks, errors and warnings mention."""
    return msgspec.json.encode(config, enc_hook=encode_hook).decode()


def _config(path: Path) -> Config:
    return load(str(path), keys=False).bundle.config
