"""``rsp import nginx.conf``: another program's configuration as a site.lua, on standard output or in a new file."""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Final

from rsp.commands.arguments import file_name
from rsp.importing.check import checked
from rsp.importing.formats import FORMATS, guess, read
from rsp.importing.site import Site, Unreadable
from rsp.system.file_errors import unread, unwritten
from rsp.system.new_file import write_new

_LONGEST: Final = 2**26  # characters
# Endings of files that are something else, whatever a part of them looks like.
_OTHERS: Final = frozenset((".md", ".rst", ".toml", ".json", ".yaml", ".yml", ".py", ".ini", ".html", ".service"))
_EPILOG: Final = """\
exit status: 0: everything was translated; 1: something was not: it stands as a comment at its place,
and on standard error with its file and line; 2: wrong command line, or a file that cannot be read

documentation: docs/import.md
"""


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 where something is not translated, 2 for the command line and unreadable files."""
    options = parser().parse_args(arguments)
    if options.output == "-":
        options.output = None
    try:
        with Path(options.file).open(encoding="utf-8", errors="surrogateescape") as source:
            text = source.read(_LONGEST + 1)
    except OSError as error:
        return _fail(f"{options.file}: {_unread(options.file, error)}")
    if len(text) > _LONGEST:
        return _fail(f"{options.file}: this is longer than {_LONGEST // 2**20} MiB, so it is no configuration")
    warnings.simplefilter("ignore")  # Python's own, of expressions in the file
    if options.format is None and options.file.endswith(".lua"):
        return _fail(f"{options.file}: this is a configuration of rsp; rsp -t {options.file} checks it")
    is_other = Path(options.file).suffix.lower() in _OTHERS
    format = options.format or (None if is_other else guess(options.file, text))
    if format is None:
        what = "this does not look like a configuration of nginx, Caddy or HAProxy"
        return _fail(f"{options.file}: {what}; if it is one, add --from {'|'.join(FORMATS)}")
    if options.output is not None and os.path.lexists(options.output):
        return _fail(f"{options.output}: this file is there already, and is not overwritten; choose another name")
    try:
        site = read(format, options.file, text, options.prefix)
        written = checked(site, str(Path(options.output or ".").parent), Path(options.output or "site.lua").name)
    except Unreadable as error:
        return _fail(str(error))
    except Exception as error:  # a mistake of a reader is not the user's, who gets no traceback
        return _fail(f"{options.file}: a defect of rsp import, please report it: {type(error).__name__}: {error}")
    try:
        _put(written.text, options.output)
    except OSError as error:
        why = unwritten(options.output, error) if options.output else error.strerror
        return _fail(f"{options.output or 'standard output'}: {why}")
    _report(site)
    return 0 if site.whole else 1


def _unread(file: str, error: OSError) -> str:
    """Why; of a directory, which of its files is meant."""
    names = ("nginx.conf", "Caddyfile", "haproxy.cfg", "default.conf")
    inside = next((path for name in names if os.path.isfile(path := os.path.join(file, name))), "")  # noqa: PTH113, PTH118
    meant = f", such as {inside}" if inside else ""
    return unread(file, error) + meant


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp import",
        description="Write a site.lua that does what a configuration of nginx, Caddy or HAProxy does. What cannot be "
        "translated stands in it as a comment, with the reason and the place that it comes from.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "file", type=file_name, metavar="FILE", help="nginx.conf, Caddyfile or haproxy.cfg; also a part of nginx.conf"
    )
    made.add_argument("--from", dest="format", choices=FORMATS, help="the format (default: told by name and content)")
    made.add_argument(
        "-o", "--output", type=file_name, metavar="OUT", help='a new file; "-": standard output (default)'
    )
    made.add_argument(
        "-p",
        "--prefix",
        type=file_name,
        metavar="DIR",
        help="what relative names in nginx.conf are relative to (default: its folder)",
    )
    return made


def _put(text: str, output: str | None) -> None:
    """Never over a file that is there."""
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    write_new(output, text.encode("utf-8", "surrogateescape"))


def _report(site: Site) -> None:
    """Notes, and then what is missing, so that it stands last."""
    for note in site.notes:
        _say(f"{note.origin or site.source}: note: {note.text}")
    for lost in site.untranslated:
        _say(f"{lost.origin or site.source}: not translated: {lost.reason}: {_short(lost.text)}")


def _short(text: str) -> str:
    """In one line of a terminal."""
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}..."


def _fail(message: str) -> int:
    _say(f"rsp import: {message}")
    return 2


def _say(message: str) -> None:
    """What a file has in it, a terminal does not obey."""
    print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message), file=sys.stderr)
