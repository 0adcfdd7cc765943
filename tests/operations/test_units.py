"""deploy/'s units, as systemd's own tools read them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def units(tmp_path):
    """Copies that name programs which are there."""
    for name in ("rsp.service", "rsp.socket"):
        text = (DEPLOY / name).read_text().replace("/opt/rsp/bin/rspctl", "/bin/true")
        (tmp_path / name).write_text(text.replace("/opt/rsp/bin/rsp ", f"{sys.executable} "))
    return [str(tmp_path / "rsp.service"), str(tmp_path / "rsp.socket")]


def test_they_are_sound(units, program):
    done = subprocess.run([program("systemd-analyze"), "verify", *units], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "rsp." in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_is_confined(units, program):
    command = [program("systemd-analyze"), "security", "--offline=true", units[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    exposure = re.search(r"Overall exposure level for rsp.service: (\d+\.\d+)", done.stdout)
    assert exposure and float(exposure[1]) <= 2.0, done.stdout + done.stderr


def test_everything_that_deploy_names_is_there():
    assert {path.name for path in DEPLOY.iterdir()} >= {
        "rsp.service", "rsp.socket", "logrotate", "sysctl.conf", "Dockerfile", "docker-compose.yml", "site.lua", "app.py",
    }  # fmt: skip
