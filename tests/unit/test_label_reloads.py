"""What the master does with what labels ask for, without processes."""

import time
from types import SimpleNamespace

import pytest

from rsp.config.errors import ConfigError
from rsp.ipc.channel import Bundle
from rsp.supervise import reload as module
from rsp.supervise.reload import Reloads
from tests.unit.label_lab import config_of


class Asked:
    """Stands for a child that finds out what labels have; ``failing``: how it ends."""

    made: list["Asked"] = []
    failing: Exception | None = None

    def __init__(self, running, version, asked):
        if isinstance(self.failing, OSError):
            raise self.failing
        self.running, self.asked = running, asked
        self.descriptor, self.deadline = 0, time.monotonic() + 60
        Asked.made.append(self)

    def read(self):
        return True

    def bundle(self):
        if self.failing is not None:
            raise self.failing
        return self.running


@pytest.fixture
def reloads(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Labelling", Asked)
    monkeypatch.setattr(Asked, "made", [])
    monkeypatch.setattr(Asked, "failing", None)
    nothing = SimpleNamespace(refuse=lambda: None, reloading=lambda: None, drop=lambda added: None)
    fleet = SimpleNamespace(
        stopping=False, bundle=Bundle(1, "", config_of(tmp_path)), secrets=nothing, listeners=nothing, processes=list
    )
    poll = SimpleNamespace(register=lambda *_: None, unregister=lambda _: None)
    return Reloads(SimpleNamespace(path="site.lua"), fleet, poll, nothing)


def test_what_changes_nothing_is_no_reload(reloads):
    reloads.label(b"one")
    assert [each.asked for each in Asked.made] == [b"one"]
    reloads.label(b"one")
    reloads.label(b"two")  # while the first is looked at
    reloads.label(b"three")
    reloads.read()
    assert reloads.granted == b"one"
    assert [each.asked for each in Asked.made] == [b"one", b"three"]
    reloads.read()
    assert reloads.granted == b"three"
    assert len(Asked.made) == 2


@pytest.mark.parametrize(
    "failing", [OSError(11, "no memory"), ConfigError("reading routes from labels was ended by signal 9")]
)
def test_what_is_refused_is_tried_again(reloads, failing, monkeypatch, capfd):
    monkeypatch.setattr(Asked, "failing", failing)
    reloads.label(b"one")
    reloads.read()
    assert reloads.granted == b""
    assert capfd.readouterr().err.count("the running configuration stays") == 1
    made = len(Asked.made)
    reloads.look_after(time.monotonic())
    assert len(Asked.made) == made
    monkeypatch.setattr(Asked, "failing", None)
    reloads.look_after(time.monotonic() + 61)
    reloads.read()
    assert reloads.granted == b"one"
    reloads.look_after(time.monotonic() + 1000)
    assert len(Asked.made) == made + 1
