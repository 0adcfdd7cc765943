"""``rsp man``: shows a manual page, or writes all of them for packages."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rsp.commands.arguments import file_name

_PAGES: Final = {"rsp": "man1/rsp.1", "rspctl": "man1/rspctl.1", "rsp.lua": "man5/rsp.lua.5"}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp man",
        description="Show a manual page: of the program rsp or rspctl, or of the configuration, rsp.lua.",
    )
    made.add_argument("page", nargs="?", choices=[*_PAGES], default="rsp", help="rsp, rspctl or rsp.lua (default: rsp)")
    made.add_argument(
        "-d",
        "--directory",
        type=file_name,
        metavar="DIR",
        help="write all pages below this directory, such as DIR/man1/rsp.1",
    )
    return made


def main(arguments: list[str]) -> int:
    """The exit status: 0; 1 where nothing can be written or shown; 2 for the command line."""
    options = parser().parse_args(arguments)
    try:
        if options.directory is None:
            return _show(options.page)
        for name, place in _PAGES.items():
            file = Path(options.directory, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            _replace(file, page(name))
    except OSError as error:
        print(f"rsp man: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _replace(file: Path, text: str) -> None:
    """Raises :class:`OSError`, which has the name."""
    try:
        file.write_text(text)
    except OSError as error:
        error.filename = str(file)
        raise


def page(name: str) -> str:
    from rsp.commands.man.configuration import configuration
    from rsp.commands.man.programs import program

    return configuration() if name == "rsp.lua" else program(name)


def _show(name: str) -> int:
    """By man(1) in a terminal; else as it is, for another program."""
    text = page(name)
    viewer = shutil.which("man")
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return 0
    if viewer is None:
        print(f"rsp man: man is not installed; the source of the page: rsp man {name} | cat", file=sys.stderr)
        return 1
    with tempfile.NamedTemporaryFile("w", prefix=f"{name}.", suffix=Path(_PAGES[name]).suffix) as file:
        file.write(text)
        file.flush()
        return subprocess.run([viewer, "-l", os.fspath(file.name)], check=False).returncode  # noqa: S603
