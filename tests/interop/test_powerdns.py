"""Peers by the SRV records of a real name server, PowerDNS, whose zone changes while requests run."""

import shutil
import subprocess
from contextlib import contextmanager

import dns.resolver
import pytest

from tests.faults.lab import load, under_load
from tests.harness import Backend, Rsp, wait_until
from tests.ports import free_port

PDNS = shutil.which("pdns_server", path="/usr/sbin:/usr/bin:/usr/local/sbin")
pytestmark = [pytest.mark.soak, pytest.mark.skipif(PDNS is None, reason="needs PowerDNS")]

ZONE = """$TTL 1
@ IN SOA ns root ( {serial} 3600 600 86400 1 )
@ IN NS ns
ns IN A 127.0.0.1
{records}
"""
RECORDS = "_http._tcp IN SRV {priority} {weight} {port} {name}\n{name} IN A {address}\n"


class Zone:
    def __init__(self, directory):
        self._file, self._serial = directory / "app.test.zone", 0

    def set(self, *records):
        """(priority, weight, port, name, address) of each."""
        self._serial += 1
        keys = ("priority", "weight", "port", "name", "address")
        lines = "".join(RECORDS.format(**dict(zip(keys, record, strict=True))) for record in records)
        self._file.write_text(ZONE.format(serial=self._serial, records=lines))


@contextmanager
def powerdns(directory):
    port = free_port()
    (directory / "named.conf").write_text(f'zone "app.test" {{ type master; file "{directory}/app.test.zone"; }};\n')
    process = subprocess.Popen(
        [
            PDNS, "--no-config", "--daemon=no", "--guardian=no", "--launch=bind",
            f"--bind-config={directory}/named.conf", "--bind-check-interval=1", "--local-address=127.0.0.1",
            f"--local-port={port}", f"--socket-dir={directory}", "--cache-ttl=0", "--query-cache-ttl=0",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], port, 1

    def answers():
        try:
            return resolver.resolve("_http._tcp.app.test", "SRV")
        except dns.exception.DNSException:
            return None

    try:
        wait_until(answers, "PowerDNS to answer")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def test_members_by_srv_records_come_and_go(tmp_path):
    zone = Zone(tmp_path)
    with Backend(name="one", host="127.0.0.2") as one, Backend(name="two", host="127.0.0.3") as two:
        zone.set((10, 1, one.port, "one", "127.0.0.2"))
        with powerdns(tmp_path) as port:
            text = (
                f'listen "127.0.0.1:{{port}}" dns = {{ servers = {{ "127.0.0.1:{port}" }}, min_ttl = "100ms" }} '
                'upstream "app" { "srv:_http._tcp.app.test" }'
            )
            with Rsp(tmp_path, text, workers=2) as rsp:
                assert set(load(rsp.port, 2, requests=20).bodies) == {b"one"}
                with under_load(rsp.port, 4) as count:
                    zone.set((10, 1, one.port, "one", "127.0.0.2"), (10, 3, two.port, "two", "127.0.0.3"))
                    wait_until(lambda: len(two.heads) > 50, "the second member")
                    zone.set((10, 1, two.port, "two", "127.0.0.3"))
                    wait_until(lambda: one.address not in rsp.peers(), "the first one to go")
                assert count.failed == 0
                assert set(load(rsp.port, 2, requests=20).bodies) == {b"two"}
