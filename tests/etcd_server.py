"""A real etcd: one member or several, with TLS and users.

with etcd_cluster(tmp_path) as etcd: ...            # etcd.hosts: "127.0.0.1:PORT,..."; etcd.put("/services/app/1", "...")
with etcd_cluster(tmp_path, 3) as etcd: ...         # etcd.leader(): the member that leads
with etcd_cluster(tmp_path, tls=True) as etcd: ...  # ca.pem is in tmp_path, the certificate is for localhost
"""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.certificates import authority
from tests.fleet_engines import Server, program
from tests.harness import wait_until
from tests.ports import free_port

_QUICK = ("--heartbeat-interval=50", "--election-timeout=500", "--unsafe-no-fsync", "--log-level=error")
_PATIENCE = 1  # seconds: one that hangs is not waited for when there are others


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Cluster:
    """``token``: of the user that the test is, once there are users."""

    def __init__(self, members: list[Server], tls: ssl.SSLContext | None) -> None:
        self.members = members
        self._tls = tls
        self.token = ""

    @property
    def hosts(self) -> str:
        return ",".join(f"{'localhost' if self._tls else '127.0.0.1'}:{member.port}" for member in self.members)

    def ask(self, target: str, body: dict[str, Any], member: Server | None = None) -> dict[str, Any]:
        """A call of the gateway, of the first member that answers."""
        for each in [member] if member is not None else self.members:
            try:
                return self._ask(each, target, body)
            except OSError:
                continue
        raise AssertionError("no member of etcd answers")

    def _ask(self, member: Server, target: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._tls is not None:
            connection = http.client.HTTPSConnection("localhost", member.port, timeout=_PATIENCE, context=self._tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", member.port, timeout=_PATIENCE)
        try:
            fields = {"Authorization": self.token} if self.token else {}
            connection.request("POST", target, json.dumps(body), fields)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def put(self, key: str, value: str | bytes, lease: str = "0") -> int:
        """The revision."""
        said = self.ask("/v3/kv/put", {"key": encoded(key), "value": encoded(value), "lease": lease})
        return int(said["header"]["revision"])

    def replace(self, key: str, before: str, value: str) -> bool:
        """Whether it has ``value`` now; it may have had already, by a call that got no answer."""
        compare = {"key": encoded(key), "target": "VALUE", "result": "EQUAL", "value": encoded(before)}
        put, get = {"key": encoded(key), "value": encoded(value)}, {"key": encoded(key)}
        said = self.ask(
            "/v3/kv/txn",
            {"compare": [compare], "success": [{"request_put": put}], "failure": [{"request_range": get}]},
        )
        if said.get("succeeded"):
            return True
        found = [kv for each in said.get("responses", ()) for kv in each["response_range"].get("kvs", ())]
        return [kv["value"] for kv in found] == [encoded(value)]

    def delete(self, key: str, end: str = "") -> None:
        said = self.ask("/v3/kv/deleterange", {"key": encoded(key), "range_end": encoded(end)})
        assert "header" in said, said

    def compact(self, revision: int) -> None:
        said = self.ask("/v3/kv/compaction", {"revision": revision, "physical": True})
        assert "header" in said, said

    def leader(self) -> Server:
        """The member that the others follow."""
        for member in self.members:
            try:
                said = self._ask(member, "/v3/maintenance/status", {})
            except OSError:
                continue
            if said.get("leader", "0") != "0" and said["leader"] == said["header"]["member_id"]:
                return member
        raise AssertionError("etcd has no leader")

    def protect(self, user: str, password: str, prefix: str) -> None:
        """From now on there are users: root, which the test is, and ``user``, which may read below ``prefix``."""
        self.ask("/v3/auth/user/add", {"name": "root", "password": "root"})
        self.ask("/v3/auth/role/add", {"name": "root"})
        self.ask("/v3/auth/user/grant", {"user": "root", "role": "root"})
        self.ask("/v3/auth/user/add", {"name": user, "password": password})
        self.ask("/v3/auth/role/add", {"name": "reader"})
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        perm = {"permType": "READ", "key": encoded(prefix), "range_end": encoded(end)}
        self.ask("/v3/auth/role/grant", {"name": "reader", "perm": perm})
        self.ask("/v3/auth/user/grant", {"user": user, "role": "reader"})
        self.ask("/v3/auth/enable", {})
        self.token = self.ask("/v3/auth/authenticate", {"name": "root", "password": "root"})["token"]


@contextmanager
def etcd_cluster(directory: Path, size: int = 1, *more: str, tls: bool = False) -> Iterator[Cluster]:
    scheme = "https" if tls else "http"
    host = "localhost" if tls else "127.0.0.1"
    ports = [(free_port(), free_port()) for _ in range(size)]
    all_members = ",".join(f"m{number}=http://127.0.0.1:{peer}" for number, (_, peer) in enumerate(ports))
    options = [*_QUICK, *more]
    if tls:
        authority().write(directory / "ca.pem")
        authority().issue("localhost", "127.0.0.1").write(directory, "etcd")
        options += ["--cert-file", str(directory / "etcd.pem"), "--key-file", str(directory / "etcd.key")]
    members: list[Server] = []
    try:
        for number, (port, peer) in enumerate(ports):
            place = directory / f"etcd-{number}"
            place.mkdir(exist_ok=True)
            listen, own = f"{scheme}://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
            command = [program("etcd"), "--name", f"m{number}", "--data-dir", str(place / "data"), *options]
            command += ["--listen-client-urls", listen, "--advertise-client-urls", f"{scheme}://{host}:{port}"]
            command += ["--listen-peer-urls", own, "--initial-advertise-peer-urls", own]
            command += ["--initial-cluster", all_members, "--initial-cluster-state", "new"]
            members.append(Server(command, place, port))
        context = ssl.create_default_context(cafile=str(directory / "ca.pem")) if tls else None
        cluster = Cluster(members, context)
        wait_until(lambda: _is_ready(cluster), "etcd has a leader")
        yield cluster
    finally:
        for member in members:
            member.resume()
            member.kill()


def _is_ready(cluster: Cluster) -> bool:
    """Each member answers for the cluster."""
    try:
        return all("header" in cluster.ask("/v3/kv/range", {"key": encoded("a")}, each) for each in cluster.members)
    except (AssertionError, ValueError):
        return False
