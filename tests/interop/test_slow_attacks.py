"""slowhttptest's three attacks, 1000 connections each: good clients are served, memory is bounded, attackers are cut off.

How much slower good clients become is measured by ``bench/slow_attacks.py``, not here.
"""

import subprocess

import psutil
import pytest

from tests.harness import Backend, Rsp, answering, background_load, proxy_to, resident, wait_until

ATTACKS = {
    "headers": ["-H", "-i", "2"],
    "body": ["-B", "-i", "2", "-s", "100000"],
    "read": ["-X", "-k", "3", "-n", "1", "-w", "10", "-y", "20", "-z", "32"],
}
TEXT = """
timeouts = { head = 3, body = 3, idle = 3, send = 3 }
limits = { min_rate = 10000 }
access_log = "off"
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_thousand_slow_connections(tmp_path, program, attack):
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
                arguments = [program("slowhttptest"), "-c", "1000", "-r", "500", "-l", "8", *ATTACKS[attack], "-u"]
                attacker = subprocess.Popen(
                    [*arguments, f"http://127.0.0.1:{rsp.port}/big"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                with background_load(rsp.port, 4) as load:
                    wait_until(
                        lambda: len(psutil.Process(worker).net_connections()) > 300 or attacker.poll() is not None,
                        "the attack",
                    )
                    assert attacker.wait(120) is not None
                assert load.failures == []
                assert load.good > 100
                # Everything that was held for an attacker is bounded by limits.buffer, twice.
                assert resident(worker) - before < 1000 * 600_000
                wait_until(lambda: len(psutil.Process(worker).net_connections()) < 20, "the attackers to be cut off")
                assert "Unexpected" not in rsp.log
