"""A configuration on its way to nodes: evaluated once here, in a process of its own, for its mistakes and its files."""

import os.path
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Self

import msgspec

from rsp.config.errors import ConfigError
from rsp.config.instance import Reload
from rsp.config.schema import Config, decode_hook, encode_hook
from rsp.nodes.bundle import gathered, pack
from rsp.system.forked import Failed, Forked
from rsp.terminal.instance import Failure

_PATIENCE: Final = 20.0


class Candidate(NamedTuple):
    """``files``: how many.  ``rules``: by which nodes with it are compared with others.  ``left``: paths of what is not
    in the version, and may be missing on nodes."""

    version: str
    packed: bytes
    files: int
    rules: Reload
    left: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> Self:
        """Raises :class:`Failure` with every mistake in the file."""
        try:
            forked = Forked(lambda: _evaluated(path), _PATIENCE)
            forked.wait()
            answer = forked.result()
        except Failed as error:
            raise Failure(f"{path}: the evaluation of the configuration {error}") from None
        except OSError as error:
            raise Failure(f"{path}: {error.strerror}") from None
        if answer[:1] != b"+":
            raise Failure("\n".join(msgspec.json.decode(answer[1:], type=list[str])))
        kind = tuple[dict[str, bytes], Reload, tuple[str, ...]]
        files, rules, left = msgspec.msgpack.decode(answer[1:], type=kind, dec_hook=decode_hook)
        try:
            version, packed = pack(files)
        except ValueError as error:
            raise Failure(f"{path}: {error}") from None
        return cls(version, packed, len(files), rules, left)


def _evaluated(path: str) -> bytes:
    from rsp.lua.evaluate import evaluate  # Lua is no burden to the other commands

    try:
        config, contents = evaluate(path)
        files = gathered(path, contents)
    except ConfigError as error:
        return b"-" + msgspec.json.encode(list(error.messages))
    except ValueError as error:
        return b"-" + msgspec.json.encode([f"{path}: {error}"])
    return b"+" + msgspec.msgpack.encode(
        (files, config.settings.reload, _left(config, path, contents)), enc_hook=encode_hook
    )


def _left(config: Config, main: str, contents: Mapping[str, bytes]) -> tuple[str, ...]:
    """Paths below the folder of ``main`` that no file names in full: on nodes they would be among the local copies."""
    folder = os.path.join(os.path.dirname(os.path.abspath(main)), "")  # noqa: PTH100, PTH118, PTH120 - links may change
    found = {text for text in _texts(msgspec.to_builtins(config, enc_hook=encode_hook)) if text.startswith(folder)}
    return tuple(sorted(path for path in found if not any(path.encode() in content for content in contents.values())))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
