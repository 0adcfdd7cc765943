"""``rsp demo``: its arguments, what starts in which order, and that all of it ends together.

Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) end rsp, which finishes its requests, and then the backends.
"""

import argparse
import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from rsp.commands.arguments import worker_count
from rsp.commands.demo import live, ports
from rsp.commands.demo.backends import NAMES, PORTS, Backends
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
    file = options.file or (_USUAL_FILE if Path(_USUAL_FILE).exists() else None)
    if options.backends:
        return _only_backends()
    site = _site(file)
    if site is None:
        return 1
    try:
        return asyncio.run(_run(*site, options.workers))
    finally:
        site[0].close()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp demo",
        description="Three small backends, rsp in front of them, and a page on which to watch requests, kill backends "
        "and reload good and bad configurations.  Ctrl-C ends all of it.",
    )
    usual = f"the configuration (default: {_USUAL_FILE} in this folder; without one, a built-in configuration)"
    made.add_argument("file", metavar="FILE", nargs="?", help=usual)
    made.add_argument(
        "-w", "--workers", metavar="N", type=worker_count, default=4, help="worker processes (default: 4)"
    )
    made.add_argument("--backends", action="store_true", help="only the backends, without rsp")
    return made


def _only_backends() -> int:
    backends = Backends(PORTS)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        taken = backends.start()
        if taken:
            port = dict(zip(NAMES, PORTS, strict=True))[taken[0]]
            print(f"rsp demo: port {port} is in use; stop the program that has it", file=sys.stderr)
            return 1
        print(f"Backends: {backends}.", flush=True)
        signal.sigwait(_ENDS)
    finally:
        backends.end()
    return 0


def _site(file: str | None) -> tuple[Site, Backends] | None:
    """The built-in configuration has the ports that are free, a file its own."""
    if file is None:
        listen, dashboard, *rest = ports.free((_LISTEN, _DASHBOARD, *PORTS))
        named = {"listen": listen, "dashboard": dashboard, **dict(zip(NAMES, rest, strict=True))}
        return Site.built_in(named), Backends(rest)
    try:
        return Site.of_file(file), Backends(PORTS)
    except ConfigError as error:
        for message in error.messages:
            print(f"rsp demo: {message}", file=sys.stderr)
    return None


async def _run(site: Site, backends: Backends, workers: int) -> int:
    """The exit status of rsp."""
    taken = backends.start()
    print(f"Backends: {backends}.", flush=True)
    for name in taken:
        print(f"Backend {name} is not started: another program has its port.", flush=True)
    try:
        proxy = await Proxy.start(site, workers)
        for number in _ENDS:
            asyncio.get_running_loop().add_signal_handler(number, proxy.end)
        return await _watch(site, backends, proxy)
    finally:
        backends.end()


async def _watch(site: Site, backends: Backends, proxy: Proxy) -> int:
    if not await proxy.serves():
        if not proxy.is_ending:
            print("rsp demo: rsp has not started; its message is above", file=sys.stderr)
            return await proxy.wait() or 1
        return await proxy.wait()
    address = plain_address(site.config)
    load = Load(address) if address is not None else None
    page = live.Live(site, backends, proxy, load)
    (port,) = ports.free((live.PORT,))
    tasks = [asyncio.ensure_future(page.serve(ports.listening(port)))]
    if load is not None:
        tasks.append(asyncio.ensure_future(load.run()))
    _say(site, proxy, load, f"http://{ports.LOOPBACK}:{port}/?token={page.token}")
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
    with suppress(BrokenPipeError, OSError):  # the terminal may be gone, and rsp goes on
        print(
            f"\n  Open:     {page}{curl}"
            f"\n  Look at:  the access log below, the processes with  ps -ef | grep rsp{edit}"
            "\n  Stop:     Ctrl-C\n",
            flush=True,
        )
