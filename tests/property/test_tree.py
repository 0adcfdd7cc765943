"""No name leads out of a root, whatever is in it and whatever other processes do to it meanwhile.

The oracle is `os.path.realpath`: what a name stands for is a file whose real place is below the root's real place.
"""

import fnmatch
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.content import Files
from rsp.files import opener
from rsp.files.entry import Entry, Folder
from rsp.files.outcomes import NOT_THERE, WouldBlock
from rsp.files.tree import Tree
from rsp.http.paths import normalise_path
from tests.soak import examples, short_and_long

NAMES = st.sampled_from(["a", "b", "c.php", ".h", "index.html", "é", "x y"])
ODD = st.sampled_from(
    ["..", ".", "", "...", "\0", "a\0", "..\\", "A", "c.PHP", "root", "outside", "proc", "self", ".well-known"]
)
PLACES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(
    PLACES,
    st.lists(st.sampled_from(["..", "a", "b", "index.html"]), min_size=1, max_size=4).map("/".join),
    PLACES.map(lambda place: f"ROOT/{place}"),
    st.sampled_from(
        ["OUT/secret", "OUT", "../outside/secret", "../../outside/secret", "ROOT", "/", "/proc/self/root", "../root/a",
         "/proc/self/cwd/secret", "OUT/back/a", "OUT/back", "../root-2/secret", "ROOT-2/secret", "ROOT/../outside/secret"]
    ),
)  # fmt: skip
THINGS = st.one_of(
    st.just(("file", "")), st.just(("file", "")), TARGETS.map(lambda to: ("link", to)), st.just(("fifo", ""))
)
TREES = st.lists(st.tuples(PLACES, THINGS), max_size=10)
PATHS = st.lists(NAMES | ODD, max_size=5).map("/".join) | PLACES
ALWAYS = [
    ("out", ("link", "OUT/secret")),
    ("way", ("link", "OUT")),
    ("near", ("link", "../root-2")),
    ("top", ("link", "ROOT")),
]
TAILS = st.sampled_from(["", "", "", "/", "/a", "/secret", "/b/a", "/../a"])


@st.composite
def situations(draw: st.DrawFn):
    """What is in a root, and paths of requests, most of which are for something of it."""
    things = ALWAYS + draw(TREES)
    there = st.builds("".join, st.tuples(st.sampled_from([name for name, _ in things]), TAILS))
    return things, draw(st.lists(there | there | PATHS, min_size=1, max_size=8))


SYMLINKS = st.sampled_from(["inside", "inside", "none", "all"])


class Place:
    """A root with what is around it, until the end of a `with`."""

    def __init__(self, things) -> None:
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="rsp-tree-"))
        self.root = f"{self.top}/root"
        for folder in ("root", "outside", "root-2"):
            os.mkdir(f"{self.top}/{folder}")
        for name in ("outside/secret", "root-2/secret", "outside/a", "outside/index.html"):
            Path(f"{self.top}/{name}").write_text("OUTSIDE")
        os.symlink(self.root, f"{self.top}/outside/back")
        for name, (kind, target) in things:
            self.make(f"{self.root}/{name}", kind, target)

    def make(self, path: str, kind: str, target: str) -> None:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "file":
                if not os.path.lexists(path):
                    Path(path).write_text(f"inside {path}")
            elif kind == "link":
                os.symlink(target.replace("ROOT", self.root).replace("OUT", f"{self.top}/outside"), path)
            else:
                os.mkfifo(path)
        except OSError:  # the place is taken
            pass

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.top)

    # -- the oracle

    def allows(self, name: str, config: Files, reserved: str) -> bool:
        parts = (name[:-1] if name.endswith("/") else name).split("/") if name else []
        for number, part in enumerate(parts):
            if part in ("", ".", "..") or "\0" in part:
                return False
            if part[0] == "." and not config.hidden and (number, part) != (0, ".well-known"):
                return False
            if reserved and part.lower().endswith(reserved):
                return False
            if any(fnmatch.fnmatchcase(part.lower(), pattern) for pattern in config.hide):
                return False
        return True

    def real(self, name: str, config: Files) -> str | None:
        """Where ``name`` leads, if that may be answered with."""
        path = f"{self.root}/{name}"
        try:
            found = os.path.realpath(path, strict=True)
            os.stat(path)
        except (OSError, ValueError):
            return None
        if config.symlinks == "all":
            return found
        if config.symlinks == "none":
            return found if found == os.path.normpath(path) else None
        return found if found == self.root or found.startswith(f"{self.root}/") else None

    def answer(self, name: str, config: Files, index: tuple[str, ...], reserved: str) -> object:
        """Bytes of a file, "redirect", "list" or nothing."""
        if not self.allows(name, config, reserved):
            return None
        if name and not name.endswith("/"):
            found = self.real(name, config)
            if found is not None and os.path.isdir(found):
                return "redirect" if self.answer(f"{name}/", config, index, reserved) is not None else None
            return self.content(found)
        for each in index:
            found = self.real(name + each, config) if self.allows(name + each, config, reserved) else None
            content = self.content(found)
            if content is not None:
                return content
        found = self.real(name, config)
        return "list" if config.list and found is not None and os.path.isdir(found) else None

    def content(self, path: str | None) -> bytes | None:
        if path is None or not stat.S_ISREG(os.stat(path).st_mode) or path.startswith("/proc"):
            return None
        return Path(path).read_bytes()


def said(found: object) -> object:
    if isinstance(found, Folder):
        return "redirect" if found.redirect else "list"
    if isinstance(found, Entry):
        return found.content
    assert found == NOT_THERE
    return None


@pytest.fixture(params=["openat2", "older kernel"])
def kernel(request, monkeypatch):
    monkeypatch.setattr(opener._Kernel, "openat2", request.param == "openat2")
    return request.param


def check(kernel, situation, symlinks, hidden, hide, lists, reserved, index):
    opener._Kernel.openat2 = kernel == "openat2"
    things, paths = situation
    with Place(things) as place:
        config = Files(root=place.root, symlinks=symlinks, hidden=hidden, hide=hide, list=lists, precompressed=False)
        tree = Tree(config, index, (reserved,) if reserved else ())
        tree.find(b"", True)
        for path in paths:
            for name in (path, normalise_path(quote_from_bytes(path.encode()).encode())[1:].decode()):
                wanted = place.answer(name, config, index, reserved)
                found = said(tree.find(name.encode(), True))
                assert found == wanted, (name, found, wanted)
                assert symlinks == "all" or found != b"OUTSIDE"
                try:  # as the loop looks for it, and as it is kept
                    assert said(tree.find(name.encode())) == wanted
                except WouldBlock:
                    pass
                known = tree.known(name.encode())
                assert known is None or known.content == wanted


@pytest.mark.parametrize("kernel", ["openat2", "older kernel"])
def test_names_stand_for_what_realpath_says(kernel):
    before = opener._Kernel.openat2

    @examples(80)
    @given(
        situation=situations(),
        symlinks=SYMLINKS,
        hidden=st.booleans(),
        hide=st.sampled_from([(), ("*.php",), ("b",)]),
        lists=st.booleans(),
        reserved=st.sampled_from(["", ".php"]),
        index=st.sampled_from([("index.html",), ("a", "index.html"), ()]),
    )
    def every(**drawn):
        check(kernel, **drawn)

    try:
        every()
    finally:
        opener._Kernel.openat2 = before


SWAPS = """
import os, sys
root, out = sys.argv[1:]
os.symlink(out, root + "/way"); os.symlink(out + "/secret", root + "/swap")
open(root + "/plain", "w").write("inside"); os.mkdir(root + "/dir"); open(root + "/dir/secret", "w").write("inside")
os.mkdir(root + "/deep"); os.mkdir(root + "/deep/er"); open(root + "/deep/er/secret", "w").write("inside")
os.symlink("deep/er/../../dir/secret", root + "/winding")
os.symlink(root + "/dir/secret", root + "/abs")
print("ready", flush=True)
def swap(a, b):
    os.rename(a, root + "/tmp"); os.rename(b, a); os.rename(root + "/tmp", b)
while os.getppid() != 1:
    swap(root + "/dir", root + "/way")  # a directory, and a link to another one outside
    swap(root + "/plain", root + "/swap")
    os.rename(root + "/deep/er", out + "/er"); os.rename(out + "/er", root + "/deep/er")  # out of the root and back
"""


@short_and_long("turns", 400, 20_000)
def test_nothing_from_outside_comes_out_while_directories_and_links_change_places(kernel, tmp_path, turns):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    (outside / "secret").write_text("OUTSIDE")
    seen = set()
    with subprocess.Popen([sys.executable, "-c", SWAPS, root, outside], stdout=subprocess.PIPE) as swapping:
        try:
            assert swapping.stdout.readline() == b"ready\n"
            tree = Tree(Files(root=str(root)), ("index.html",))
            tree.find(b"", True)
            for turn in range(turns):
                tree.now += turn % 7 == 0  # siblings are looked for anew
                for name in (b"dir/secret", b"way/secret", b"plain", b"swap", b"deep/er/secret", b"winding", b"abs",
                             b"deep/er/../../secret", b"dir/../../outside/secret"):  # fmt: skip
                    found = tree.known(name) or tree.find(name, True)
                    content = found.content if isinstance(found, Entry) else None
                    assert content in (b"inside", None), name
                    seen.add((name, content))
        finally:
            swapping.kill()
    assert (b"dir/secret", b"inside") in seen and (b"plain", b"inside") in seen  # and what is inside does
