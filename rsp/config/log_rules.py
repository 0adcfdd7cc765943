"""What the types of the schema cannot say about `access_log`."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config.errors import Path, suggest
from rsp.config.field_words import template
from rsp.config.log_fields import DEFAULT_JSON, field
from rsp.config.log_settings import JOURNALD, OFF, STDOUT, SYSLOG, Declared, log_address, unix_socket
from rsp.config.observe import AccessLog
from rsp.config.placeholders import names
from rsp.config.predicate import Predicate
from rsp.config.units import show

FORMATS: Final = ("combined", "json")
# What is hardly the name of a file.
_INSTEAD: Final = {
    "stderr": f'"{STDOUT}"', "-": f'"{STDOUT}"', "syslog": '"syslog:/dev/log"', "journal": f'"{JOURNALD}"',
    "none": f'"{OFF}"', "false": f'"{OFF}"', "no": f'"{OFF}"', "on": f'"{STDOUT}"', "true": f'"{STDOUT}"',
    "yes": f'"{STDOUT}"', "json": '{ format = "json" }', "combined": '{ format = "combined" }',
}  # fmt: skip


def mistakes(declared: Declared | None, groups: Collection[str] = ()) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong.  ``groups``: those of the route's `regex`."""
    if isinstance(declared, tuple):
        for number, log in enumerate(declared, 1):
            if log == OFF and len(declared) > 1:
                yield (
                    ("access_log", number),
                    (f'access_log: "{OFF}" has no effect in a list with other logs; leave it out'),
                )
            for path, message in _of_one(log, groups):
                yield ("access_log", number, *path), f"access_log: {message}"
    elif declared is not None:
        for path, message in _of_one(declared, groups):
            yield ("access_log", *path), f"access_log: {message}"


def _of_one(log: str | AccessLog, groups: Collection[str]) -> Iterator[tuple[Path, str]]:
    if isinstance(log, str):
        for message in _path_mistakes(log):
            yield (), message
        return
    for message in _path_mistakes(log.path):
        yield ("path",), f"path: {message}"
    for message in _format_mistakes(log.format, groups):
        yield ("format",), f"format: {message}"
    if log.fields and log.format != "json":
        yield ("fields",), '"fields" belongs to format = "json"'
    for key, name in log.fields.items():
        try:
            if name and name not in groups:
                field(name)
            elif key not in DEFAULT_JSON:
                raise ValueError(f'"json" has no such key to remove{suggest(key, DEFAULT_JSON)}')
        except ValueError as error:
            yield ("fields", key), f"fields: {key}: {error}"
    try:
        if log.when is not None:
            Predicate.parse(log.when)
    except ValueError as error:
        yield ("when",), f"when: {error}"


def _path_mistakes(path: str) -> Iterator[str]:
    if path in _INSTEAD:
        yield f'write {_INSTEAD[path]}; a file of this name is "./{path}"'
    elif re.match(r"[a-z]+[0-9]?://", path):
        yield f'{show(path)}: expected a path, "{SYSLOG}/dev/log", "{SYSLOG}192.0.2.1:514" or "{JOURNALD}"'
    elif path.startswith(JOURNALD + ":") and unix_socket(path) is None:
        yield f'{show(path)}: expected "{JOURNALD}" or "{JOURNALD}:/run/systemd/journal.NAME/socket"'
    elif path.startswith(SYSLOG):
        try:
            log_address(path)
        except ValueError:
            yield (
                f'{show(path)}: expected the path of a unix socket, "{SYSLOG}/dev/log", or an IP address with a port, '
                f'"{SYSLOG}192.0.2.1:514"'
            )


def _format_mistakes(text: str, groups: Collection[str]) -> Iterator[str]:
    if text in FORMATS:
        return
    found = names(text)
    if not found:
        yield f"there is no format {show(text)}{suggest(text, FORMATS)}; {_format_instead(text)}"
    for name in found:
        try:
            if name not in groups:
                field(name)
        except ValueError as error:
            yield f"{error}{_of_groups(name, groups)}; as text: {{{{{name}}}}}"


def _of_groups(name: str, groups: Collection[str]) -> str:
    if name.isdigit():
        return ' (the route\'s "regex" must have this group)'
    return suggest(name, groups)


def _format_instead(text: str) -> str:
    if own := template(text):
        return f"write '{own}'"
    if "{" in text or "}" in text:
        return 'a field is enclosed in braces, as in "{client} {status}"'
    return 'expected "combined", "json", or a text with fields such as "{client} {status}"'
