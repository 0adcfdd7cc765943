"""A configuration that is in force no longer lives as long as the exchanges that began with it, and no longer."""

import asyncio
import gc
import socket
import weakref

from rsp.exchange.assemble import assemble
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.service import HttpService
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.logs.access_logs import Unwritten
from rsp.lua.evaluate import evaluate
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Transport

TEXT = """
listen "127.0.0.1:1"
upstream "app" { "127.0.0.1:2" }
function on_request(req)
  if req.path == "/wait" then sleep(60) end
  return respond(200, "NN")
end
every("60s", function() end)
"""
GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"


def states() -> int:
    """Lua states that there are."""
    gc.collect()
    return sum(type(one).__name__ == "LuaRuntime" for one in gc.get_objects())


class Process:
    """What matters here of a worker."""

    def __init__(self, directory) -> None:
        self.path = directory / "site.lua"
        self.context = WorkerContext(Scoreboard(), 0, b"secret", Poller(asyncio.get_running_loop()))
        self.service = HttpService(self.context)
        self.store = Shared(1 << 20)
        self.generation = 0

    def reload(self) -> None:
        self.generation += 1
        self.path.write_text(TEXT.replace("NN", f"{self.generation}."))
        config, files = evaluate(str(self.path))
        hooks = Hooks(self.context, config, str(self.path), files, self.store)
        running = assemble(config, self.context, self.service.directory, Unwritten(), hooks)
        before = self.service.use(running, PeerTable({}, []))
        hooks.start(before.hooks if before is not None else None)
        self.context.tick()

    def in_flight(self) -> int:
        return self.context.stats.get(IN_FLIGHT)

    def stop(self) -> None:
        self.service.config.hooks.stop()
        self.context.poller.close()

    def client(self) -> socket.socket:
        near, far = socket.socketpair()
        for one in (near, far):
            one.setblocking(False)
        self.service.accept(Transport(self.context.poller, near.detach()), b"192.0.2.1", "127.0.0.1:1")
        return far


async def answer(client: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), 10)


def test_idle_connections_do_not_keep_old_hooks(tmp_path):
    async def main() -> None:
        process, clients = Process(tmp_path), []
        before = states()
        for _ in range(6):
            process.reload()
            clients.append(process.client())  # each has met another configuration, and stays
            clients[-1].sendall(GET)
            assert (await answer(clients[-1])).endswith(b"%d." % process.generation)
        process.reload()
        assert states() == before + 1
        assert not process.service.former
        for client in clients:
            client.sendall(GET)
            assert (await answer(client)).endswith(b"7.")
            client.close()
        process.stop()

    asyncio.run(main())


def test_old_upstreams_need_no_collector(tmp_path):
    async def main() -> None:
        process = Process(tmp_path)
        process.reload()
        old = weakref.ref(process.service.config.upstreams["app"])
        process.reload()
        assert old() is None
        process.stop()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_old_hooks_live_while_an_exchange_uses_them(tmp_path):
    async def main() -> None:
        process = Process(tmp_path)
        process.reload()
        before = states()
        waiting, half, body = [process.client() for _ in range(3)]
        waiting.sendall(GET.replace(b"/ ", b"/wait "))
        half.sendall(GET[:-2])
        body.sendall(b"POST /wait HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe")
        while process.in_flight() < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # so that the half of a head has arrived, too
        process.reload()
        process.reload()
        assert states() == before + 1  # not the one between, which nothing has met
        assert len(process.service.former) == 1
        half.sendall(b"\r\n")
        assert (await answer(half)).endswith(b"1.")
        assert states() == before + 1
        for one in (waiting, body):
            one.close()
        while process.in_flight():
            await asyncio.sleep(0.01)
        assert states() == before
        half.sendall(GET)
        assert (await answer(half)).endswith(b"3.")
        half.close()
        process.stop()

    asyncio.run(main())
