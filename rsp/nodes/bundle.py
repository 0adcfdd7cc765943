"""The files of a version: packed for the engine, and checked when they come from there.

A version is the SHA-256 of its content, so a bundle that is not what its name says is noticed, and the same files
are the same version.
"""

import hashlib
import os.path
import re
import zlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAIN: Final = "site.lua"  # on nodes, whatever its name was
LARGEST: Final = 480 << 10  # packed, as base64 below the 512 KB that Consul takes
_LARGEST_PACKED: Final = LARGEST * 3 // 4
_LARGEST_CONTENT: Final = 16 << 20
_MOST_FILES: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@+ -]{0,99}(/[A-Za-z0-9_@+-][A-Za-z0-9._@+ -]{0,99}){0,7}")


class Bundle(msgspec.Struct, frozen=True):
    """``files``: by their path relative to the folder of the main file, which is :data:`MAIN`."""

    format: int
    files: Annotated[dict[str, bytes], Meta(min_length=1, max_length=_MOST_FILES)]


_decoder = msgspec.msgpack.Decoder(Bundle)


def gathered(main: str, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a bundle: those that evaluating ``main`` has read, by their names.  Raises :class:`ValueError`."""
    folder = os.path.dirname(main)  # noqa: PTH120 - names begin with it as it is given
    files: dict[str, bytes] = {}
    for name, content in contents.items():
        relative = MAIN if name == main else os.path.relpath(name, folder or ".")
        if not _NAME.fullmatch(relative):
            raise ValueError(
                f"{name}: a bundle may contain only files below the directory of {main}, with letters, digits and "
                "._@+- in their names"
            )
        if relative in files:
            raise ValueError(f"{name}: on nodes the main file is called {MAIN}; rename the other file")
        files[relative] = content
    return files


def pack(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Version and packed form.  Raises :class:`ValueError`."""
    plain = _plain(files)
    packed = zlib.compress(plain, 9)
    if len(packed) > _LARGEST_PACKED or len(plain) > _LARGEST_CONTENT or len(files) > _MOST_FILES:
        raise ValueError(
            f"the files are too large for an engine: {len(packed) >> 10} KB compressed, {len(files)} files; the "
            f"limits are {_LARGEST_PACKED >> 10} KB and {_MOST_FILES} files"
        )
    return hashlib.sha256(plain).hexdigest(), packed


def _plain(files: Mapping[str, bytes]) -> bytes:
    return msgspec.msgpack.encode(Bundle(1, dict(sorted(files.items()))))


def version_of(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(_plain(files)).hexdigest()


def unpack(version: str, packed: bytes) -> dict[str, bytes]:
    """Raises :class:`ValueError` with a clause."""
    try:
        reader = zlib.decompressobj()
        plain = reader.decompress(packed, _LARGEST_CONTENT)
        if reader.unconsumed_tail or not reader.eof:
            raise ValueError("it is too large")
        if hashlib.sha256(plain).hexdigest() != version:
            raise ValueError("its content does not match its name")
        bundle = _decoder.decode(plain)
    except (zlib.error, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(f"version {version[:12]} cannot be unpacked: {str(error)[:200]}") from None
    if bundle.format != 1 or MAIN not in bundle.files or not all(map(_NAME.fullmatch, bundle.files)):
        raise ValueError(f"version {version[:12]} contains files that are not allowed in a version")
    return bundle.files
