"""Packages that are built of a copy of this tree, and empty environments to install them in."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.paths import ROOT

SOURCES = ("rsp", "deploy", "examples", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "rsp.lua")  # fmt: skip
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def copied_tree(to: Path, *more: str) -> Path:
    """Times are kept, so that what is compiled is not compiled again."""
    for name in (*SOURCES, *more):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, to / name)
    return to


def empty_environment(folder: Path) -> Path:
    """What rsp depends on is borrowed from the tests' environment, rsp is not."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def install(environment: Path, package: Path, *more: str, **options) -> None:
    python = environment / "bin" / "python"
    command = (*PIP, "--python", python, "install", "--no-deps", "--no-index", "--no-build-isolation", *more, package)
    subprocess.run(command, check=True, **options)
