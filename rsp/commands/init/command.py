"""``rsp init``: looks around, writes a site.lua, and says what to run next."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from rsp.commands.arguments import file_name
from rsp.commands.init.compose import composed
from rsp.commands.init.found import Backend, Found
from rsp.commands.init.listening import listening, php_sockets, socket_user
from rsp.commands.init.project import expected, scripts, static_files
from rsp.commands.init.site import written
from rsp.commands.ports import free_address
from rsp.system.file_errors import unread, unwritten
from rsp.system.new_file import write_new
from rsp.terminal.plain import plain

_MOST_OTHERS: Final = 5


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp init",
        description="Write a commented configuration for what is found: web servers that listen on this machine, "
        "services of a compose file, an application or static files in the current directory.",
    )
    made.add_argument(
        "-o", "--output", type=file_name, metavar="FILE", default="site.lua",
        help='the file to write, which must not exist; "-": standard output (default: site.lua)',
    )  # fmt: skip
    made.add_argument(
        "--editor", action="store_true", help="also write .luarc.json beside it, for completion and checks in editors"
    )
    return made


def main(arguments: list[str]) -> int:
    """The exit status: 0; 1 where a file cannot be written; 2 for the command line."""
    options = parser().parse_args(arguments)
    target = options.output
    if target != "-" and os.path.lexists(target):
        return _fail(f"{target} exists and is not overwritten; choose another name: rsp init -o FILE")
    try:
        found = _found(Path.cwd())
    except OSError as error:  # it has been removed, or may not be read
        return _fail(f"the current directory: {unread('.', error)}")
    taken = {port for each in filter(None, [found.main, *found.others]) for port in _ports(each)}
    address = free_address(80, 8080, taken)
    text = written(found, address, "site.lua" if target == "-" else target)
    for line in _said(found):
        print(f"rsp init: {plain(line)}", file=sys.stderr)
    if target == "-":
        sys.stdout.write(text)
        return 0
    try:
        _write(Path(target), text)
        if options.editor:
            _editor(Path(target).parent)
    except OSError as error:
        why = unwritten(error.filename or target, error)
        return _fail(f"{error.filename}: {why}; choose another directory: rsp init -o FILE")
    port = address.rpartition(":")[2]
    print(
        f"Wrote {target}.  Next:\n"
        f"  rsp -t {target}      check it\n"
        f"  rsp -w 4 {target}    run it with four workers\n"
        f"  curl http://127.0.0.1{'' if port == '80' else f':{port}'}/",
        file=sys.stderr,
    )
    return 0


def _found(here: Path) -> Found:
    """What belongs to the directory ``here`` goes before what runs elsewhere."""
    running, notes = listening(here)
    services, more = composed(here)
    backends = _with_scripts(running, here)
    known = {address for backend in backends for address in backend.addresses}
    near = [backend for backend in backends if backend.is_here]
    near += [service for service in services if not known.intersection(service.addresses)]
    far = [backend for backend in backends if not backend.is_here]
    files = static_files(here)
    if not near and files is None and (app := expected(here)) is not None:
        near.append(app)
    found = _named_apart([*near, *far])
    main = found.pop(0) if near or (far and files is None) else None
    user = socket_user(main.addresses[0]) if main is not None and os.geteuid() == 0 else ""
    return Found(main, files, tuple(found[:_MOST_OTHERS]), user, (*notes, *more))


def _with_scripts(running: list[Backend], here: Path) -> list[Backend]:
    """PHP-FPM is of use where there are scripts, and then it is meant."""
    root = scripts(here)
    others = [backend for backend in running if backend.protocol != "fastcgi"]
    if root is None:
        return others
    fpm = [backend for backend in running if backend.protocol == "fastcgi"]
    fpm += [Backend("php", (f"unix:{path}",), "PHP-FPM, by its socket", protocol="fastcgi") for path in php_sockets()]
    return [*(backend._replace(name="php", root=root, is_here=True) for backend in fpm[:1]), *others]


def _named_apart(backends: list[Backend]) -> list[Backend]:
    names: dict[str, int] = {}
    apart = []
    for backend in backends:
        number = names[backend.name] = names.get(backend.name, 0) + 1
        apart.append(backend._replace(name=f"{backend.name}-{number}") if number > 1 else backend)
    return apart


def _ports(backend: Backend) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in backend.addresses if not address.startswith("unix:")]


def _said(found: Found) -> list[str]:
    backends = [*filter(None, [found.main]), *found.others]
    lines = [f"found {', '.join(each.addresses)}: {each.said}" for each in backends]
    if found.files is not None:
        lines.append(f"found files: {found.files.root}")
    if not lines:
        lines.append("found no application; the file has an example, 127.0.0.1:8000")
    return [*lines, *found.notes]


def _write(path: Path, text: str) -> None:
    write_new(path, text.encode())


def _editor(folder: Path) -> None:
    from rsp.config.annotations import luarc
    from rsp.lua import runtime

    if not os.path.lexists(folder / ".luarc.json"):
        _write(folder / ".luarc.json", luarc(str(Path(runtime.__file__).parent / "annotations")))


def _fail(why: str) -> int:
    print(f"rsp init: {why}", file=sys.stderr)
    return 1
