"""Directories whose files are served: relative ones, those that workers may not enter or read, a tree by its links."""

import os
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes, urljoin

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import wait_until
from tests.paths import public_directory

SITE = """
route { path = "/tree/", files = { root = "www", index = "", list = true, hide = { "*.tmp" } } }
route { path = "/closed/", files = "closed/www" }
route { path = "/unread/", files = { root = "unread", list = true } }
route { path = "/gone/", files = "gone" }
"""
NAMES = (b"plain.txt", b"a b&c;d'e\"f.txt", b"100%25.txt", b"<b>.html", b"q?x#y", b"\xc3\xa9.txt", b"\xff", b"colon:name",
         b"dir/inner.txt", b"dir/d\xc3\xa9p/x", b"dir/index.html", b"empty/sub/z")  # fmt: skip
LEFT_OUT = (b"back\\slash", b".env", b".git/config", b"x.tmp", b"dir/y.tmp")


@pytest.fixture(scope="module")
def rsp():
    with public_directory() as directory:
        make_tree(directory)
        with Everywhere(directory, SITE) as one:
            yield one


def make_tree(directory):
    for name in (*NAMES, *LEFT_OUT):
        path = directory / "www" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content of " + name)
    os.mkfifo(directory / "www" / "fifo")
    (directory / "www" / "out").symlink_to("/etc")
    (directory / "www" / "in").symlink_to("dir")
    (directory / "closed" / "www").mkdir(parents=True)
    (directory / "closed" / "www" / "x.txt").write_text("x")
    (directory / "closed").chmod(0o700)
    (directory / "unread").mkdir()
    (directory / "unread" / "x.txt").write_text("x")
    (directory / "unread").chmod(0o711)


def crawl(rsp, way, path, found):
    answer = rsp.ask(way, path)
    assert answer.status == 200, path
    if path[-1] != "/":
        found[unquote_to_bytes(path.removeprefix("/tree/"))] = answer.body
        return found
    assert answer["content-type"] == "text/html; charset=utf-8"
    for reference in re.findall(r'href="([^"]*)"', answer.body.decode()):
        following = urljoin(f"http://host{path}", reference).removeprefix("http://host")
        if following.startswith(path) and following != path:
            crawl(rsp, way, following, found)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_links_of_lists_lead_to_the_whole_tree(rsp, way):
    whole = {name: b"content of " + name for name in NAMES}
    linked = {b"in/" + name.removeprefix(b"dir/"): whole[name] for name in whole if name.startswith(b"dir/")}
    assert crawl(rsp, way, "/tree/", {}) == {**whole, **linked}
    for name in LEFT_OUT:
        assert rsp.ask(way, f"/tree/{quote_from_bytes(name)}").status == 404


def test_the_way_up_ends_at_the_directory_itself(rsp):
    assert b'"../"' not in rsp.ask("h1", "/tree/").body
    assert b'"../"' in rsp.ask("h1", "/tree/dir/").body


def test_what_is_not_there_is_told_when_the_configuration_is_read(rsp):
    wait_until(
        lambda: re.search(r'site\.lua:\d+: warning: route: files: there is no directory "/.*/gone" yet', rsp.log), "it"
    )
    assert rsp.ask("h1", "/gone/x").status == 404


@pytest.mark.skipif(os.geteuid() != 0, reason="needs workers that run as another user")
def test_what_workers_may_not_enter_is_told_when_they_start(rsp):
    closed = rf'route any host /closed/: files = "{rsp.directory}/closed/www": workers cannot enter "{rsp.directory}/closed", so'
    wait_until(lambda: closed in rsp.log, "the line for the directory that cannot be entered")
    assert 'or run workers as another user with user = "..."; they run as nobody' in rsp.log
    unread = f'files = "{rsp.directory}/unread": workers cannot read what is in it, so it cannot be listed'
    wait_until(lambda: unread in rsp.log, "the line for the directory that cannot be read")
    assert rsp.ask("h1", "/closed/x.txt").status == 403
    assert rsp.ask("h1", "/unread/x.txt").body == b"x"
    assert rsp.ask("h1", "/unread/").status == 403
    before = rsp.log.count("workers cannot")
    rsp.reload(SITE.replace("/closed/", "/still/"))
    wait_until(lambda: rsp.log.count("workers cannot") == before + 2, "the same after a reload")
