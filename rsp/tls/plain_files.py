"""Files that a configuration names and that are no certificates: lists of networks, databases, marks of
maintenance, users and their passwords, keys, passwords and tokens for engines.

Read as certificates are, by short-lived children with the master's rights, because workers run as a user that often may
not read them.  What workers get is what ``keep`` makes of the content.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from rsp.auth import htpasswd, key_sets
from rsp.config import auth_rules
from rsp.config.access_files import DATABASE, LIST, MARK, lists_of, mark_of
from rsp.config.engine_files import engines_of
from rsp.config.engines import POD_TOKEN, SECRETS
from rsp.config.network_list import LARGEST, read_networks
from rsp.config.schema import Config
from rsp.system.countries import LARGEST_DATABASE, check_database
from rsp.tls.sources import Unusable, content

_LARGEST_SUM: Final = 256 << 20
_LARGEST_USERS: Final = 4 << 20
_LARGEST_SECRET: Final = 64 << 10
_ELSEWHERE: Final = (
    "pods have it; elsewhere name the API in the URL, as in kubernetes://api.example.com:6443, and a token_file"
)
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f]")


class PlainFile(NamedTuple):
    """``kind`` and ``name`` are the key of what workers get; ``at``: where it is named; ``label``: as messages have it.

    ``keep``: what of its content is kept; raises :class:`Unusable` or :class:`ValueError`.  ``None``: the file is not
    opened, it is there or not.
    """

    kind: str
    name: str
    at: str
    label: str
    largest: int
    keep: Callable[[bytes], bytes] | None

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


class PlainFiles(NamedTuple):
    """``files``: what is kept of each, by its key."""

    files: dict[str, bytes]
    errors: list[str]
    notes: list[str]


def files_of(config: Config) -> Iterator[PlainFile]:
    """All that ``config`` names, some of them more than once."""
    for route in config.routes:
        for key, name in lists_of(route):
            label = f'route: {key} "file:{name}"'
            yield PlainFile(LIST, name, _place(config, key, name), label, LARGEST, _networks)
        if route.country is not None:
            name = route.country.file
            label = f'route: country: file "{name}"'
            yield PlainFile(DATABASE, name, _place(config, "country", name), label, LARGEST_DATABASE, check_database)
        if (mark := mark_of(route)) is not None:
            yield PlainFile(MARK, mark, "", "", 0, None)
        for path, name in auth_rules.named(route):
            if path[-1] in _OF_AUTH:
                kind, largest, keep = _OF_AUTH[path[-1]]
                label = f'route: {": ".join(map(str, path))} "{name}"'
                yield PlainFile(kind, name, _place(config, str(path[-1]), name), label, largest, keep)
    for engine in engines_of(config):
        for key, name in engine.secrets():
            way = f" ({_ELSEWHERE})" if name == POD_TOKEN else ""
            label = f'{engine.label}: {key} "{name}"{way}'
            yield PlainFile(SECRETS, name, _place(config, key, name), label, _LARGEST_SECRET, _secret)


def _place(config: Config, key: str, name: str) -> str:
    return config.places.get(f"{key} {name}", "")


def _networks(data: bytes) -> bytes:
    return read_networks(data).pack()


def _users(data: bytes) -> bytes:
    htpasswd.check(data)
    return data


def _secret(data: bytes) -> bytes:
    """One line, without what ends it: editors write that, and it is no part of a password."""
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Unusable("it is not UTF-8 text") from None
    if not text or _UNSENDABLE.search(text):
        raise Unusable("expected one line with the password or the token")
    return text.encode()


_OF_AUTH: Final[dict[object, tuple[str, int, Callable[[bytes], bytes]]]] = {
    "basic": (auth_rules.USERS, _LARGEST_USERS, _users),
    "jwks": (auth_rules.KEYS, key_sets.LARGEST, key_sets.reduced),
}


def read_plain(config: Config, folder: Path, before: dict[str, bytes] | None) -> PlainFiles:
    """``before``: what they had at the last reading; what is bad now stays as it was then."""
    found = PlainFiles({}, [], [])
    for file in dict.fromkeys(files_of(config)):
        if file.keep is None:
            if (folder / file.name).exists():
                found.files[file.key] = b""
        elif file.key not in found.files:
            _read(file, folder, before, found)
    if sum(map(len, found.files.values())) > _LARGEST_SUM:
        found.errors.append(f"the files of lists and databases have more than {_LARGEST_SUM >> 20} MB together")
    return found


def _read(file: PlainFile, folder: Path, before: dict[str, bytes] | None, found: PlainFiles) -> None:
    try:
        found.files[file.key] = kept = _kept(file, folder)
        if file.kind == auth_rules.USERS and not any(htpasswd.lines(kept)):
            found.notes.append(f"{file.at}: warning: {file.label}: it has no user, so all requests are refused")
    except (Unusable, ValueError) as why:
        if before is None or file.key not in before:
            found.errors.append(f"{file.at}: {file.label}: {why}")
        else:
            found.notes.append(f"{file.at}: {file.label} is not used: {why}; its previous content stays in use")
            found.files[file.key] = before[file.key]


def _kept(file: PlainFile, folder: Path) -> bytes:
    data = content(folder / file.name, file.largest, empty=True)
    return file.keep(data) if file.keep is not None else b""
