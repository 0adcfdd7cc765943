"""An upstream with many members that come and go: no request fails; reloads, upgrades and deaths lose none of them."""

import json
import os
import signal
import time

import psutil
import pytest

from tests.harness import Backend, Rsp, as_root, background_load, wait_until

COUNT = 600


class Scene:
    """All members are addresses of one backend: the newest of an endless row of them."""

    def __init__(self, directory) -> None:
        self.file = directory / "members.json"
        self.backend = Backend(host="0.0.0.0")
        self.first = 0
        self.write(4)
        site = f'discover = "file://{self.file}", health = {{ type = "tcp", interval = "3s" }}'
        self.text = as_root() + f' listen "127.0.0.1:{{port}}" upstream "app" {{ {site} }} route {{ to = "app" }}'
        self.rsp = Rsp(directory, self.text, workers=2)

    def address(self, number: int) -> str:
        return f"127.1.{number >> 8}.{number & 255}:{self.backend.port}"

    def write(self, count: int = COUNT) -> None:
        written = self.file.with_suffix(".new")
        written.write_text(json.dumps([self.address(self.first + number) for number in range(count)]))
        written.rename(self.file)

    def wait(self, count: int = COUNT) -> None:
        last = self.address(self.first + count - 1)
        wait_until(lambda: len(peers := self.rsp.peers()) == count and last in peers, f"{count} members")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("members")
    made = Scene(directory)
    with made.backend, made.rsp:
        made.wait(4)
        made.write()
        made.wait()
        yield made


def test_members_that_come_and_go_fail_no_request(scene):
    with background_load(scene.rsp.port, connections=4, pause=0.002) as load:
        for _ in range(5):
            scene.first += 100
            scene.write()
            time.sleep(0.25)  # each is a change of its own
        scene.wait()
        scene.write(3)
        scene.wait(3)
        scene.write()
        scene.wait()
    assert not load.failures
    assert load.good > 100


def test_all_members_get_requests_and_are_checked(scene):
    with background_load(scene.rsp.port, connections=8) as load:
        wait_until(lambda: load.good > 2 * COUNT)
    assert not load.failures
    asked = [one for one in scene.rsp.peers().values() if one["requests"]]
    assert len(asked) > 0.9 * COUNT
    wait_until(lambda: sum(one["health"] == "up" for one in scene.rsp.peers().values()) == COUNT)


def test_rspctl_shows_all(scene):
    lines = scene.rsp.rspctl("peers", "app").stdout.splitlines()
    assert len(lines) == 1 + COUNT


def test_what_operators_have_said_outlives_reload_upgrade_and_the_death_of_the_control_process(scene):
    rsp, drained = scene.rsp, scene.address(scene.first + 300)
    assert rsp.admin("/drain", {"peer": drained, "seconds": 600})["http_status"] == 200
    rsp.reload(scene.text + "-- changed")
    scene.wait()
    assert rsp.state(drained) == "drained"
    control = rsp.admin("/status")["control"]["pid"]
    os.kill(control, signal.SIGKILL)
    wait_until(lambda: _control(rsp) not in (None, control), "another control process")
    scene.first += 10
    scene.write()
    scene.wait()
    assert rsp.state(drained) == "drained"
    before = rsp.admin("/status")
    with background_load(rsp.port, connections=4, pause=0.002) as load:
        os.kill(before["master"], signal.SIGUSR2)
        wait_until(lambda: _master(rsp) not in (None, before["master"]), "another master")
        scene.wait()
        scene.first += 10
        scene.write()
        scene.wait()
    assert not load.failures
    assert rsp.state(drained) == "drained"
    assert rsp.admin("/status")["totals"]["requests"] >= before["totals"]["requests"]
    successor = psutil.Process(_master(rsp))
    successor.terminate()
    wait_until(lambda: not successor.is_running())


def _status(rsp) -> dict:
    try:
        return rsp.admin("/status")
    except OSError:
        return {}


def _control(rsp) -> int | None:
    return _status(rsp).get("control", {}).get("pid")


def _master(rsp) -> int | None:
    return _status(rsp).get("master")
