"""``rsp demo``: small backends that answer with their own name and port, and rsp in front of them.

For a first look and for trying things out.  The backends are plain asyncio streams; they stand for the user's own
applications and have nothing to do with the proxy's code.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Final

from rsp.commands.arguments import worker_count

_BACKENDS: Final = (("ada", 9001), ("bob", 9002), ("eve", 9003))


async def _answer(name: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep-alive HTTP/1.1, as much as a demo needs."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in head.split("\r\n")[1:-2]}
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            text = f"Hello from {name} on port {port}.  You asked for {head.split(' ')[1]}"
            text += f" and sent {len(body)} bytes.\n" if body else ".\n"
            answer = text.encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: %b\r\nContent-Length: %d\r\n\r\n"
                % (name.encode(), len(answer))
                + (b"" if head.startswith("HEAD ") else answer)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError):
        pass
    finally:
        writer.close()


async def _serve(backends: tuple[tuple[str, int], ...], parent: int) -> None:
    for name, port in backends:
        await asyncio.start_server(
            lambda reader, writer, name=name, port=port: _answer(name, port, reader, writer),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


def _backends() -> int:
    """Fork the process that is all the backends; its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.run(_serve(_BACKENDS, parent))
    except OSError as error:
        print(f"rsp demo: the backends cannot start: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="rsp demo", description="Demo backends, and rsp in front of them.")
    parser.add_argument("file", metavar="FILE", nargs="?", default="rsp.lua", help="configuration (default: rsp.lua)")
    parser.add_argument(
        "-w", "--workers", metavar="N", type=worker_count, default=4, help="worker processes (default: 4)"
    )
    parser.add_argument("--backends", action="store_true", help="only the backends, without rsp")
    options = parser.parse_args(arguments)
    names = ", ".join(f"{name} on port {port}" for name, port in _BACKENDS)
    print(f"Backends: {names}.", flush=True)
    backends = _backends()
    if options.backends:
        signal.signal(signal.SIGTERM, lambda *_: os.kill(backends, signal.SIGTERM))
        try:
            os.waitpid(backends, 0)
        except KeyboardInterrupt:
            os.kill(backends, signal.SIGTERM)
        return 0
    return _run(options.file, options.workers, backends)


def _run(file: str, workers: int, backends: int) -> int:
    # In a group of its own: Ctrl-C reaches it through us, once.
    command = [sys.executable, "-m", "rsp", "-w", str(workers), file]
    proxy = subprocess.Popen(command, process_group=0)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: proxy.send_signal(signal.SIGTERM))
    try:
        time.sleep(1.0)
        if proxy.poll() is None:
            print(
                "\n  Try:      curl http://127.0.0.1:8000/        (again and again: the answers take turns)"
                "\n  Look at:  the access log below, the processes with  ps -ef | grep rsp"
                f"\n  Change:   {file}, then  kill -HUP {proxy.pid}"
                "\n  Stop:     Ctrl-C\n",
                flush=True,
            )
        status = proxy.wait()
    except KeyboardInterrupt:
        proxy.send_signal(signal.SIGTERM)
        status = proxy.wait()
    finally:
        os.kill(backends, signal.SIGTERM)
        os.waitpid(backends, 0)
    return status
