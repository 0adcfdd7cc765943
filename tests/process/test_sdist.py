"""The archive of the sources has all that an install needs, and nothing that was built."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.installing import copied_tree, empty_environment, install
from tests.paths import ROOT

PACKAGED = ROOT / "tests" / "packaged.py"


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """From a tree without git."""
    tree = copied_tree(tmp_path)
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist"], cwd=tree, check=True, capture_output=True)
    (archive,) = (tree / "dist").glob("rsp-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    return folder


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder) for path in (folder / "rsp").rglob("*") if path.is_file()}
    return {str(path) for path in found if path.suffix not in {".so", ".pyc"}}


def test_it_has_the_sources(unpacked: Path) -> None:
    assert files(unpacked) == files(ROOT)
    assert not list(unpacked.rglob("*.so"))
    assert {"deploy", "examples", "README.md", "LICENSE", "CHANGELOG.md"} <= {path.name for path in unpacked.iterdir()}


@pytest.mark.soak
def test_it_installs_in_pure_python(unpacked: Path, tmp_path: Path) -> None:
    environment = empty_environment(tmp_path / "environment")
    pure = os.environ | {"RSP_PURE": "1"}
    install(environment, unpacked, "--no-compile", env=pure)
    rsp = environment / "bin" / "rsp"
    said = subprocess.run([rsp, "-V"], cwd=tmp_path, env=pure, check=True, capture_output=True, text=True).stdout
    assert "data plane: pure Python" in said
    assert str(environment) in said  # its own annotations, not those of this tree


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_it_compiles(unpacked: Path, tmp_path: Path) -> None:
    environment = empty_environment(tmp_path / "environment")
    install(environment, unpacked)
    subprocess.run([environment / "bin" / "python", PACKAGED, environment / "bin"], cwd=tmp_path, check=True)
