"""What discovery takes is there where a configuration needs it, and nowhere else."""

import asyncio
import subprocess
import sys

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.discovering import Discovering
from rsp.ipc.peer_table import PeerTable
from rsp.logs import log
from rsp.tls.material import Keyring
from tests.paths import ROOT
from tests.unit.discovery_lab import in_loop

NOTHING = PeerTable({}, [])
# What an instance without engines may have: the rest, and its libraries, is for those that name one.
ALLOWED = {"engines", "engines.stores", "engines.failures", "engines.shared_values", "nodes", "nodes.node"}
SMALL = {"control.discovery", "control.discovery.standing", "control.discovery.measured"}
CODE = """
import sys
import rsp.master, rsp.worker, rsp.control.process
print(*sys.modules)
"""


def config(*upstreams):
    return Config(settings=Settings(), listeners=(), upstreams=upstreams, routes=())


def listed(path):
    return Upstream(name="app", peers=(), discover=f"file://{path}")


def plain():
    return Upstream(name="plain", peers=(UpstreamPeer(address=Peer("127.0.0.1:8000")),))


class Lab:
    def __init__(self):
        self.found = asyncio.Queue()
        self.discovering = Discovering(lambda name, targets: self.found.put_nowait(targets), lambda asked: None)

    def arrange(self, config, tried=None):
        self.discovering.arrange(config, tried, NOTHING, Keyring())


def test_no_process_of_an_instance_without_engines_imports_what_speaks_to_them():
    run = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    modules = set(run.stdout.split())
    own = {name.removeprefix("rsp.") for name in modules if name.startswith("rsp.")}
    assert "control.process" in own
    assert {name for name in own if name.startswith(("engines", "nodes"))} <= ALLOWED
    assert {name for name in own if name.startswith("control.discovery.")} <= SMALL
    assert not own & {"config.labels", "config.label_routes", "control.fleet", "supervise.site_file"}
    assert not modules & {"aiohttp", "dns", "hiredis", "redis"}


@in_loop
async def test_nothing_is_followed_before_a_configuration_says_so(tmp_path):
    path = tmp_path / "app.json"
    path.write_text('["10.0.0.1:8000"]')
    lab = Lab()
    lab.arrange(config(plain()))
    assert (lab.discovering.standings(), lab.discovering.labels_problem()) == ([], "")
    lab.arrange(config(plain()), config(listed(path)))  # one that is tried
    try:
        async with asyncio.timeout(5):
            assert [str(target.address) for target in await lab.found.get()] == ["10.0.0.1:8000"]
        assert not lab.discovering.standings()  # it is not in force
        lab.arrange(config(listed(path)))
        assert [standing.state for standing in lab.discovering.standings()] == ["ok"]
    finally:
        lab.discovering.stop()


@in_loop
async def test_what_cannot_be_imported_any_more_is_said_and_nothing_else_happens(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(log, "line", lambda text, level=log.INFO: lines.append((text, level)))
    monkeypatch.setitem(sys.modules, "rsp.control.discovery.discoveries", None)
    lab = Lab()
    lab.arrange(config(listed(tmp_path / "app.json")))
    assert not lab.discovering.standings()
    [(text, level)] = lines
    assert level == log.ERROR
    assert text.startswith("Service discovery is not available: ")
    assert text.endswith("; restart rsp")
    lab.discovering.stop()
