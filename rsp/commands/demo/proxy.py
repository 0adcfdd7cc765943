"""The process of rsp in front of the demo's backends: its start, its orders, its end."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from typing import Any, Final

from rsp.commands.demo.load import USER_AGENT
from rsp.commands.demo.site import Site
from rsp.config.schema import Config
from rsp.ipc.admin_socket import directory
from rsp.system.parents import ends_with_parent
from rsp.terminal.instance import Failure, ask

_PATIENCE: Final = 30.0  # seconds for a start on a slow machine, in pure Python
_LONGEST: Final = 1 << 20  # bytes of a line of the access log


class Proxy:
    def __init__(self, site: Site, workers: int, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self.workers = workers
        self.is_ending = False
        self._site = site
        self._process = process
        self._copying = asyncio.ensure_future(self._copy(process.stdout))
        admin = site.config.settings.admin
        self._socket = str(directory() / f"rsp-{process.pid}.sock") if admin == "auto" else admin

    @classmethod
    async def start(cls, site: Site, workers: int) -> "Proxy":
        """In a process group of its own: Ctrl-C, and the end of a terminal, reach it through the demo, once."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rsp", "-w", str(workers), str(site.path)),
            stdout=subprocess.PIPE,
            process_group=0,
            preexec_fn=ends_with_parent(),
            limit=_LONGEST,
        )
        return cls(site, workers, process)

    async def serves(self) -> bool:
        """Wait until rsp answers; false where it has ended instead."""
        give_up = asyncio.get_running_loop().time() + _PATIENCE
        while self._process.returncode is None and asyncio.get_running_loop().time() < give_up:
            if await self._is_ready():
                return True
            await asyncio.sleep(0.05)
        return self._process.returncode is None

    async def _is_ready(self) -> bool:
        if self._socket != "off":
            with suppress(Failure):
                await self.status()
                return True
            return False  # what listens at its address may be another program
        address = plain_address(self._site.config)
        if address is None:
            return False
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*address)
            writer.close()
            return True
        return False

    async def wait(self) -> int:
        """Its exit status, as a shell has it; it is no failure that a signal of the demo's ends it while it starts."""
        status = await self._process.wait()
        await self._copying
        if status >= 0:
            return status
        return 0 if self.is_ending else 128 - status

    def end(self) -> None:
        """Finish running requests; a second time: at once."""
        self.is_ending = True
        with suppress(ProcessLookupError):
            self._process.terminate()

    async def _copy(self, stream: asyncio.StreamReader | None) -> None:
        """The access log without the requests that the page makes, 20 a second: other lines could not be read."""
        assert stream is not None  # noqa: S101 - it is a pipe
        try:
            while line := await stream.readline():
                if USER_AGENT.encode() not in line:
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
        except (OSError, ValueError):  # the terminal is gone
            self.end()
            while await stream.read(_LONGEST):  # rsp is not to wait for it
                pass

    # -- orders, over the admin socket; each raises Failure

    async def status(self) -> dict[str, Any]:
        return await asyncio.to_thread(ask, self._socket, "GET", "/status")

    async def states(self) -> dict[str, str]:
        """Of peers, by address."""
        peers = await asyncio.to_thread(ask, self._socket, "GET", "/peers")
        return {peer["peer"]: peer["state"] for peer in peers["peers"]}

    async def reload(self) -> tuple[bool, str]:
        """Whether the file is in force now, and what rsp says of it."""
        if self._socket == "off":
            raise Failure(f'admin is "off" in {self._site.shown}; use  kill -HUP {self.pid}')
        answer = await asyncio.to_thread(ask, self._socket, "POST", "/reload", {}, (200, 409))
        return bool(answer["reloaded"]), self._site.readable(str(answer["message"]))


def plain_address(config: Config) -> tuple[str, int] | None:
    """Of the first listener that takes HTTP without TLS and without a PROXY header, as a client on this machine has
    it."""
    for listener in config.listeners:
        address = listener.address
        if address.is_unix or listener.tls or listener.redirect or listener.proxy_protocol or not address.port:
            continue
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port
    return None
