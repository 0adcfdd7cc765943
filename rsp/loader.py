"""The loader: evaluates a configuration in a process of its own and hands back plain data.

The Lua of a configuration is the user's code.  It runs in a short-lived fork with a limit on time and memory, so
that a crash, a hang or an error in it leaves the running configuration alone.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import unified_diff
from typing import Final, NamedTuple, TypeVar

import msgspec

from rsp.config.errors import ConfigError
from rsp.config.lasting import kept
from rsp.config.schema import Config, decode_hook, encode_hook
from rsp.ipc.channel import Bundle, pack, unpack
from rsp.lua.evaluate import evaluate
from rsp.system.forked import Failed, Forked
from rsp.system.privileges import Identity
from rsp.tls.material import Reading
from rsp.tls.stored import NOTHING, Found, Stored

PATIENCE: Final = 20.0  # seconds until a loader is killed

_Result = TypeVar("_Result")


class Loaded(NamedTuple):
    """A configuration, and what the files of its TLS hold; ``stored`` is the caller's to close."""

    bundle: Bundle
    stored: Stored

    @property
    def reading(self) -> Reading:
        """With keys."""
        return self.stored.whole()


class _Evaluated(msgspec.Struct, frozen=True):
    bundle: Bundle
    found: Found


_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_decoder = msgspec.msgpack.Decoder(_Evaluated, dec_hook=decode_hook)
_found_decoder = msgspec.msgpack.Decoder(Found)


class _Child:
    """One that fills ``_stored``.  ``descriptor`` becomes readable, and then gives end of file."""

    def __init__(self, what: str, work: Callable[[Stored], bytes]) -> None:
        self._what = what
        stored = self._stored = Stored()
        try:
            self._forked = Forked(lambda: work(stored), PATIENCE)
        except OSError:
            stored.close()
            raise
        self.descriptor = self._forked.descriptor
        self.deadline = self._forked.deadline
        self.pid = self._forked.pid
        self.read = self._forked.read
        self.wait = self._forked.wait
        self.kill = self._forked.kill

    def _answer(self, decode: Callable[[bytes], _Result]) -> _Result:
        """What the child says is what the user's code made of it: any bytes are possible."""
        try:
            answer = self._forked.result()
            kind, payload = answer[:1], answer[1:]
            if kind == b"+":
                return decode(payload)
            messages = msgspec.json.decode(payload, type=list[str])
        except Failed as error:
            raise ConfigError(f"{self._what} {error}") from None
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ConfigError(f"{self._what} returned no result: {error}") from None
        raise ConfigError(*messages)

    @contextmanager
    def _kept(self) -> Iterator[Stored]:
        """What it has filled, unless that ends in an error."""
        try:
            yield self._stored
        except BaseException:
            self._stored.close()
            raise


class Loader(_Child):
    """One evaluation under way.

    ``running``: what to compare the file with, if that is all that is wanted.  ``keys``: whether the files of its TLS
    are read.  ``asked``: what asks for routes by labels (``config/labels.py``).  ``prepare``: called before, in the
    same process; raises :class:`ConfigError`.  ``whole``: the bundle has the files even if there are no hooks in them.
    """

    def __init__(
        self,
        path: str,
        version: int = 1,
        running: Bundle | None = None,
        *,
        keys: bool = True,
        asked: bytes = b"",
        prepare: Callable[[], None] | None = None,
        whole: bool = False,
    ) -> None:
        self.path = path
        super().__init__(
            f"{path}: the evaluation of the configuration",
            lambda stored: _evaluate(path, version, running, stored if keys else None, asked, prepare, whole),
        )

    def finish(self) -> Loaded:
        """Wait for the end, then :meth:`result`."""
        self.wait()
        return self.result()

    def result(self) -> Loaded:
        """After the end.  Raises :class:`ConfigError`."""
        with self._kept() as stored:
            evaluated = self._answer(_decoder.decode)
            stored.take(evaluated.found)
        return Loaded(evaluated.bundle, stored)

    def difference(self) -> str:
        """After the end, where there was something to compare with.  Raises :class:`ConfigError`."""
        self._stored.close()
        return self._answer(bytes.decode)


class Labelling(_Child):
    """The routes that labels ask for become those of ``running``, whose files are not read again."""

    def __init__(self, running: Bundle, version: int, asked: bytes) -> None:
        super().__init__("reading routes from labels", lambda _: _relabel(running, version, asked))

    def bundle(self) -> Bundle:
        """After the end.  Raises :class:`ConfigError`."""
        self._stored.close()
        return self._answer(unpack)


class Renewal(_Child):
    """Reading the files of ``config``'s TLS once more; what is not valid now stays as it is in ``before``.

    ``main``: the configuration's file.
    """

    def __init__(self, config: Config, main: str, before: Stored) -> None:
        super().__init__("reading certificates", lambda stored: _read_again(config, main, before, stored))

    def result(self) -> Stored:
        """After the end.  Raises :class:`ConfigError`."""
        with self._kept() as stored:
            stored.take(self._answer(_found_decoder.decode))
        return stored

    def abandon(self) -> None:
        """Before the end.  The process that called this reaps strangers."""
        self._forked.abandon()
        self._stored.close()


def load(path: str, version: int = 1, *, keys: bool = True, whole: bool = False) -> Loaded:
    """Evaluate and wait.  Raises :class:`ConfigError`."""
    return Loader(path, version, keys=keys, whole=whole).finish()


def _read_again(config: Config, main: str, before: Stored, stored: Stored) -> bytes:
    from rsp.tls.reader import read, watched

    try:
        found = stored.fill(watched(config, main), lambda: read(config, main, before.whole()))
    except ConfigError as error:
        return b"-" + msgspec.json.encode(list(error.messages))
    return b"+" + _encoder.encode(found)


def _relabel(running: Bundle, version: int, asked: bytes) -> bytes:
    from rsp.config.label_routes import relabelled

    config = relabelled(running.config, asked)
    return b"+" + pack(msgspec.structs.replace(running, version=version, config=config))


def _with_labels(config: Config, asked: bytes) -> Config:
    """Whatever labels say, the configuration of the file holds."""
    from rsp.config.label_routes import relabelled

    try:
        return relabelled(config, asked)
    except Exception as error:
        return msgspec.structs.replace(config, refused=(f"routes from labels cannot be read: {error!r}",))


def _evaluate(
    path: str,
    version: int,
    running: Bundle | None,
    stored: Stored | None,
    asked: bytes,
    prepare: Callable[[], None] | None,
    whole: bool,
) -> bytes:
    from rsp.tls.reader import read, watched

    try:
        if prepare is not None:
            prepare()
        config, files = evaluate(path)
        if asked:
            config = _with_labels(config, asked)
        try:
            Identity.of(config.settings)
        except ConfigError as error:
            raise ConfigError(*(f"{path}: {message}" for message in error.messages)) from None
        found = stored.fill(watched(config, path), lambda: read(config, path)) if stored is not None else NOTHING
    except ConfigError as error:
        return b"-" + msgspec.json.encode(list(error.messages))
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(b"%b\0%b\0" % (os.fsencode(name), files[name]))
    main, contents = (path, files) if config.hooks or whole else ("", {})
    bundle = Bundle(version, digest.hexdigest(), config, main, contents)
    if running is not None:
        lines = kept(running.config, config, path)[1]
        return b"+" + "\n".join([_difference(running, bundle), *lines]).encode("utf-8", "backslashreplace")
    return b"+" + _encoder.encode(_Evaluated(bundle, found))


def _difference(running: Bundle, other: Bundle) -> str:
    """Between two effective configurations, as ``diff -u`` shows it."""
    from rsp.config.dump import to_lua

    before, after = (to_lua(bundle.config).splitlines() for bundle in (running, other))
    name = f"running, version {running.version} ({running.digest[:12]})"
    lines = list(unified_diff(before, after, name, f"file ({other.digest[:12]})", lineterm="", n=2))
    both = running.files and other.files  # hooks on one side only are in the lines above, by their places
    for file in sorted({*running.files, *other.files}) if both else ():  # the hooks' code
        old, new = (bundle.files.get(file, b"").decode("utf-8", "replace").splitlines() for bundle in (running, other))
        lines += unified_diff(old, new, f"running {file}", f"file {file}", lineterm="", n=2)
    return "\n".join(lines) if lines else "No changes."
