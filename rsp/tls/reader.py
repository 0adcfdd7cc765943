"""Reads and checks the files that TLS is made of: certificates, keys, authorities, revocation lists.

Runs in short-lived children of the master, with the master's rights.  What needs ``cryptography`` is in
``inspection.py`` and below, which only such children import, and only where there are such files.
"""

import glob
from collections.abc import Iterator
from pathlib import Path

from rsp.config.schema import Config
from rsp.config.tls import UpstreamTls
from rsp.tls.material import Reading
from rsp.tls.sources import is_pattern


def read(config: Config, main: str, before: Reading | None = None) -> Reading:
    """``main``: the configuration's file; names of files are relative to its folder.

    Without ``before``, what cannot be used is an error: raises :class:`ConfigError` with all of them.  With it, files
    that are bad now or gone leave in use what they had then, and ``notes`` say so.
    """
    names = watched(config, main)
    if not names and not any(listener.tls for listener in config.listeners):
        return Reading(b"", (), (), config.warnings)
    from rsp.tls.inspection import Inspection

    return Inspection(config, folder_of(main), before).reading(names)


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
    for certificate in config.certificates:
        yield from filter(None, (certificate.file, certificate.key, certificate.password))
    for route in config.routes:
        yield from filter(None, (route.client_ca, route.client_crl))
    for upstream in config.upstreams:
        if isinstance(upstream.tls, UpstreamTls):
            tls = upstream.tls
            yield from filter(None, (tls.ca, tls.crl, tls.certificate, tls.key, tls.password))
