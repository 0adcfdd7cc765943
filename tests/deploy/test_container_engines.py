"""Members from the real podman and Docker, by ``make test-deploy``: what the fake of their API says is what they do.

Needs root, and podman with runc, or Docker with containerd; each runs with storage of its own.
"""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from rsp.control.discovery.docker import DockerContainers
from tests.unit.discovery_lab import Following, in_loop

pytestmark = [
    pytest.mark.skipif(not os.environ.get("RSP_TEST_DEPLOY"), reason="only by make test-deploy"),
    pytest.mark.timeout(300),
]
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=500:500", "--label", "app=web")


class Engine:
    """``program``: podman or docker; its API listens at ``socket``."""

    def __init__(self, program: str, place: Path) -> None:
        self.program, self.place = program, place
        self.socket = place / "engine.sock"
        self.root = place / "root"
        self.environment = dict(os.environ)
        with_sleep(self.root)
        command = self.podman() if program == "podman" else self.docker()
        log = (place / "log").open("wb")
        self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        give_up = time.monotonic() + 30
        while self.call("ps", check=False):
            assert time.monotonic() < give_up, (place / "log").read_text()
            time.sleep(0.1)
        if program == "docker":
            packed = subprocess.run(["tar", "-C", self.root, "-c", "."], capture_output=True, check=True).stdout
            subprocess.run([*self.client(), "import", "-", "sleep:1"], input=packed, check=True, capture_output=True)

    def podman(self):
        (self.place / "containers.conf").write_text(
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        (self.place / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{self.place}/run"\ngraphroot = "{self.place}/graph"\n'
        )
        self.environment["CONTAINERS_CONF"] = str(self.place / "containers.conf")
        self.environment["CONTAINERS_STORAGE_CONF"] = str(self.place / "storage.conf")
        return ["podman", "system", "service", "--time=0", f"unix://{self.socket}"]

    def docker(self):
        return [
            "dockerd", "--data-root", self.place / "data", "--exec-root", self.place / "exec", "-p", self.place / "pid",
            "-H", f"unix://{self.socket}", "--storage-driver=vfs", "--bridge=none", "--iptables=false",
        ]  # fmt: skip

    def client(self):
        return ["podman"] if self.program == "podman" else ["docker", "-H", f"unix://{self.socket}"]

    def call(self, *arguments, check=True):
        done = subprocess.run([*self.client(), *arguments], env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.returncode

    async def do(self, *arguments):
        await asyncio.to_thread(self.call, *arguments)

    async def run(self, name, *options):
        image = ["--rootfs", str(self.root)] if self.program == "podman" else ["sleep:1"]
        await self.do("run", "-d", "--name", name, "--network", "host", *LIMITS, *options, *image, "/bin/sleep", "600")

    def close(self):
        for name in ("one", "two"):
            self.call("rm", "-f", name, check=False)
        self.process.terminate()
        self.process.wait(30)
        subprocess.run(["umount", self.place / "exec/netns/default"], capture_output=True)


def with_sleep(root: Path) -> None:
    """The smallest image that runs: sleep, true and a shell with their libraries."""
    for program in ("sleep", "true", "dash"):
        found = Path(shutil.which(program) or "")
        copied(found, root / "bin" / ("sh" if program == "dash" else program))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for word in listed.split():
            if word.startswith("/"):
                copied(Path(word), root / word[1:])
    for name in ("proc", "dev", "sys", "etc", "tmp"):
        (root / name).mkdir(exist_ok=True)


def copied(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, to)


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request, tmp_path_factory):
    if shutil.which("podman" if request.param == "podman" else "dockerd") is None:
        pytest.skip(f"{request.param} is not installed")
    made = Engine(request.param, tmp_path_factory.mktemp(request.param))
    yield made
    made.close()


@in_loop
async def test_the_life_of_containers(engine):
    url = f"{engine.program}://{engine.socket}"
    async with Following(DockerContainers, url, labels={"app": "web"}, network="host", port=8000) as found:
        await found.shows()
        await engine.run("one")
        await found.until(lambda: len(found.now) == 1)
        await engine.run("two", "--health-cmd", "/bin/true", "--health-interval", "1s")
        if engine.program == "podman":  # its timers are systemd's
            await engine.do("healthcheck", "run", "two")
        await found.until(lambda: len(found.now) == 2)
        await engine.do("pause", "one")
        await found.until(lambda: len(found.now) == 1)
        await engine.do("unpause", "one")
        await found.until(lambda: len(found.now) == 2)
        stopping = asyncio.ensure_future(engine.do("stop", "-t", "3", "one"))
        await found.until(lambda: len(found.now) == 1)
        assert engine.program == "podman" or not stopping.done()  # Docker tells when it begins
        await stopping
        await engine.do("start", "one")
        await found.until(lambda: len(found.now) == 2)
        await engine.do("kill", "two")
        await found.until(lambda: len(found.now) == 1)
        await engine.do("rm", "-f", "one")
        await found.shows()
    assert found.failures == found.complaints == []
