"""A server of gRPC, grpcio's own, with calls of all four kinds; messages are bytes, so nothing is generated.

What a client sends decides what happens.  ``/test.Echo/``:

``Unary``    the message again, the metadata in ``seen``; ``fail:CODE:text`` aborts; ``wait`` ends with the call
``Count``    as many messages as the message says; ``wait`` sends one, then waits for the end
``Sum``      of all messages their bytes, joined
``Chat``     each message again, as it comes; ``fail:...`` as above; with ``later``, one more after :meth:`release`
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # pytest starts processes, but forks none that use gRPC

import grpc
import grpc.aio

from tests.ports import free_port

_CODES = {code.name.lower(): code for code in grpc.StatusCode}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """All of ``grpc.aio`` in one loop that never ends: it has one queue for a process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Beside the servers."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(120)


class GrpcPeer:
    """``seen``: the metadata of each call; ``cancelled``: calls that their client has given up.

    ``health``: what ``grpc.health.v1`` says of each service, 1 is SERVING; ``None``: there is no such service at all.
    ``refuses``: every call ends with UNAVAILABLE.  ``tls``: private key and certificate chain.
    """

    def __init__(self, port: int = 0, *, tls: tuple[bytes, bytes] | None = None) -> None:
        self.port = port or free_port()
        self.seen: list[dict[str, str]] = []
        self.cancelled = 0
        self.calls = 0
        self.refuses = False
        self.health: dict[str, int] | None = {"": 1}
        self._tls = tls
        self._server: grpc.aio.Server
        self._released = asyncio.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "GrpcPeer":
        run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        run(self._server.stop(0))

    def release(self) -> None:
        _loop().call_soon_threadsafe(self._released.set)

    def stop(self, grace: float) -> "Future[None]":
        """Take no more calls; those that run have ``grace`` seconds."""
        return asyncio.run_coroutine_threadsafe(self._server.stop(grace), _loop())

    async def _start(self) -> None:
        server = self._server = grpc.aio.server(
            options=[("grpc.max_concurrent_streams", 4096), ("grpc.so_reuseport", 0)]
        )
        calls = {
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
            "Sum": grpc.stream_unary_rpc_method_handler(self._sum),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
        }
        check = {"Check": grpc.unary_unary_rpc_method_handler(self._check)}
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("test.Echo", calls),
                grpc.method_handlers_generic_handler("grpc.health.v1.Health", check),
            )
        )
        if self._tls is None:
            server.add_insecure_port(self.address)
        else:
            server.add_secure_port(self.address, grpc.ssl_server_credentials([self._tls]))
        await server.start()

    async def _begin(self, context: grpc.aio.ServicerContext) -> None:
        self.calls += 1
        self.seen.append({name: str(value) for name, value in context.invocation_metadata() or ()})
        if self.refuses:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    async def _obey(self, message: bytes, context: grpc.aio.ServicerContext) -> None:
        if message.startswith(b"fail:"):
            _, code, text = message.decode().split(":", 2)
            await context.abort(_CODES[code], text, (("why", "asked"),))
        if message == b"wait":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise

    async def _unary(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await self._begin(context)
        await self._obey(message, context)
        with suppress(asyncio.CancelledError):
            await context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last", "2"), ("bytes-bin", b"\0\xff")))
        return message

    async def _count(self, message: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        await self._begin(context)
        if message == b"wait":
            yield b"0"
            await self._obey(message, context)
        for number in range(int(message) if message.isdigit() else 0):
            yield b"%d" % number

    async def _sum(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        await self._begin(context)
        return b"".join([message async for message in messages])

    async def _chat(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        await self._begin(context)
        message = b""
        async for message in messages:
            await self._obey(message, context)
            yield message
        if message == b"later":
            await self._released.wait()
            yield b"now"

    async def _check(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if self.health is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
            raise AssertionError
        name = message[2:].decode()  # of fewer than 128 bytes
        if name not in self.health:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08" + bytes((self.health[name],))


if __name__ == "__main__":
    with GrpcPeer(int(sys.argv[1])):
        print("ready", flush=True)
        time.sleep(3600)
