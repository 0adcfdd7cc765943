"""What discovery takes is there where a configuration needs it, and nowhere else."""

import asyncio
import sys

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.discovering import Discovering
from rsp.ipc.peer_table import PeerTable
from rsp.logs import log
from rsp.tls.material import Keyring
from tests.unit.discovery_lab import in_loop

NOTHING = PeerTable({}, [])


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
