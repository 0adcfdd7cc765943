"""A wheel carries the compiled modules: it is installed where there is no compiler, and serves."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from rsp import why_pure
from tests.harness import PATIENCE, Backend, free_port, get, wait_until
from tests.installing import PIP, copied_tree, empty_environment, install
from tests.paths import ROOT

if why_pure:
    pytest.skip("the modules are not compiled", allow_module_level=True)

LEFT_BEHIND = ("rsp/gone.py", "rsp/http/gone" + sysconfig.get_config_var("EXT_SUFFIX"))  # by an earlier build
PACKAGED = ROOT / "tests" / "packaged.py"
SITE = 'listen "127.0.0.1:{}" upstream "app" {{ "{}" }}'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, with what ``make test`` has compiled."""
    tree = copied_tree(tmp_path_factory.mktemp("tree"), "build")
    (built,) = (tree / "build").glob(f"lib.*-{sys.implementation.cache_tag}")
    for name in LEFT_BEHIND:
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).touch()
    page = tree / "build" / "man" / "man1" / "rsp.1"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.touch()
    command = (*PIP, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", ".")
    subprocess.run(command, cwd=tree, check=True)
    (wheel,) = (tree / "dist").glob("rsp-*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = empty_environment(tmp_path_factory.mktemp("environment"))
    install(folder, wheel)
    return folder


def test_it_is_whole_and_without_a_compiler(environment: Path, tmp_path: Path) -> None:
    alone = {"PATH": str(environment / "bin"), "HOME": str(tmp_path)}
    assert not any(shutil.which(compiler, path=alone["PATH"]) for compiler in ("cc", "gcc", "clang"))
    command = [environment / "bin" / "python", PACKAGED, environment / "bin"]
    done = subprocess.run(command, cwd=tmp_path, env=alone, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (environment / "share" / "man" / "man1" / "rsp.1").exists()


def test_what_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {str(path.relative_to(ROOT)) for path in (ROOT / "rsp").rglob("*") if path.is_file()}
    wanted = {name for name in source if name.endswith((".py", ".lua", ".so", "py.typed", ".html", ".js", ".css"))}
    assert {"rsp/lua/annotations/rsp.lua", "rsp/py.typed", "rsp/control/page/page.html"} < wanted
    assert any(name.endswith(".so") for name in wanted)
    assert wanted <= names
    rest = {name for name in names - wanted if ".dist-info/" not in name and ".data/data/share/man/" not in name}
    assert all(name in source and name.endswith((".pxd", ".pyx", ".pxi")) for name in rest), rest


def test_it_serves_with_its_own_modules(environment: Path, tmp_path: Path) -> None:
    rsp = environment / "bin" / "rsp"
    alone = {"PATH": str(environment / "bin"), "HOME": str(tmp_path)}
    port, log = free_port(), tmp_path / "log"
    with Backend() as backend, log.open("wb") as stderr:
        (tmp_path / "site.lua").write_text(SITE.format(port, backend.address))
        process = subprocess.Popen([rsp, "-w", "1", "site.lua"], cwd=tmp_path, env=alone, stderr=stderr)
        try:
            wait_until(lambda: "Started." in log.read_text() or process.poll() is not None, "Started")
            assert get(port).startswith(b"HTTP/1.1 200 "), log.read_text()
            loaded = Path(f"/proc/{process.pid}/maps").read_text()
            assert str(environment / "lib") in loaded  # its own modules, not those of this tree
            assert str(ROOT / "rsp") not in loaded
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert process.returncode == 0, log.read_text()


def test_none_is_built_without_compiled_modules(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "rsp").mkdir()
    made = subprocess.run(["make", "-o", ".venv/built", "wheel"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode != 0
    assert "make wheel: there are no compiled modules" in made.stderr
