"""deploy/ in real containers, by ``make test-deploy``: built, scaled up and down, and stopped, under load.

Needs root, podman and podman-compose.  Where no registry is reached, the base image is made by debootstrap.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.harness import background_load, get, wait_until

pytestmark = [
    pytest.mark.skipif(not os.environ.get("RSP_TEST_DEPLOY"), reason="only by make test-deploy"),
    pytest.mark.timeout(1800),
]

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "docker-compose.yml"
BASE = "docker.io/library/python:3.12-slim-bookworm"
PORT = 8080
PACKAGES = "python3,python3-venv,python3-pip,python3-dev,gcc,libc6-dev,ca-certificates"


def run(*command, check=True):
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def podman():
    """With settings that also work without systemd, and storage of its own that lasts for the next run."""
    place = Path(os.environ.get("RSP_DEPLOY_STORAGE", Path(tempfile.gettempdir(), "rsp-podman")))
    place.mkdir(exist_ok=True)
    (place / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    (place / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{place}/run"\ngraphroot = "{place}/graph"\n'
    )
    os.environ["CONTAINERS_CONF"] = str(place / "containers.conf")
    os.environ["CONTAINERS_STORAGE_CONF"] = str(place / "storage.conf")
    if run("podman", "image", "exists", BASE, check=False).returncode:
        base_image(place)
    run("podman", "build", "--format", "docker", "--network", "host", "--isolation", "chroot",
        "-f", "deploy/Dockerfile", "-t", "rsp", ".")  # fmt: skip
    return place


def base_image(place):
    if run("podman", "pull", BASE, check=False).returncode == 0:
        return
    root = place / "base"
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root)
    for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):  # of networks with a certificate of their own
        if Path(path).exists():
            shutil.copy(path, root / path[1:])
    subprocess.run(f"tar -C {root} -c . | podman import - {BASE}", shell=True, check=True, capture_output=True)
    shutil.rmtree(root)


def compose(*arguments):
    tool = shutil.which("podman-compose") or str(Path(sys.executable).with_name("podman-compose"))
    return run(tool, "-f", FILE, *arguments)


def up(replicas):
    compose("up", "-d", "--no-build", "--scale", f"app={replicas}")


def who_answers():
    return {get(PORT).rpartition(b"\r\n\r\n")[2] for _ in range(40)}


@pytest.fixture
def composed(podman):
    compose("down")
    up(3)
    try:
        wait_until(lambda: len(names_of_three()) == 3, "three replicas")
        yield
    finally:
        compose("down")


def names_of_three():
    try:
        return who_answers()
    except OSError:
        return set()


def test_the_image(podman):
    inspected = run("podman", "image", "inspect", "rsp").stdout
    assert '"User": "10001:10001"' in inspected
    assert '"SIGTERM"' in inspected
    assert '"health"' in inspected
    assert "data plane: compiled" in run("podman", "run", "--rm", "rsp", "-V").stdout
    packed = "tar -C /opt/rsp -c . | gzip | wc -c"
    added = int(run("podman", "run", "--rm", "--entrypoint", "sh", "rsp", "-c", packed).stdout)
    assert added < 40_000_000  # to the base, which has less than 80 MB


def test_a_service_that_is_scaled_and_stopped_loses_nothing(composed):
    run("podman", "healthcheck", "run", "deploy_rsp_1")
    assert (
        "2 of 2 workers are healthy"
        in run("podman", "exec", "deploy_rsp_1", "rspctl", "-s", "/tmp/rsp.sock", "health").stdout
    )
    with background_load(PORT, 8) as load:
        run("podman", "kill", "deploy_app_2")
        wait_until(lambda: len(who_answers()) == 2, "two replicas")
        up(5)
        wait_until(lambda: len(who_answers()) >= 4, "the new ones")
    assert load.failures == []
    assert load.good > 100
    run("podman", "stop", "deploy_rsp_1")
    state = run("podman", "inspect", "-f", "{{.State.ExitCode}}", "deploy_rsp_1").stdout
    assert state.strip() == "0"
    assert "Stopped." in run("podman", "logs", "deploy_rsp_1").stderr
