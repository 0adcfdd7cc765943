"""etcd as three members that die, hang and are cut off, under load: no request fails, and changes come through."""

import contextlib
import signal
import statistics
import time

from tests.certificates import authority
from tests.etcd_server import etcd_cluster
from tests.h2_load import h2_load
from tests.harness import Backend, Rsp, as_root, background_load, get, wait_until
from tests.ports import free_port
from tests.tls_client import context

SITE = """
listen "127.0.0.1:{{port}}"
listen "127.0.0.1:{tls}" {{ tls = true }}
certificate "site.bundle.pem"
workers = 2
upstream "app" {{ discover = {{ url = "etcd://{hosts}/services/app/", timeout = "2s" }} }}
route {{ to = "app" }}
{user}
"""


class Service:
    """One member at a time, another one with each change; ``change`` gives how long it took to reach a worker."""

    def __init__(self, backends, rsp, etcd, address):
        self.backends, self.rsp, self.etcd, self.address = backends, rsp, etcd, address
        self.number = 0

    def change(self) -> float:
        self.number += 1
        backend = self.backends.enter_context(Backend(name=f"b{self.number}"))
        self._write(backend.address)
        begun = time.monotonic()
        self.wait()
        return time.monotonic() - begun

    def wait(self):
        name = f"b{self.number}".encode()
        wait_until(lambda: get(self.rsp.port).endswith(name), f"{name} answers")

    def _write(self, address):
        """Until the cluster has taken it: while it elects a leader it does not.

        What a member was told while it hung it does when it goes on, long after another one has done it: only where
        the address before still stands, or it would undo the change after this one.
        """
        before, self.address = self.address, address

        def written():
            with contextlib.suppress(AssertionError):
                return self.etcd.replace("/services/app/only", before, address)
            return False

        wait_until(written, "etcd takes it")


def test_a_cluster_of_three_that_fails_in_every_way(tmp_path):
    authority().issue("site.example").write(tmp_path, "site")
    tls = free_port()
    with contextlib.ExitStack() as backends, contextlib.ExitStack() as stack:
        etcd = stack.enter_context(etcd_cluster(tmp_path, 3))
        first = backends.enter_context(Backend(name="b0"))
        etcd.put("/services/app/only", first.address)
        text = SITE.format(tls=tls, hosts=etcd.hosts, user=as_root())
        rsp = stack.enter_context(Rsp(tmp_path, text, workers=2))
        service = Service(backends, rsp, etcd, first.address)
        service.wait()
        plain = stack.enter_context(background_load(rsp.port, 2, 50, pause=0.04))
        secure = stack.enter_context(h2_load(tls, 1, 4, at_least=50, pause=0.05, tls=context(alpn=("h2",))))

        quiet = [service.change() for _ in range(4)]

        leader = etcd.leader()
        leader.kill()
        killed = [service.change() for _ in range(3)]
        leader.start()
        wait_until(etcd.leader, "a leader")

        hung = []
        for member in etcd.members:  # as if the network were cut; one of them leads, one of them is watched
            member.pause()
            hung.append(service.change())
            member.resume()
        wait_until(etcd.leader, "a leader")

        for member in etcd.members:  # all of it
            member.pause()
        wait_until(lambda: rsp.admin("/status")["discovery"][0]["state"] == "unreachable", "an outage")
        for member in etcd.members:
            member.resume()
        healed = service.change()

        for member in etcd.members:
            member.kill()
        wait_until(lambda: rsp.admin("/status")["discovery"][0]["state"] == "unreachable", "an outage")
        assert get(rsp.port).endswith(f"b{service.number}".encode())
        for member in etcd.members:
            member.process.send_signal(signal.SIGCONT)
            member.start()
        restarted = service.change()

    assert plain.failures == [] and not secure.failures
    changes = [*quiet, *killed, *hung, healed, restarted]
    assert statistics.median(changes) < 1.0, changes
    assert max(healed, restarted) < 3.0 and max(changes) < 5.0, changes
    assert rsp.log.count("the previous result stays in use") == 2
    print(f"changes: quiet {quiet}, leader killed {killed}, hanging {hung}, healed {healed}, restarted {restarted}")
