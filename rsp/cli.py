"""The command line: ``rsp [-w N] site.lua``, its options, and commands such as ``rsp demo``."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rsp import __version__, pure, why_pure
from rsp.commands.options import COMMANDS, SIGNALS
from rsp.commands.options import parser as rsp_parser
from rsp.config.errors import ConfigError
from rsp.config.foreign import command
from rsp.config.schema import Config
from rsp.ipc.channel import Bundle
from rsp.loader import Loader, load
from rsp.logs import log
from rsp.nodes.node import SiteError
from rsp.supervise.main_file import MainFile
from rsp.system.console import guarded
from rsp.system.sockets import BindError


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 with one clear line on stderr for each mistake, or 2 for the command line itself."""
    given = sys.argv[1:] if arguments is None else arguments
    _ensure_standard_descriptors()
    try:
        return guarded(lambda: _main(given))
    except ImportError as error:
        newer = _newer()
        if not newer:
            raise
        print(f"rsp: the compiled modules are older than {newer}: {error}; run `make compile`", file=sys.stderr)
        return 1


def _main(given: list[str]) -> int:
    meant = command(given[0], COMMANDS) if given else None
    if meant is not None:
        print(f"rsp: {meant}", file=sys.stderr)
        return 2
    if given and given[0] in COMMANDS:
        run: Callable[[list[str]], int] = import_module(COMMANDS[given[0]].module).main
        return run(given[1:])
    parser = rsp_parser()
    options = parser.parse_args(given)
    if options.config is not None:
        if options.file is not None:
            parser.error("two configuration files given: one with -c, and one without; give only one")
        options.file = options.config
    if options.V:
        return _versions()
    if options.file is None:
        example = " ".join(["rsp", *given, "site.lua"])
        print(f"rsp: no configuration file given; for example: {example} (see rsp --help)", file=sys.stderr)
        return 2
    try:
        if _is_site(options.file) and (options.s or options.t or options.T):
            options.file = _local_file(options.file)
        if options.s is not None:
            from rsp.commands.signals import send  # what it needs is no burden to a master

            return send(
                options.s, SIGNALS[options.s], options.file, load(options.file, keys=False).bundle.config.settings
            )
        if options.t or options.T:
            return _test(options.file, dump=options.T)
        _raise_descriptor_limit()
        log.never_block()
        main = _site(options.file) if _is_site(options.file) else None
        file = main.path if main is not None else options.file
        loader = Loader(file)  # evaluates the file during the imports
        if why_pure:
            log.line(f"Running in pure Python, several times slower than compiled: {why_pure}.", log.WARNING)
        from rsp.master import Master  # most of what there is to import

        return Master(file, options.workers, main).run(loader)
    except ConfigError as error:
        from rsp.terminal.caret import point

        for message in error.messages:
            log.line(f"Error parsing config file: {message}", log.ERROR)
            point(message, log=not (options.t or options.T or options.s))
    except (BindError, SiteError) as error:
        log.line(f"Cannot start: {error}", log.ERROR)
    except OSError as error:
        from rsp.system.file_errors import why

        log.line(f"Cannot start: {error.filename or 'rsp'}: {why(error)}", log.ERROR)
    except KeyboardInterrupt:
        return 0
    return 1


def _is_site(name: str) -> bool:
    """Also one whose slashes are missing, which is no file."""
    return "://" in name or name.startswith(("etcd:", "etcds:", "consul:", "consuls:", "redis:", "rediss:"))


def _site(url: str) -> MainFile:
    """Of the node that this process becomes the master of.  Raises :class:`SiteError` and :class:`OSError`."""
    from rsp.commands.fleet_start import start  # what it needs is no burden to instances with a file

    return start(url, os.environ)


def _local_file(url: str) -> str:
    from rsp.commands.fleet_start import local_file

    return local_file(url, os.environ)


def _test(path: str, *, dump: bool) -> int:
    from rsp.commands.writable import problems  # none of this is for masters
    from rsp.config.dump import to_lua
    from rsp.terminal.caret import point

    loaded = load(path, whole=True)  # the tests of a pipe can be read only once
    bundle = loaded.bundle
    for note in (*loaded.stored.found.reading.notes, *_lacking(path, bundle.config)):
        print(f"rsp: {note}", file=sys.stderr)
        point(note)
    if dump:
        sys.stdout.write(to_lua(bundle.config))
        sys.stdout.flush()
    unwritable = problems(bundle.config)
    for problem in unwritable:
        print(f"rsp: {path}: {problem}", file=sys.stderr)
    failed = _run_tests(bundle)
    if failed:
        print(f"rsp: {failed} of the tests in {path} failed", file=sys.stderr)
        return 1
    if unwritable:
        return 1
    print(f"rsp: the configuration file {path} is ok", file=sys.stderr)
    return 0


def _lacking(path: str, config: Config) -> list[str]:
    """What a build without compiled modules cannot do for TLS."""
    from rsp.tls.engine import COMPLETE  # and with it ssl, which masters do not need

    if COMPLETE or not any(listener.tls for listener in config.listeners):
        return []
    resuming = "sessions resume only at the worker that issued the ticket"
    if not config.settings.tls.session_tickets:
        resuming = "clients with TLS 1.2 resume sessions despite session_tickets = false"
    return [f"{path}: warning: in pure Python, {resuming}, and no OCSP responses are stapled"]


def _run_tests(bundle: Bundle) -> int:
    """The configuration's own tests; the number of those that failed."""
    from rsp.commands.rehearsal import Rehearsal  # what it needs is no burden to a master

    # Python's handler would run when Lua returns, and a test may be an endless loop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    rehearsal = Rehearsal(bundle.config, bundle.main, bundle.files)
    try:
        results = rehearsal.run_tests()
    finally:
        rehearsal.close()
    for name, failure in results:
        print(f"rsp: test {name}: {'ok' if failure is None else 'FAILED'}", file=sys.stderr)
        if failure is not None:
            print("\n".join(f"  {line}" for line in failure.split("\n")), file=sys.stderr)
    return sum(failure is not None for _, failure in results)


def _versions() -> int:
    import platform  # none of this is for masters
    import ssl
    from importlib import metadata

    from rsp.lua.runtime import engine
    from rsp.tls.engine import COMPLETE

    print(f"rsp {__version__}, Python {platform.python_version()}")
    for name in ("uvloop", "lupa", "msgspec", "psutil", "setproctitle", "cryptography"):
        print(f"  {name} {metadata.version(name)}")
    newer = _newer()
    older = f", older than {newer} (run `make compile`)" if newer else ""
    print(f"  data plane: {f'pure Python ({why_pure})' if why_pure else f'compiled{older}'}")
    print(f"  TLS: {ssl.OPENSSL_VERSION}{'' if COMPLETE else ', without shared tickets and stapling'}")
    print(f"  Lua engine: {engine().__name__.removeprefix('lupa.')}")
    print(f"  Lua annotations for editors: {Path(__file__).parent / 'lua' / 'annotations'}")
    return 0


def _newer() -> str:
    """A source that is newer than the compiled modules; empty: there is none, or nothing is compiled."""
    if why_pure:
        return ""
    from rsp import _compiled

    return pure.newer_source(_compiled.__file__)


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _ensure_standard_descriptors() -> None:
    """A closed stdin, stdout or stderr would be reused for a socket, and then written to."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
