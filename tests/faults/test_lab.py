"""The laboratory itself: a fault that it does not make is a test that says nothing."""

import asyncio
import socket

import pytest

from tests.faults.lab import Faulty, Lab


async def _killed_after(turns: int, backend: Faulty) -> list[socket.socket]:
    """Connections with a request, and the death of their backend so many turns of its loop later."""
    clients = [socket.create_connection(("127.0.0.1", backend.port)) for _ in range(8)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\n")
    for _ in range(turns):
        await asyncio.sleep(0)
    await backend.down()
    return clients


@pytest.mark.parametrize("turns", range(8))
def test_a_killed_backend_leaves_no_connection_open(turns):
    """However far it has come with accepting them."""
    with Lab(1) as lab:
        for client in lab.call(_killed_after(turns, lab.backends[0])):
            with client, pytest.raises(ConnectionResetError):
                client.settimeout(5)
                client.recv(1)
