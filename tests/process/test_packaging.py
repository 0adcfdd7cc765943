"""What the Debian package is made of agrees with what it is made from; ``make test-deploy`` installs it."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.paths import ROOT

DEBIAN = ROOT / "deploy" / "debian"


@pytest.mark.parametrize("name", ["build.sh", "postinst", "prerm", "postrm"])
def test_the_scripts_parse_and_can_be_executed(name):
    subprocess.run(["sh", "-n", DEBIAN / name], check=True)
    assert (DEBIAN / name).stat().st_mode & 0o111


def test_what_it_changes_in_the_units_is_there():
    units = "".join((ROOT / "deploy" / name).read_text() for name in ("rsp.service", "rsp.socket"))
    changed = re.findall(r"-e 's\|(.+?)\|", (DEBIAN / "build.sh").read_text())
    assert len(changed) == 5
    assert [each for each in changed if not re.search(each, units, re.MULTILINE)] == []


def test_without_a_wheel_it_says_what_to_do(tmp_path):
    (tmp_path / "dist").mkdir()
    done = subprocess.run([DEBIAN / "build.sh", sys.executable], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.match(
        r"make deb: dist/ has no wheel for .*; build one:  make clean && make PYTHON=.* wheel\n", done.stderr
    )


def test_wheels_are_built_for_all_pythons_that_the_project_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    oldest = int(re.fullmatch(r">=3\.(\d+)", project["project"]["requires-python"])[1])
    assert project["tool"]["cibuildwheel"]["build"] == [f"cp3{minor}-manylinux_*" for minor in range(oldest, 15)]


def test_the_workflow_calls_targets_that_are_there():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "wheels.yml").read_text())
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    called = {step.removeprefix("make ") for step in steps if step.startswith("make ")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert called == {"man", "sdist"}
    assert called <= targets
