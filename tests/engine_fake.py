"""What the fakes of engines' HTTP APIs have in common: a server in a thread, changes that wake what waits, and faults.

with ConsulFake() as consul: ...      # consul.port; consul.requests: "GET /v1/health/service/app?index=3"

``fault``: what becomes of requests from now on: "hang", "drop" (the connection is closed), "garbage" (not HTTP),
"flood" (a body without end), "html" (200 with a page), or a status.  ``cut()`` breaks off all that is running.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable

from aiohttp import web


class EngineFake:
    def __init__(self, tls: ssl.SSLContext | None = None, path: str | None = None, port: int = 0) -> None:
        self._tls, self._path = tls, path
        self.port = port
        self.requests: list[str] = []
        self.fault: str | int | None = None
        self.changed: asyncio.Condition

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    # -- the server

    def __enter__(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self.changed = asyncio.Condition()
        app = web.Application(middlewares=[self._watched], client_max_size=1 << 24)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        if self._path is not None:
            site: web.BaseSite = web.UnixSite(self._runner, self._path)
        else:
            site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        if self._path is None:
            self.port = self._runner.addresses[0][1]
        ready.set()
        await self._end.wait()
        self._cut()
        await self._runner.cleanup()

    def _cut(self) -> None:
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def cut(self) -> None:
        self.do(self._cut)

    def do(self, change: Callable[[], object]) -> object:
        """In the server's thread, where whatever waits is woken."""

        async def done():
            result = change()
            async with self.changed:
                self.changed.notify_all()
            return result

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Returns when it holds, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(condition)

    # -- faults

    @web.middleware
    async def _watched(self, request: web.Request, handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        fault = self.fault
        if fault is None:
            return await handler(request)
        if isinstance(fault, int):
            return web.Response(status=fault, text="out of order")
        if fault == "html":
            return web.Response(text="<html>hello</html>", content_type="text/html")
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "garbage":
            request.transport.write(b"\x00\x01 this is not HTTP\r\n\r\n")
        if fault == "flood":
            return await self._flood(request)
        request.transport.close()
        raise web.HTTPServiceUnavailable

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while request.transport is not None and not request.transport.is_closing():
                await response.write(b" " * 65536)
                await asyncio.sleep(0)
        return response
