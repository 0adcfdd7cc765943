"""The loader: evaluates a configuration in a process of its own and hands back plain data.

The Lua of a configuration is the user's code.  It runs in a short-lived fork with a limit on time and memory, so
that a crash, a hang or an error in it leaves the running configuration alone.
"""

import hashlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from difflib import unified_diff
from typing import Final, TypeVar

import msgspec

from rsp.config.errors import ConfigError
from rsp.config.schema import decode_hook, encode_hook
from rsp.ipc.channel import Bundle
from rsp.tls.material import Reading

PATIENCE: Final = 20.0  # seconds until a loader is killed
_LARGEST: Final = 256 << 20  # bytes that a configuration has in its packed form


_Result = TypeVar("_Result")


class Loaded(msgspec.Struct, frozen=True):
    """A configuration, and what the files of its TLS hold."""

    bundle: Bundle
    reading: Reading


_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_decoder = msgspec.msgpack.Decoder(Loaded, dec_hook=decode_hook)


class Loader:
    """One evaluation under way.  ``descriptor`` becomes readable, and then gives end of file.

    ``running``: what to compare the file with, if that is all that is wanted.
    """

    def __init__(self, path: str, version: int, running: Bundle | None = None) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self.path = path
        self.descriptor = reading
        self.deadline = time.monotonic() + PATIENCE
        self._data = bytearray()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if self.pid == 0:
            os.close(reading)
            _child(path, version, running, writing)
        os.close(writing)

    def read(self) -> bool:
        """Take what there is; true at the end."""
        data = os.read(self.descriptor, 1 << 20)
        self._data += data
        return not data or len(self._data) > _LARGEST

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> Loaded:
        """After the end.  Raises :class:`ConfigError`."""
        return self._decoded(_decoder.decode)

    def difference(self) -> str:
        """After the end, where there was something to compare with.  Raises :class:`ConfigError`."""
        return self._decoded(bytes.decode)

    def _decoded(self, decode: Callable[[bytes], _Result]) -> _Result:
        """What the child says is what the user's code made of it: any bytes are possible."""
        try:
            kind, payload = self._payload()
            if kind == b"+":
                return decode(payload)
            messages = msgspec.json.decode(payload, type=list[str])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ConfigError(f"{self.path}: the evaluation of the configuration gave none: {error}") from None
        raise ConfigError(*messages)

    def _payload(self) -> tuple[bytes, bytes]:
        os.close(self.descriptor)
        self.kill()  # where it has closed its end and does not exit; one that exits keeps its status
        _, status = os.waitpid(self.pid, 0)
        if len(self._data) > _LARGEST:
            raise ConfigError(f"{self.path}: the configuration is larger than {_LARGEST >> 20} MB")
        kind, payload = bytes(self._data[:1]), bytes(self._data[1:])
        if kind in (b"+", b"-"):
            return kind, payload
        if time.monotonic() >= self.deadline:
            raise ConfigError(f"{self.path}: the configuration takes longer than {PATIENCE:g} s to evaluate")
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        raise ConfigError(f"{self.path}: the evaluation of the configuration was ended by {how}")


def load(path: str, version: int = 1) -> Loaded:
    """Evaluate and wait.  Raises :class:`ConfigError`."""
    loader = Loader(path, version)
    poll = select.poll()
    poll.register(loader.descriptor, select.POLLIN)
    while True:
        if not poll.poll(max(0.0, loader.deadline - time.monotonic()) * 1000):
            loader.kill()
            break
        if loader.read():
            break
    return loader.result()


def _child(path: str, version: int, running: Bundle | None, writing: int) -> None:
    """In the fork: never returns."""
    status = 0
    try:
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        answer = _evaluate(path, version, running)
        view = memoryview(answer)
        while view:
            view = view[os.write(writing, view) :]
    except BaseException:
        status = 1
    finally:
        os._exit(status)


def _evaluate(path: str, version: int, running: Bundle | None) -> bytes:
    from rsp.lua.evaluate import evaluate
    from rsp.system.privileges import Identity
    from rsp.tls.reader import read

    try:
        config, files = evaluate(path)
        try:
            Identity.of(config.settings)
        except ConfigError as error:
            raise ConfigError(*(f"{path}: {message}" for message in error.messages)) from None
        reading = read(config, path)
    except ConfigError as error:
        return b"-" + msgspec.json.encode(list(error.messages))
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(b"%b\0%b\0" % (os.fsencode(name), files[name]))
    bundle = Bundle(version, digest.hexdigest(), config, path if config.hooks else "", files if config.hooks else {})
    if running is not None:
        return b"+" + _difference(running, bundle).encode()
    return b"+" + _encoder.encode(Loaded(bundle, reading))


def _difference(running: Bundle, other: Bundle) -> str:
    """Between two effective configurations, as ``diff -u`` shows it."""
    from rsp.config.dump import to_lua

    before, after = (to_lua(bundle.config).splitlines() for bundle in (running, other))
    name = f"running, version {running.version} ({running.digest[:12]})"
    lines = list(unified_diff(before, after, name, f"file ({other.digest[:12]})", lineterm="", n=2))
    for file in sorted({*running.files, *other.files}):  # where there are hooks: their code
        old, new = (bundle.files.get(file, b"").decode("utf-8", "replace").splitlines() for bundle in (running, other))
        lines += unified_diff(old, new, f"running {file}", f"file {file}", lineterm="", n=2)
    return "\n".join(lines) if lines else "The file says what is running."
