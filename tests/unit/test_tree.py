"""Which file a name stands for, what is known of it, and what is kept."""

import asyncio
import gc
import os
import re
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from rsp.config.content import Files
from rsp.files import calls
from rsp.files import opener as opener_module
from rsp.files.entry import Entry, Folder
from rsp.files.outcomes import BROKEN, BUSY, DENIED, NOT_THERE, WouldBlock
from rsp.files.shelf import Shelf, shelf
from rsp.files.threads import Busy, Threads
from rsp.files.tree import Tree
from rsp.logs import log

NOW = time.monotonic()


def settle(*paths: Path) -> None:
    """Until a change of the files would get another time."""
    latest = max(path.stat().st_ctime_ns for path in paths)
    while time.time_ns() < latest + 25_000_000:
        time.sleep(0.005)


def write(path: Path, content: bytes = b"content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def tree_of(root: Path, index: tuple[str, ...] = ("index.html",), reserved: tuple[str, ...] = (), **keys) -> Tree:
    return Tree(Files(root=str(root), **keys), index, reserved)


def find(tree: Tree, name: bytes):
    return tree.find(name, True)


def content_of(found) -> bytes:
    assert isinstance(found, Entry), found
    return found.content if found.content is not None else os.pread(found.file.descriptor, found.size, 0)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture(params=["openat2", "older kernel"])
def kernel(request, monkeypatch):
    monkeypatch.setattr(opener_module._Kernel, "openat2", request.param == "openat2")


# -- what a name stands for


def test_a_small_file_has_its_content_and_the_lines_of_its_response(root):
    path = write(root / "css" / "app.css", b"a { }")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    entry = find(tree_of(root, cache_control={"*.css": "max-age=60"}), b"css/app.css")
    assert (entry.name, entry.content, entry.file, entry.size) == (b"css/app.css", b"a { }", None, 5)
    assert (entry.type, entry.etag, entry.modified) == (b"text/css; charset=utf-8", b'"de0b6b3a7640000-5"', 10**9)
    assert entry.unchanged == (
        b'ETag: "de0b6b3a7640000-5"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nCache-Control: max-age=60\r\n'
    )
    assert entry.rest == entry.unchanged + b"Accept-Ranges: bytes\r\n"
    assert entry.fields == b"Content-Type: text/css; charset=utf-8\r\n" + entry.rest


def test_a_large_file_is_open(root):
    write(root / "video.mp4", b"v" * 65537)
    entry = find(tree_of(root), b"video.mp4")
    assert (entry.content, entry.size, entry.type) == (None, 65537, b"video/mp4")
    assert content_of(entry) == b"v" * 65537
    assert entry.file.owner == (root / "video.mp4").stat().st_dev


@pytest.mark.parametrize("size", [0, 1, 65535, 65536])
def test_files_up_to_64_kb_are_small(root, size):
    write(root / "a", b"x" * size)
    assert find(tree_of(root), b"a").content == b"x" * size


def test_a_directory_with_an_index_answers_below_its_slash_and_is_redirected_without_it(root):
    write(root / "docs" / "index.html", b"docs")
    write(root / "index.html", b"top")
    tree = tree_of(root)
    assert content_of(find(tree, b"")) == b"top"
    assert content_of(find(tree, b"docs/")) == b"docs"
    assert find(tree, b"docs/").name == b"docs/index.html"
    folder = find(tree, b"docs")
    assert isinstance(folder, Folder) and folder.redirect and folder.file is None


def test_a_path_may_leave_out_an_extension(root, kernel):
    for name in ("about.html", "both", "both.html", "docs/index.html", "docs.html", "text.txt", ".x.html"):
        write(root / name, name.encode())
    (root / "folder.html").mkdir()
    tree = tree_of(root, extensions=(".html", ".txt"))
    for _ in range(2):  # looked up, and known
        assert content_of(find(tree, b"about")) == content_of(find(tree, b"about.html")) == b"about.html"
        assert find(tree, b"about").type == b"text/html; charset=utf-8"
        assert content_of(find(tree, b"both")) == b"both"
        assert content_of(find(tree, b"docs")) == b"docs.html"
        assert content_of(find(tree, b"docs/")) == b"docs/index.html"
        assert content_of(find(tree, b"text")) == b"text.txt"
    assert {find(tree, name) for name in (b"folder", b".x", b"none", b"about/")} == {NOT_THERE}
    (root / "about.html").unlink()
    assert find(tree, b"about") == NOT_THERE
    hidden = tree_of(root, reserved=(".html",), extensions=(".html",))
    assert find(hidden, b"both.html") == find(hidden, b"docs") == NOT_THERE


def test_the_first_index_that_is_there_answers(root):
    write(root / "a" / "two.html", b"two")
    write(root / "b" / "one.html", b"one")
    write(root / "b" / "two.html", b"two")
    (root / "a" / "one.html").mkdir()
    tree = tree_of(root, ("one.html", "two.html"))
    assert content_of(find(tree, b"a/")) == b"two"
    assert content_of(find(tree, b"b/")) == b"one"


def test_a_directory_without_an_index_is_answered_for_only_with_a_list(root):
    write(root / "a" / "x.txt")
    assert find(tree_of(root), b"a") == find(tree_of(root), b"a/") == find(tree_of(root), b"") == NOT_THERE
    assert find(tree_of(root, ()), b"a/") == NOT_THERE
    lists = tree_of(root, list=True)
    folder = find(lists, b"a/")
    assert isinstance(folder, Folder) and not folder.redirect
    assert os.listdir(folder.file.descriptor) == ["x.txt"]
    assert os.listdir(find(lists, b"").file.descriptor) == ["a"]
    assert find(lists, b"a").redirect


@pytest.mark.parametrize(
    "name",
    [
        b"missing", b"missing/", b"a.txt/", b"a.txt/b", b"/a.txt", b"//a.txt", b"./a.txt", b"d/../a.txt", b"..",
        b"../root/a.txt", b"d//b.txt", b"d/./b.txt", b"a.txt\0", b"\0", b"a.txt\0.html", b"/", b"d/..", b"/etc/passwd",
        b"x" * 256, b"x/" * 2100, b"x" * 100_000, b"\xff\xfe", b".", b"d/.", b"\n", b"a.txt ", b"A.TXT",
    ],
)  # fmt: skip
def test_other_names_are_not_there(root, kernel, name):
    write(root / "a.txt")
    write(root / "d" / "b.txt")
    assert find(tree_of(root), name) == NOT_THERE
    assert tree_of(root).known(name) is None


def test_names_are_bytes(root):
    (root / "d").mkdir(parents=True)
    name = os.fsencode(root / "d") + b"/\xff \xc3\xa9.txt"
    Path(os.fsdecode(name)).write_bytes(b"odd")
    assert content_of(find(tree_of(root), b"d/\xff \xc3\xa9.txt")) == b"odd"


def test_hidden_files_are_not_there_except_those_of_well_known(root):
    for name in (".env", ".git/config", "a/.b/c", ".well-known/security.txt", ".well-known/.x", "a/.well-known/y",
                 ".well-known/x/.well-known/z", ".well-known/x.well-known"):  # fmt: skip
        write(root / name)
    tree = tree_of(root)
    for name in (b".env", b".git/config", b".git/", b"a/.b/c", b".well-known/.x", b"a/.well-known/y",
                 b".well-known/x/.well-known/z"):  # fmt: skip
        assert find(tree, name) == NOT_THERE, name
        assert content_of(find(tree_of(root, hidden=True), name)) == b"content" if name[-1:] != b"/" else True
    for name in (b".well-known/security.txt", b".well-known/x.well-known"):
        assert content_of(find(tree, name)) == b"content"


def test_what_is_to_be_hidden_is_not_there(root):
    for name in ("a.php", "d/b.PHP", "d/c.txt", "private/x", "private/d/y", "e/index.html", "node_modules/m/x.js"):
        write(root / name)
    tree = tree_of(root, hide=("*.php", "private/*", "e", "node_modules"))
    for name in (b"a.php", b"d/b.PHP", b"private/x", b"private/d/y", b"private", b"private/", b"e/", b"e",
                 b"e/index.html", b"node_modules/m/x.js"):  # fmt: skip
        assert find(tree, name) == NOT_THERE, name
    assert content_of(find(tree, b"d/c.txt")) == b"content"
    folder = find(tree_of(root, list=True, hide=("*.php", "private/*")), b"")
    assert not tree.shows(folder, b"a.php") and not tree.shows(folder, b"private") and not tree.shows(folder, b".x")
    assert tree.shows(folder, b"d")


def test_an_index_that_is_hidden_does_not_answer(root):
    write(root / "index.php")
    write(root / "index.html", b"html")
    assert content_of(find(tree_of(root, ("index.php", "index.html"), hide=("*.php",)), b"")) == b"html"


def test_scripts_that_a_peer_runs_are_not_there(root):
    for name in ("x.php", "x.PHP", "up.php/y.txt", "x.php.txt", "x.py"):
        write(root / name)
    tree = tree_of(root, reserved=(".php", ".py"))
    for name in (b"x.php", b"x.PHP", b"up.php/y.txt", b"x.php/y", b"x.py"):
        assert find(tree, name) == NOT_THERE, name
    assert content_of(find(tree, b"x.php.txt")) == b"content"


# -- links


@pytest.fixture
def links(tmp_path, root):
    write(root / "a.txt", b"inside")
    write(root / "d" / "b.txt", b"deep")
    write(tmp_path / "outside" / "secret.txt", b"secret")
    write(tmp_path / "root-2" / "secret.txt", b"secret")  # its name begins as the root's does
    for name, to in {
        "relative": "a.txt", "deep": "d/b.txt", "absolute": str(root / "a.txt"), "dir": "d", "abs-dir": str(root / "d"),
        "out": "../outside/secret.txt", "out-abs": str(tmp_path / "outside" / "secret.txt"), "out-dir": "../outside",
        "near": "../root-2/secret.txt", "near-abs": str(tmp_path / "root-2" / "secret.txt"), "loop": "loop",
        "back": "../root/a.txt", "self": str(root), "magic": "/proc/self/root", "top": "/", "dangling": "nothing",
    }.items():  # fmt: skip
        os.symlink(to, root / name)
    return root


INSIDE = {b"relative": b"inside", b"deep": b"deep", b"absolute": b"inside", b"dir/b.txt": b"deep",
          b"abs-dir/b.txt": b"deep", b"self/a.txt": b"inside", b"self/self/d/b.txt": b"deep", b"back": b"inside"}  # fmt: skip
OUTSIDE = (b"out", b"out-abs", b"out-dir/secret.txt", b"near", b"near-abs", b"magic/etc/passwd", b"top/etc/passwd")


def test_links_that_stay_inside_are_followed(links, kernel):
    tree = tree_of(links, ())
    for name, content in INSIDE.items():
        assert content_of(find(tree, name)) == content, name
        assert content_of(find(tree, name)) == content, name
    for name in (*OUTSIDE, b"loop", b"dangling", b"out-dir", b"out-dir/", b"magic", b"top"):
        assert find(tree, name) == NOT_THERE, name


def test_no_link_is_followed(links, kernel):
    tree = tree_of(links, (), symlinks="none")
    for name in (*INSIDE, *OUTSIDE, b"loop", b"dangling"):
        assert find(tree, name) == NOT_THERE, name
    assert content_of(find(tree, b"d/b.txt")) == b"deep"
    assert content_of(find(tree, b"a.txt")) == b"inside"


def test_all_links_are_followed(links, kernel):
    tree = tree_of(links, (), symlinks="all")
    for name, content in INSIDE.items():
        assert content_of(find(tree, name)) == content, name
    for name in (b"out", b"out-abs", b"out-dir/secret.txt", b"near", b"near-abs"):
        assert content_of(find(tree, name)) == b"secret", name
    for name in (b"loop", b"dangling", b"out/../a.txt"):
        assert find(tree, name) == NOT_THERE


def test_what_a_list_may_say_of_links(links):
    tree = tree_of(links, list=True)
    folder = find(tree, b"")
    for name in (b"out", b"out-abs", b"out-dir", b"loop", b"dangling", b"magic"):
        assert tree.follow(folder, name) is None, name
    assert tree.follow(folder, b"relative").st_size == 6
    assert tree.follow(find(tree, b"d/"), b"b.txt").st_size == 4


# -- what is no regular file, or cannot be read


def test_a_pipe_is_not_opened(root, kernel):
    root.mkdir()
    os.mkfifo(root / "pipe")
    assert find(tree_of(root), b"pipe") == NOT_THERE
    with pytest.raises(OSError):  # what waits for a reader of it still does
        os.open(root / "pipe", os.O_WRONLY | os.O_NONBLOCK)


def test_devices_and_sockets_are_not_there(root):
    import socket

    root.mkdir()
    with suppress(PermissionError):
        os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "socket"))
        assert find(tree_of(root), b"socket") == NOT_THERE
    assert find(tree_of(root), b"null") == NOT_THERE


@contextmanager
def as_another_user():
    """Root may read everything."""
    if os.getuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_the_user_may_not_read_is_denied_and_said_once_a_second(root, kernel, monkeypatch):
    said = []
    monkeypatch.setattr(log, "once_a_second", lambda key, message, level=4: said.append(message))
    write(root / "a.txt").chmod(0)
    write(root / "d" / "b.txt")
    os.chmod(root, 0o755)
    os.chmod(root / "d", 0)
    tree = tree_of(root)
    find(tree, b"")
    with as_another_user():
        assert find(tree, b"a.txt") == DENIED
        assert find(tree, b"d/b.txt") == DENIED
    os.chmod(root / "d", 0o755)
    why = "Permission denied; requests are answered with 403; workers run as "
    assert [line.rpartition(" ")[0] + " " for line in said] == [
        f"files: {root}/{name}: {why}" for name in ("a.txt", "d/b.txt")
    ]


@pytest.mark.parametrize(
    ("error", "outcome"), [("EIO", BROKEN), ("ESTALE", BROKEN), ("EMFILE", BUSY), ("ENFILE", BUSY), ("ENOMEM", BUSY)]
)
def test_other_errors(error, outcome):
    import errno

    assert opener_module.outcome(getattr(errno, error)) == outcome


def test_without_descriptors_a_file_is_busy_and_those_that_are_kept_are_given_up(root):
    import resource

    write(root / "big", b"x" * 70_000)
    write(root / "big2", b"x" * 70_000)
    settle(root / "big", root / "big2")
    tree = tree_of(root)
    find(tree, b"big")
    assert tree.known(b"big") is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    taken = []
    try:
        for outcome in (NOT_THERE, BUSY):  # first what is kept is given up, then there is nothing more
            with suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            assert find(tree, b"missing") == outcome
            assert tree.known(b"big") is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)
    assert content_of(find(tree, b"big2")) == b"x" * 70_000


# -- the root


def test_a_root_that_is_missing_is_found_when_it_comes(root, monkeypatch):
    said = []
    monkeypatch.setattr(log, "once_a_second", lambda key, message, level=4: said.append(message))
    tree = tree_of(root)
    assert find(tree, b"a.txt") == NOT_THERE
    assert said == [f"files: {root}: No such file or directory; requests are answered as if it were empty"]
    write(root / "a.txt")
    tick_until(tree, lambda: tree.root.directory is not None)
    assert content_of(find(tree, b"a.txt")) == b"content"


def test_a_root_that_may_not_be_entered_is_said_to_be_answered_with_403(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(log, "once_a_second", lambda key, message, level=4: said.append(message))
    tree = tree_of(tmp_path / "shut" / "root")
    (tmp_path / "shut" / "root").mkdir(parents=True)
    os.chmod(tmp_path / "shut", 0)
    with as_another_user():
        assert find(tree, b"a") == DENIED
    os.chmod(tmp_path / "shut", 0o700)
    assert said == [f"files: {tmp_path}/shut/root: Permission denied; requests are answered with 403"]


def tick_until(tree: Tree, condition) -> None:
    for number in range(1, 2000):
        tree.tick(NOW + number)
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it does not become true")


def test_a_root_that_is_a_link_may_be_switched(tmp_path):
    for release in ("1", "2"):
        write(tmp_path / release / "a.txt", release.encode())
    settle(tmp_path / "1" / "a.txt", tmp_path / "2" / "a.txt")
    current = tmp_path / "current"
    os.symlink("1", current)
    tree = tree_of(current)
    assert content_of(find(tree, b"a.txt")) == b"1"
    assert content_of(tree.known(b"a.txt")) == b"1"
    os.symlink("2", tmp_path / "next")
    os.rename(tmp_path / "next", current)
    tick_until(tree, lambda: tree.known(b"a.txt") is None)
    tick_until(tree, lambda: content_of(find(tree, b"a.txt")) == b"2")


def test_what_is_missing_is_looked_for_where_the_root_leads_by_now(tmp_path, kernel):
    """A page of a new release asks for its scripts at once, and another worker may get that request."""
    write(tmp_path / "1" / "a.txt", b"1")
    write(tmp_path / "2" / "app-2.js", b"2")
    current = tmp_path / "current"
    os.symlink("1", current)
    tree = tree_of(current)
    assert content_of(find(tree, b"a.txt")) == b"1"
    os.symlink("2", tmp_path / "next")
    os.rename(tmp_path / "next", current)
    assert content_of(find(tree, b"app-2.js")) == b"2"
    assert tree.known(b"a.txt") is None
    current.unlink()
    assert find(tree, b"b") == NOT_THERE


def test_a_root_that_vanishes_is_as_if_it_were_empty(root):
    write(root / "a.txt")
    settle(root / "a.txt")
    tree = tree_of(root)
    find(tree, b"a.txt")
    (root / "a.txt").unlink()
    root.rmdir()
    assert find(tree, b"a.txt") == NOT_THERE
    tick_until(tree, lambda: tree.root.directory is None)
    assert find(tree, b"a.txt") == NOT_THERE
    assert tree.known(b"a.txt") is None
    root.write_bytes(b"a file in its place")
    tick_until(tree, lambda: tree.root.error)
    assert find(tree, b"") == NOT_THERE


# -- what is kept


def test_what_is_kept_is_given_again_until_it_changes(root):
    path = write(root / "a.txt", b"one")
    settle(path)
    tree = tree_of(root)
    entry = find(tree, b"a.txt")
    assert tree.known(b"a.txt") is entry
    write(root / "new", b"two").rename(path)
    assert tree.known(b"a.txt") is None
    assert content_of(find(tree, b"a.txt")) == b"two"


@pytest.mark.parametrize("change", ["append", "same size", "touch", "remove", "mode", "fifo"])
def test_changes_are_seen(root, change):
    path = write(root / "a.txt", b"one")
    settle(path)
    tree = tree_of(root)
    find(tree, b"a.txt")
    if change == "append":
        with path.open("ab") as file:
            file.write(b"more")
    elif change == "same size":
        path.write_bytes(b"two")
    elif change == "touch":
        os.utime(path, (5, 5))
    elif change == "mode":
        path.chmod(0o600)
    else:
        path.unlink()
        if change == "fifo":
            os.mkfifo(path)
    assert tree.known(b"a.txt") is None


def test_a_file_that_has_just_changed_is_not_kept(root):
    """It may change again within the same tick of the kernel's clock."""
    tree = tree_of(root)
    write(root / "settled")
    find(tree, b"settled")
    for number in range(50):
        path = write(root / "a.txt", b"%03d" % number)
        assert content_of(find(tree, b"a.txt")) == b"%03d" % number
    settle(path)
    find(tree, b"a.txt")
    assert tree.known(b"a.txt") is not None


def test_an_index_is_kept_under_the_name_of_its_directory_too(root):
    path = write(root / "d" / "index.html")
    settle(path)
    tree = tree_of(root)
    entry = find(tree, b"d/")
    assert tree.known(b"d/") is tree.known(b"d/index.html") is entry
    path.unlink()
    assert tree.known(b"d/") is None


def test_times_in_the_future_are_not_sent(root):
    path = write(root / "a.txt")
    os.utime(path, (2**33, 2**33))
    assert find(tree_of(root), b"a.txt").modified <= time.time()
    os.utime(path, (-5, -5))
    entry = find(tree_of(root), b"a.txt")
    assert entry.modified == 0
    assert re.fullmatch(rb'"[0-9a-f]{16}-7"', entry.etag)


# -- compressed files beside a file


def test_compressed_files_beside_a_file_stand_for_it(root):
    for name, content in {"app.js": b"x" * 100, "app.js.gz": b"gg", "app.js.br": b"b", "app.js.zst": b"zzz"}.items():
        path = write(root / name, content)
    settle(path)
    tree = tree_of(root, cache_control="no-cache")
    entry = find(tree, b"app.js")
    assert entry.offered == (b"br", b"gzip", b"zstd")  # the smallest first
    assert entry.unchanged.endswith(b"Cache-Control: no-cache\r\nVary: Accept-Encoding\r\n")
    sibling = tree.sibling(entry, b"br")
    assert (sibling.content, sibling.coding, sibling.size) == (b"b", b"br", 1)
    assert sibling.etag.endswith(b'-1-br"') and sibling.etag != entry.etag
    assert sibling.fields == (
        b"Content-Type: text/javascript; charset=utf-8\r\nContent-Encoding: br\r\nETag: %b\r\n" % sibling.etag
        + sibling.fields[sibling.fields.index(b"Last-Modified") :]
    )
    assert sibling.fields.endswith(b"Vary: Accept-Encoding\r\nAccept-Ranges: bytes\r\n")
    assert b"Content-Encoding" not in sibling.rest + sibling.unchanged
    assert find(tree, b"app.js.br").type == b"application/x-brotli"  # by its own name


def test_compressed_files_come_and_go_within_a_second(root):
    path = write(root / "app.js", b"x" * 100)
    settle(path)
    tree = tree_of(root)
    entry = find(tree, b"app.js")
    assert entry.offered == () and tree.known(b"app.js") is entry
    settle(write(root / "app.js.gz", b"gz"))
    tree.tick(NOW + 1)
    assert tree.known(b"app.js") is None
    other = find(tree, b"app.js")
    assert other.offered == (b"gzip",) and other.content is entry.content and tree.known(b"app.js") is other
    write(root / "new", b"other").rename(root / "app.js.gz")
    assert tree.sibling(other, b"gzip") is None  # verified at each use
    tree.tick(NOW + 2)
    assert content_of(find(tree, b"app.js").siblings[b"gzip"]) == b"other"
    (root / "app.js.gz").unlink()
    tree.tick(NOW + 3)
    assert find(tree, b"app.js").offered == ()
    assert b"Vary" not in find(tree, b"app.js").fields


def test_a_compressed_file_that_was_forgotten_is_not_used(root):
    write(root / "app.js", b"new")
    write(root / "app.js.gz", b"old")
    for name, moment in {"app.js": 1000, "app.js.gz": 997}.items():
        os.utime(root / name, (moment, moment))
    assert find(tree_of(root), b"app.js").offered == ()
    os.utime(root / "app.js.gz", (998, 998))
    assert find(tree_of(root), b"app.js").offered == (b"gzip",)


def test_where_no_compressed_files_are_looked_for(root):
    for name in ("a.png", "a.png.gz", "a.zip", "a.zip.gz", "a.svg", "a.svg.gz", "a.js", "a.js.gz"):
        write(root / name)
    tree = tree_of(root)
    assert find(tree, b"a.png").offered == find(tree, b"a.zip").offered == find(tree, b"a.js.gz").offered == ()
    assert find(tree, b"a.svg").offered == (b"gzip",)
    assert find(tree_of(root, precompressed=False), b"a.js").offered == ()
    assert find(tree_of(root, hide=("*.gz",)), b"a.js").offered == ()
    os.remove(root / "a.js.gz")
    os.mkfifo(root / "a.js.gz")
    assert find(tree_of(root), b"a.js").offered == ()


# -- types


@pytest.mark.parametrize(
    ("name", "media"),
    [
        (b"a.html", b"text/html; charset=utf-8"), (b"d.x/a.HTML", b"text/html; charset=utf-8"),
        (b"a.mjs", b"text/javascript; charset=utf-8"), (b"a.json", b"application/json"), (b"a.svg", b"image/svg+xml"),
        (b"a.woff2", b"font/woff2"), (b"a", b"application/octet-stream"), (b"a.unknown", b"application/octet-stream"),
        (b"d.html/a", b"application/octet-stream"), (b"a.tar.gz", b"application/gzip"), (b"a.b.c.d.e.f.css", b"text/css; charset=utf-8"),
        (b"a.", b"application/octet-stream"), (b"css", b"application/octet-stream"), (b"a.wasm", b"application/wasm"),
        (b"a.\xff", b"application/octet-stream"), (b"a.glb", b"x/y"), (b"a.x.y", b"two/ends"), (b"a.txt", b"text/plain; charset=latin1"),
    ],
)  # fmt: skip
def test_types(root, name, media):
    types = {"glb": "x/y", "x.y": "two/ends", "txt": "text/plain; charset=latin1"}
    write(Path(os.fsdecode(os.fsencode(root) + b"/" + name)))
    assert find(tree_of(root, types=types), name).type == media
    assert find(tree_of(root, types=types, charset=""), name).type == media.replace(b"; charset=utf-8", b"")


def test_cache_control_of_the_longest_pattern_that_fits(root):
    rules = {"*": "a", "*.html": "b", "assets/*": "c", "assets/*.map": "d", "index.html": "e", "/x/y.css": "f"}
    tree = tree_of(root, cache_control=rules)
    for name, value in {
        "a": "a", "a.html": "b", "d/a.html": "b", "assets/x.js": "c", "assets/d/x.js": "c", "assets/x.map": "d",
        "d/index.html": "e", "x/y.css": "f", "d/x/y.css": "a",
    }.items():  # fmt: skip
        write(root / name)
        assert f"Cache-Control: {value}\r\n".encode() in find(tree, name.encode()).fields, name
    assert b"Cache-Control" not in find(tree_of(root), b"a").fields


# -- the shelf


def kept(root: Path, tree: Tree, name: str, content: bytes) -> Entry:
    settle(write(root / name, content))
    return find(tree, name.encode())


def test_what_is_kept_is_bounded_and_what_is_wanted_stays(root, monkeypatch):
    here = Shelf()
    home: dict[bytes, Entry] = {}
    tree = tree_of(root)
    path = write(root / "a", b"x" * 60_000)
    settle(path)
    found = tree.look(b"a")

    def another(number: int) -> Entry:
        entry = found.with_siblings({}, b"")
        entry.name = b"%d" % number
        here.put(entry, home, 1.0)
        return entry

    first = another(0)
    for number in range(1, 2000):
        first.wanted = True
        another(number)
    assert 400 < len(home) < 600 and here.weight <= 32 << 20
    assert home[b"0"] is first
    assert set(home) == {b"0"} | {b"%d" % number for number in range(2000 - len(home) + 1, 2000)}
    for number in range(2000, 3200):
        another(number)
    assert b"0" not in home  # it is not wanted any more


def test_what_is_not_wanted_goes_after_a_while(root):
    here = Shelf()
    write(root / "small", b"s")
    write(root / "large", b"l" * 70_000)
    tree = tree_of(root)
    small, large = tree.look(b"small"), tree.look(b"large")
    home: dict[bytes, Entry] = {}
    before = calls.opened()
    for entry in (small, large):
        here.put(entry, home, 100.0)
    del entry, large
    here.tick(104.0)
    assert set(home) == {b"small", b"large"} and here.files == 1
    here.tick(106.0)
    assert set(home) == {b"small"} and here.files == 0 and calls.opened() == before - 1  # and it is closed
    small.used = 150.0
    here.tick(170.0)
    assert set(home) == {b"small"}
    here.tick(211.0)
    assert not home and here.weight == 0


def test_a_file_that_has_changed_is_kept_in_the_place_of_what_it_was(root):
    here = Shelf()
    home: dict[bytes, Entry] = {}
    write(root / "a")
    former = tree_of(root).look(b"a")
    here.put(former, home, 1.0)
    weight = here.weight
    other = former.with_siblings({}, b"")
    here.put(other, home, 2.0)
    assert home == {b"a": other} and here.weight == weight and not former.home


def test_descriptors_that_are_kept_are_bounded(root):
    here = shelf()
    tree = tree_of(root)
    names = [b"%d" % number for number in range(300)]
    for name in names:
        write(root / name.decode(), b"x" * 65_537)
    settle(root / "299")
    for name in names:
        find(tree, name)
    assert 0 < here.files <= 256
    assert tree.known(b"299") is not None and tree.known(b"0") is None


def test_a_tree_of_a_former_configuration_is_gone_at_once(root):
    """Workers hardly ever collect cycles."""
    settle(write(root / "a", b"x" * 70_000))
    gc.collect()
    shelf().empty_files()
    before = calls.opened()
    tree = tree_of(root)
    tree.find(b"a", True)
    assert calls.opened() == before + 2  # the directory, the file
    gc.disable()
    try:
        shelf().empty_files()
        del tree
        assert calls.opened() == before
    finally:
        gc.enable()


# -- threads


def test_what_may_wait_for_a_disk_is_looked_for_in_a_thread(root):
    write(root / "a.txt")
    tree = tree_of(root)
    with pytest.raises(WouldBlock):  # the root is not resolved yet
        tree.find(b"a.txt")

    async def ask():
        done = asyncio.get_running_loop().create_future()
        others = []
        tree.ask(b"a.txt", done.set_result)
        tree.ask(b"a.txt", others.append)
        tree.ask(b"a.txt", others.append)()  # called off
        return await done, others

    found, others = asyncio.run(ask())
    assert content_of(found) == b"content" and others == [found]
    assert tree.find(b"a.txt").content == b"content"  # in memory now


def test_no_request_waits_for_a_look_at_compressed_files(root, monkeypatch):
    path = write(root / "a.js")
    settle(path)
    tree = tree_of(root)
    entry = find(tree, b"a.js")
    settle(write(root / "a.js.gz", b"gz"))
    monkeypatch.setattr(opener_module._Kernel, "cached", False)  # each look may wait

    async def ask():
        tree.tick(NOW + 1)
        assert tree.known(b"a.js") is None
        assert tree.find(b"a.js") is entry
        assert tree.known(b"a.js") is entry  # for all requests of this second
        while tree.known(b"a.js") is entry:  # until a thread has found the other
            await asyncio.sleep(0.001)
        return tree.known(b"a.js")

    assert asyncio.run(asyncio.wait_for(ask(), 30)).offered == (b"gzip",)
    path.write_bytes(b"changed")
    with pytest.raises(WouldBlock):
        tree.find(b"a.js")


def test_a_look_that_is_called_off_is_begun_anew_by_the_next_request(root):
    write(root / "a.txt")
    tree = tree_of(root)

    async def ask():
        done = asyncio.get_running_loop().create_future()
        tree.ask(b"a.txt", lambda _: None)()
        tree.ask(b"a.txt", done.set_result)
        return await done

    assert content_of(asyncio.run(ask())) == b"content"


def test_an_owner_has_a_part_of_the_threads_and_what_waits_is_bounded():
    threads, gate = Threads(), Event()
    running: list[int] = []

    def job(number: int) -> int:
        running.append(number)
        gate.wait(30)
        return number

    try:
        futures: list[Future[int]] = [
            threads.submit("slow", lambda number=number: job(number)) for number in range(515)
        ]
        with pytest.raises(Busy):
            threads.submit("slow", lambda: job(-1))
        assert threads.submit("other", lambda: 7).result(30) == 7
        assert len(running) <= 3
        futures[-1].cancel()
    finally:
        gate.set()
    assert [future.result(30) for future in futures[:-1]] == list(range(514))
    assert sorted(running) == list(range(514))  # the last was called off


def test_without_threads_jobs_are_refused_and_those_that_follow_run(monkeypatch):
    threads = Threads()

    def none(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", none)
        for _ in range(5):
            with pytest.raises(Busy):
                threads.submit("slow", lambda: 1 // 0)
    assert [threads.submit("slow", lambda number=number: number).result(30) for number in range(9)] == list(range(9))


def test_with_one_thread_all_jobs_run(monkeypatch):
    threads, gate, begun = Threads(), Event(), Event()
    first = threads.submit("slow", lambda: (begun.set(), gate.wait(30)))
    assert begun.wait(30)
    queued = []

    def none(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", none)
    with pytest.raises(Busy):
        threads.submit("slow", lambda: 0)
    gate.set()
    first.result(30)
    while not queued:  # until the thread is free
        with suppress(Busy):
            queued.append(threads.submit("slow", lambda: 7))
    assert queued[0].result(30) == 7


def test_errors_of_a_thread_are_those_of_its_future():
    with pytest.raises(ZeroDivisionError):
        Threads().submit("x", lambda: 1 // 0).result(30)
