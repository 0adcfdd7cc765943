"""Which modules run, compiled ones or their sources, and what is said of it: with the two files that decide, alone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time

import pytest

import rsp
from tests.paths import ROOT

OBJECT = "_compiled" + sysconfig.get_config_var("EXT_SUFFIX")
compiled = pytest.mark.skipif(bool(rsp.why_pure), reason="the modules are not compiled")


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "rsp").mkdir()
    for name in ("__init__.py", "pure.py"):
        shutil.copy2(ROOT / "rsp" / name, tmp_path / "rsp")
    return tmp_path


def said(tree, code="rsp.why_pure", *options, path=".", **more) -> str:
    own = {name: value for name, value in os.environ.items() if name != "RSP_PURE"} | more
    program = f"import sys; sys.path.insert(0, {path!r}); import rsp; from rsp import pure; print({code})"
    command = [sys.executable, *options, "-c", program]
    return subprocess.run(command, cwd=tree, env=own, check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_is_compiled(tree):
    assert said(tree) == "no compiled modules are installed"


def test_what_is_compiled_is_for_another_python(tree):
    (tree / "rsp" / "_compiled.cpython-399-x86_64-linux-gnu.so").touch()
    assert said(tree) == "the compiled modules are for another Python: _compiled.cpython-399-x86_64-linux-gnu.so"


def test_what_is_compiled_cannot_be_loaded(tree):
    (tree / "rsp" / OBJECT).write_text("a download that has failed")
    assert said(tree).startswith("the compiled modules cannot be loaded: ")
    assert OBJECT in said(tree)


def test_sources_are_wanted(tree):
    (tree / "rsp" / OBJECT).touch()
    assert said(tree, RSP_PURE="1") == "RSP_PURE is set"


def test_in_an_archive(tree):
    shutil.make_archive(str(tree / "all"), "zip", tree, "rsp")
    shutil.rmtree(tree / "rsp")
    assert said(tree, path="all.zip") == "no compiled modules are installed"


@compiled
def test_compiled_modules_are_used(tree):
    (tree / "rsp" / OBJECT).symlink_to(ROOT / "rsp" / OBJECT)
    assert said(tree) == ""
    assert said(tree, "len(sys.meta_path[0]._names) > 100", "-I") == "True"
    assert said(tree, "sys.meta_path[0].find_spec('rsp.none')") == "None"


@compiled
@pytest.mark.parametrize("changed", ["a.py", "a.pxd", "b.pyx"])
def test_sources_that_are_newer_are_named_in_a_tree_of_sources(tree, changed):
    target = tree / "rsp" / OBJECT
    shutil.copy(ROOT / "rsp" / OBJECT, target)
    for name in ("a.py", "a.pxd", "b.py", "b.pyx", "alone.py"):
        (tree / "rsp" / name).touch()
        os.utime(tree / "rsp" / name, (1000, 1000))
    os.utime(target, (2000, 2000))
    os.utime(tree / "rsp" / "alone.py", (3000, 3000))
    (tree / "setup.py").touch()
    assert said(tree, "pure.newer_source(sys.modules['rsp._compiled'].__file__)") == ""
    os.utime(tree / "rsp" / changed, (3000, 3000))
    assert said(tree, "pure.newer_source(sys.modules['rsp._compiled'].__file__)") == f"rsp/{changed}"
    (tree / "setup.py").unlink()
    assert said(tree, "pure.newer_source(sys.modules['rsp._compiled'].__file__)") == "", (
        "files of a wheel have the time of the installation"
    )


@compiled
def test_modules_that_do_not_fit_their_sources_are_told_in_one_line(tmp_path):
    shutil.copytree(ROOT / "rsp", tmp_path / "rsp")
    (tmp_path / "setup.py").touch()
    later = time.time() + 100
    os.utime(tmp_path / "rsp" / OBJECT, (later, later))
    for name, line in (("http/limits", "NEW = 1"), ("master", "from rsp.http.limits import NEW")):
        with (tmp_path / "rsp" / f"{name}.py").open("a") as source:
            source.write(f"\n{line}\n")
        os.utime(source.name, (later + 1, later + 1))
    (tmp_path / "site.lua").write_text('listen "127.0.0.1:1"')
    own = {name: value for name, value in os.environ.items() if name not in ("RSP_PURE", "PYTHONPATH")}
    command = [sys.executable, "-m", "rsp", "site.lua"]
    done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("rsp: the compiled modules are older than rsp/http/limits.py: cannot import name")
    assert line.endswith("; run `make compile`")
