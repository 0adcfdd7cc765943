"""Reads and checks the files that TLS is made of: certificates, keys, authorities, revocation lists.

Runs in short-lived children of the master, with the master's rights.  What needs ``cryptography`` is in
``inspection.py`` and below, which only such children import, and only where there are such files.
"""

import glob
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rsp.config.auth_rules import issuer_authority
from rsp.config.engine_files import TLS_KEYS, secrets_for, secured
from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.tls.material import Keyring, Reading, pack, unpack
from rsp.tls.plain_files import files_of, read_plain
from rsp.tls.sources import is_pattern


def read(config: Config, main: str, before: Reading | None = None) -> Reading:
    """``main``: the configuration's file; names of files are relative to its folder.

    Without ``before``, what cannot be used is an error: raises :class:`ConfigError` with all of them.  With it, files
    that are bad now or gone leave in use what they had then, and ``notes`` say so.
    """
    names, folder = watched(config, main), folder_of(main)
    plain = read_plain(config, folder, _files(before) if before is not None else None)
    secure = any(_of_tls(config)) or any(listener.tls for listener in config.listeners)
    try:
        reading = _inspected(config, folder, before, names) if secure else Reading(b"", (), names, config.warnings)
    except ConfigError as error:
        raise ConfigError(*plain.errors, *error.messages) from None
    if plain.errors:
        raise ConfigError(*plain.errors)
    if not plain.files:
        return reading
    for_control = secrets_for(config, workers=False)
    own = for_control - secrets_for(config, workers=True)
    return msgspec.structs.replace(
        reading,
        keyring=_with(reading.keyring, {key: kept for key, kept in plain.files.items() if key not in own}),
        peers=_with(reading.peers, {key: kept for key, kept in plain.files.items() if key in for_control}),
        notes=(*reading.notes, *plain.notes),
    )


def _with(packed: bytes, files: dict[str, bytes]) -> bytes:
    """A keyring that has ``files``, too."""
    if not files:
        return packed
    return pack(msgspec.structs.replace(unpack(packed) if packed else Keyring(), files=files))


def _files(before: Reading) -> dict[str, bytes]:
    """What is kept of all files that have been read."""
    return {
        name: kept for packed in (before.peers, before.keyring) if packed for name, kept in unpack(packed).files.items()
    }


def _inspected(config: Config, folder: Path, before: Reading | None, names: tuple[str, ...]) -> Reading:
    from rsp.tls.inspection import Inspection

    return Inspection(config, folder, before).reading(names)


def folder_of(main: str) -> Path:
    return Path(main).absolute().parent


def watched(config: Config, main: str) -> tuple[str, ...]:
    """Names and patterns of all files that :func:`read` opens."""
    folder = folder_of(main)
    literal = Path(glob.escape(str(folder)))
    return tuple(
        dict.fromkeys(str((literal if is_pattern(folder, name) else folder) / name) for name in _named(config))
    )


def _named(config: Config) -> Iterator[str]:
    yield from _of_tls(config)
    for file in files_of(config):
        yield file.name


def _of_tls(config: Config) -> Iterator[str]:
    for certificate in config.certificates:
        yield from filter(None, (certificate.file, certificate.key, certificate.password))
    for route in config.routes:
        yield from filter(None, (route.client_ca, route.client_crl, issuer_authority(route)))
    for _, tls in secured(config):
        yield from filter(None, (getattr(tls, key) for key in TLS_KEYS))
