"""``rsp demo``: its arguments, what starts in which order, and that all of it ends together.

Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) end rsp, which finishes its requests, and then the backends.
"""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from rsp.commands.arguments import file_name, worker_count
from rsp.commands.demo import live, ports
from rsp.commands.demo.backends import PORTS, Backends
from rsp.commands.demo.load import Load
from rsp.commands.demo.proxy import Proxy, plain_address
from rsp.commands.demo.site import Site
from rsp.config.errors import ConfigError

_LISTEN: Final = 8000
_DASHBOARD: Final = 9146
_USUAL_FILE: Final = "rsp.lua"
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    file = options.file or (None if options.backends else usual_file())
    backends = Backends()
    try:
        if options.backends:
            return _only(backends)
        turn = ports.Turn()
        with closing(_site(file, backends)) as site:
            return asyncio.run(_run(site, backends, options.workers, turn))
    except ConfigError as error:
        for message in error.messages:
            print(f"rsp demo: {message}", file=sys.stderr)
    except OSError as error:
        print(f"rsp demo: cannot start: {error.strerror or error}", file=sys.stderr)
    finally:
        backends.end()
    return 1


def usual_file() -> str | None:
    """Of root or of this user: the file of another one, in /tmp for example, may name logs to write to."""
    try:
        owner = Path(_USUAL_FILE).stat().st_uid
    except OSError:
        return None
    if owner in (0, os.geteuid()):
        return _USUAL_FILE
    said = f"{_USUAL_FILE} of this folder belongs to another user and is not used; to use it: rsp demo {_USUAL_FILE}"
    print(f"rsp demo: {said}", file=sys.stderr)
    return None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp demo",
        description="Three small backends, rsp in front of them, and a page on which to watch requests, kill backends "
        "and reload good and bad configurations.  Ctrl-C ends all of it.",
    )
    usual = f"the configuration (default: {_USUAL_FILE} in this folder; without one, a built-in configuration)"
    made.add_argument("file", type=file_name, metavar="FILE", nargs="?", help=usual)
    made.add_argument(
        "-w", "--workers", metavar="N", type=worker_count, default=4, help="worker processes (default: 4)"
    )
    made.add_argument("--backends", action="store_true", help="only the backends, without rsp")
    return made


def _only(backends: Backends) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    taken = backends.start()
    if taken:
        print(f"rsp demo: port {PORTS[taken[0]]} is in use; stop the program that has it", file=sys.stderr)
        return 1
    print(f"Backends: {backends}.", flush=True)
    signal.sigwait(_ENDS)
    return 0


def _site(file: str | None, backends: Backends) -> Site:
    """With the backends started.  The built-in configuration has the ports that are free, a file its own.

    Raises :class:`ConfigError` and :class:`OSError`.
    """
    if file is None:
        backends.start_anywhere()
        site = Site.built_in({"listen": ports.free(_LISTEN), "dashboard": ports.free(_DASHBOARD), **backends.ports})
        taken = []
    else:
        site = Site.of_file(file)
        taken = backends.start()
    print(f"Backends: {backends}.", flush=True)
    for name in taken:
        print(f"Backend {name} is not started: another program has port {PORTS[name]}.", flush=True)
    return site


async def _run(site: Site, backends: Backends, workers: int, turn: ports.Turn) -> int:
    """The exit status of rsp."""
    proxy = await Proxy.start(site, workers)
    for number in _ENDS:
        asyncio.get_running_loop().add_signal_handler(number, proxy.end)
    return await _watch(site, backends, proxy, turn)


async def _watch(site: Site, backends: Backends, proxy: Proxy, turn: ports.Turn) -> int:
    serves = await proxy.serves()
    turn.end()
    if not serves:
        if not proxy.is_ending:
            print("rsp demo: rsp has not started; its message is above", file=sys.stderr)
            return await proxy.wait() or 1
        return await proxy.wait()
    address = plain_address(site.config)
    load = Load(address) if address is not None else None
    page = live.Live(site, backends, proxy, load)
    listening = ports.listening_near(live.PORT)
    tasks = [asyncio.ensure_future(page.serve(listening))]
    if load is not None:
        tasks.append(asyncio.ensure_future(load.run()))
    _say(site, proxy, load, f"http://{ports.LOOPBACK}:{ports.port_of(listening)}/?token={page.token}")
    try:
        return await proxy.wait()
    finally:
        await page.finish()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _say(site: Site, proxy: Proxy, load: Load | None, page: str) -> None:
    curl = f"\n  Try:      curl {load.url}        (again and again: the answers take turns)" if load is not None else ""
    edit = f"\n  Change:   {site.file}, then  kill -HUP {proxy.pid}" if site.file else ""
    try:
        print(
            f"\n  Open:     {page}{curl}"
            f"\n  Look at:  the access log below, the processes with  ps -ef | grep rsp{edit}"
            "\n  Stop:     Ctrl-C\n",
            flush=True,
        )
    except OSError:  # the terminal is gone
        proxy.end()
