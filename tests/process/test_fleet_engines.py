"""A site in each engine: three members of etcd over TLS with users, Redis over TLS with a user, Consul with a token.

Consul is a fake of its HTTP API (tests/consul_fake.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.consul_fake import ConsulFake
from tests.etcd_server import encoded, etcd_cluster
from tests.fleet_lab import Fleet, fleet
from tests.harness import get, run_rsp, wait_until
from tests.ports import free_port
from tests.redis_server import redis_server, tls_options

SECRET = "hush-hush-7"


def secret(directory: Path, name: str, content: str) -> str:
    path = directory / name
    path.write_text(f"{content}\n")
    path.chmod(0o600)
    return str(path)


@contextmanager
def in_etcd(directory: Path) -> Iterator[tuple[str, dict[str, str], dict[str, str], Any]]:
    with etcd_cluster(directory, 3, tls=True) as cluster:
        cluster.protect("node", SECRET, "/rsp/site/")
        perm = {"permType": "READWRITE", "key": encoded("/rsp/site/nodes/"), "range_end": encoded("/rsp/site/nodes0")}
        cluster.ask("/v3/auth/role/grant", {"name": "reader", "perm": perm})
        common = {"RSP_SITE_CA": str(directory / "ca.pem")}
        operator = {"RSP_SITE_USERNAME": "root", "RSP_SITE_PASSWORD_FILE": secret(directory, "operator", "root")}
        node = {"RSP_SITE_USERNAME": "node", "RSP_SITE_PASSWORD_FILE": secret(directory, "node", SECRET)}
        yield f"etcds://{cluster.hosts}/rsp/site", common | operator, common | node, lambda: cluster.leader().kill()


@contextmanager
def in_redis(directory: Path) -> Iterator[tuple[str, dict[str, str], dict[str, str], Any]]:
    port = free_port()
    users = ["--user", "rsp", "on", ">operator", "~rsp/site/*", "+@all", "--user", "default", "off"]
    users += ["--user", "node", "on", f">{SECRET}", "%R~rsp/site/*", "~rsp/site/nodes", "+@all"]
    with redis_server(directory, *tls_options(directory, port), *users):
        common = {"RSP_SITE_CA": str(directory / "ca.pem")}
        operator = {"RSP_SITE_USERNAME": "rsp", "RSP_SITE_PASSWORD_FILE": secret(directory, "operator", "operator")}
        node = {"RSP_SITE_USERNAME": "node", "RSP_SITE_PASSWORD_FILE": secret(directory, "node", SECRET)}
        yield f"rediss://localhost:{port}/0/rsp/site", common | operator, common | node, lambda: None


@contextmanager
def in_consul(directory: Path) -> Iterator[tuple[str, dict[str, str], dict[str, str], Any]]:
    with ConsulFake() as consul:
        consul.tokens = {SECRET}
        access = {"RSP_SITE_TOKEN_FILE": secret(directory, "token", SECRET)}
        end = lambda: [consul.end_session(name) for name in list(consul.sessions)]  # noqa: E731
        yield f"consul://127.0.0.1:{consul.port}/rsp/site", access, access, end


def text(body: str) -> str:
    return f'route {{ respond = {{ status = 200, body = "{body}" }} }}'


@pytest.mark.parametrize("engine", [in_etcd, in_redis, in_consul])
def test_a_site(engine: Any, tmp_path: Path) -> None:
    with engine(tmp_path) as (url, operator, of_node, disturb), fleet(tmp_path, url, operator, of_node) as site:
        said = site.rspctl("rollout", site.write(text("one")))
        assert said.returncode == 0, said.stderr
        a, b = site.add("a", started=False), site.add("b", started=False)
        for node in (a, b):
            node.wait_started()
            assert get(node.port).endswith(b"one")
        wait_until(lambda: len(rows(site)) == 2, "both report")
        said = site.rspctl("rollout", site.write(text("two")), "--watch", "0s")
        assert said.returncode == 0, said.stdout + said.stderr
        wait_until(lambda: get(a.port).endswith(b"two") and get(b.port).endswith(b"two"), "both have it")
        disturb()
        wait_until(lambda: site.rspctl("rollout", "--now", site.write(text("three"))).returncode == 0, "a write")
        wait_until(lambda: get(a.port).endswith(b"three") and get(b.port).endswith(b"three"), "both have it")
        wait_until(lambda: len(rows(site)) == 2, "both report")
        assert a.stop() == 0
        wait_until(lambda: list(rows(site)) == ["b"], "its report is gone")
        logs = a.log + b.log + site.rspctl("--json").stdout + str(b.admin("/status"))
        assert SECRET not in logs


def rows(site: Fleet) -> dict[str, list[str]]:
    lines = site.rspctl().stdout.splitlines()
    return {line.split()[0]: line.split() for line in lines if line[:2] in ("a ", "b ")}


def test_a_node_without_a_version(tmp_path: Path) -> None:
    """It ends with what is wrong and what to do."""
    with ConsulFake() as consul:
        environment = {"RSP_NODE": "a", "RSP_STATE": str(tmp_path / "state")}
        url = f"consul://127.0.0.1:{consul.port}/rsp/site"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            said = run_rsp(tmp_path, url)
            assert said.returncode == 1
            command = f"rspctl fleet --site {url} rollout site.lua"
            assert f"nothing has been rolled out yet; on any machine: {command}" in said.stderr
            slip = run_rsp(tmp_path, url.replace("//", "/"))
            assert f'write "{url}"' in slip.stderr
            for fault in ("hang", "html"):
                consul.fault = fault
                said = run_rsp(tmp_path, url)
                assert said.returncode == 1, fault
                assert "Traceback" not in said.stderr
                assert "<" not in said.stderr, "a page is no reason"
                assert f"Cannot start: {url}: " in said.stderr, fault
            assert run_rsp(tmp_path, "-t", url).returncode == 1
            patch.setenv("RSP_NODE", "a/b")
            assert 'RSP_NODE: the name of a node may contain letters, digits and "._-"' in run_rsp(tmp_path, url).stderr
            said = run_rsp(tmp_path, "etcd://me:hush@127.0.0.1/x")
            assert said.returncode == 1
            assert "a URL may not contain credentials" in said.stderr
            assert "hush" not in said.stderr
