"""slowhttptest's three attacks, hundreds of connections each: good clients are served, memory is bounded, attackers are cut off.

How much slower good clients become is measured by ``bench/slow_attacks.py``, not here.
"""

import subprocess

import psutil
import pytest

from tests.harness import Backend, Rsp, answering, background_load, proxy_to, resident, wait_until
from tests.soak import short_and_long

ATTACKS = {
    "headers": ["-H", "-i", "2"],
    "body": ["-B", "-i", "2", "-s", "100000"],
    "read": ["-X", "-k", "3", "-n", "1", "-w", "10", "-y", "20", "-z", "32"],
}
TEXT = """
timeouts = { head = 3, body = 3, idle = 20, send = 3 }
limits = { min_rate = 10000 }
access_log = "off"
"""


def clients(worker: int, port: int) -> int:
    """Connections of clients; those to peers stay, to be used again."""
    found = psutil.Process(worker).net_connections()
    return sum(bool(each.raddr and each.laddr.port == port) for each in found)


@pytest.mark.parametrize("attack", ATTACKS)
@short_and_long("connections", 100, 1000)
def test_slow_connections(tmp_path, program, attack, connections):
    body = b"x" * 300_000

    with Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as big:
        with Backend() as small:
            text = (
                proxy_to(small.address, extra=TEXT)
                + f'upstream "big" {{ "{big.address}" }} route {{ path = "/big", to = "big" }}'
            )
            with Rsp(tmp_path, text) as rsp:
                worker = rsp.workers()[0]
                before = resident(worker)
                rate = str(connections // 2)
                attacker = subprocess.Popen(
                    [
                        *(program("slowhttptest"), "-c", str(connections), "-r", rate, "-l", "8", *ATTACKS[attack]),
                        *("-u", f"http://127.0.0.1:{rsp.port}/big"),
                    ],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                with background_load(rsp.port, 4, pause=0.02) as load:
                    wait_until(
                        lambda: clients(worker, rsp.port) > connections // 3 or attacker.poll() is not None,
                        "the attack",
                    )
                    assert attacker.wait(120) is not None
                assert load.failures == []
                # Everything that was held for an attacker is bounded by limits.buffer, twice.
                assert resident(worker) - before < connections * 600_000
                wait_until(lambda: clients(worker, rsp.port) < 20, "the attackers to be cut off")
                assert "Unexpected" not in rsp.log
