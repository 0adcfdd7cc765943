"""`busy_poll`: how long a worker asks for events before it sleeps."""

import os
import socket
import time
from pathlib import Path

import pytest

from rsp.config.errors import ConfigError
from rsp.lua.evaluate import evaluate
from rsp.net.calls import Epoll
from tests.harness import Rsp, wait_until

SITE = 'listen "127.0.0.1:{port}" route { respond = { status = 204 } } '
TICK = os.sysconf("SC_CLK_TCK")


def cost(rsp, count=100):
    """Seconds of CPU time that the worker needs for a request, when it could sleep before each of them."""
    (pid,) = rsp.workers().values()

    def used():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    before = used()
    with socket.create_connection(("127.0.0.1", rsp.port), 10) as sock:
        for _ in range(count):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 204 ")
            time.sleep(0.003)  # longer than a worker polls
    return (used() - before) / count


@pytest.mark.skipif(hasattr(Epoll, "__slots__"), reason="not compiled")
def test_a_reload_lets_workers_poll_before_they_sleep(tmp_path):
    with Rsp(tmp_path, SITE, workers=1) as rsp:
        asleep = cost(rsp, 200)
        rsp.reload(SITE + 'busy_poll = "1ms"')
        wait_until(lambda: cost(rsp) > 2 * asleep + 0.0002, "the worker polls")
        rsp.reload(SITE)
        wait_until(lambda: cost(rsp) < asleep + 0.0003, "the worker sleeps at once")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('busy_poll = "2ms"', 'busy_poll: expected at most "1ms", got "2ms"'),
        ("busy_poll = 50", 'busy_poll: expected at most "1ms", got "50s"'),
        ('busy_poll = "50 usecs"', 'write "50us"'),
        ("busy_poling = 1", '(did you mean "busy_poll"?)'),
        ("busy_polling = true", 'in rsp: busy_poll = "50us"'),
    ],
)
def test_messages(tmp_path, line, said):
    path = tmp_path / "site.lua"
    path.write_text(f'listen "127.0.0.1:8080"\n{line}\nroute {{ respond = {{ status = 204 }} }}\n')
    with pytest.raises(ConfigError) as caught:
        evaluate(str(path))
    assert said in str(caught.value)
    assert "site.lua:2" in str(caught.value)
