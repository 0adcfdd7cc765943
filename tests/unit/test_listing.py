"""The page that lists a directory, read by another parser: what is on it, what is not, and what its links lead to."""

import os
import socket
import threading
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.files import listing
from tests.soak import examples


class Page(HTMLParser):
    """``rows``: the reference, the text of the link, size and time of each; ``tags``: all that there are."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self.title, self._inside = [], set(), "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._inside = tag
        if tag == "tr":
            self.rows.append([])
        elif tag == "a":
            self.rows[-1].append(dict(attrs)["href"])
        elif tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "title":
            self.title += data
        elif self._inside in ("a", "td") and self.rows:
            if self._inside == "a":
                self.rows[-1].append(data)
            else:
                self.rows[-1][-1] += data


def read(folder, path=b"/x/", shows=lambda name: True, follow=lambda name: None, is_top=False):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        text = listing.page(descriptor, path, shows, follow, is_top)
    finally:
        os.close(descriptor)
    return text.decode()


def links(text):
    return [row[1] for row in Page(text).rows[1:]]


def test_directories_come_first_and_names_are_sorted_whatever_their_case(tmp_path):
    for name in ("b.txt", "A.txt", "c.txt"):
        (tmp_path / name).write_bytes(b"x" * 1500)
    for name in ("zoo", "Abc"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "b.txt", (1_000_000_000, 1_000_000_000))
    text = read(tmp_path)
    assert links(text) == ["../", "Abc/", "zoo/", "A.txt", "b.txt", "c.txt"]
    rows = {row[1]: row for row in Page(text).rows[1:]}
    assert rows["b.txt"][2:] == ["b.txt", "1.5 KB", "2001-09-09 01:46"]
    assert rows["zoo/"][2:4] == ["zoo/", ""]


def test_the_top_has_no_way_up(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert links(read(tmp_path, is_top=True)) == ["a"]
    assert links(read(tmp_path)) == ["../", "a"]


SPECIAL = [b"<script>alert(1)<", b"a&amp;b", b'"quoted\'', b"javascript:alert(1)", b"a b?c#d%41", b"\xff\xfe", b"../x"[3:],
           b"caf\xc3\xa9", b"//evil.example"[2:], b"\xe2\x80\xaegpj.exe", b"new\nline", b"-rf", b"~"]  # fmt: skip


def test_names_are_escaped_and_links_lead_to_them(tmp_path):
    for name in SPECIAL:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    text = read(tmp_path, b"/x/<script>/")
    page = Page(text)
    assert page.title == "/x/<script>/"
    assert page.tags == {"html", "head", "meta", "title", "style", "body", "h1", "table", "tr", "th", "td", "a"}
    found = set()
    for reference in links(text)[1:]:
        whole = urljoin("http://host/x/", reference)
        assert whole.startswith("http://host/x/"), reference
        found.add(unquote_to_bytes(whole.removeprefix("http://host/x/")))
    assert found == set(SPECIAL)


@examples(40)
@given(
    st.sets(
        st.binary(min_size=1, max_size=40).filter(
            lambda name: not {0, 47, 92} & set(name) and name not in (b".", b"..")
        ),
        max_size=8,
    )
)
def test_any_names(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(b"")
    references = links(read(folder, is_top=True))
    assert {unquote_to_bytes(reference) for reference in references} == names
    assert all(reference.isascii() and ":" not in reference for reference in references)


def test_only_files_and_directories_that_may_be_shown(tmp_path):
    for name in ("a", ".hidden", "b.php"):
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
    (tmp_path / "in").symlink_to("a")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "broken").symlink_to("nowhere")

    def follow(name):
        return os.stat(tmp_path / "a") if name == b"in" else None

    def shows(name):
        return name[:1] != b"." and not name.endswith(b".php")

    assert links(read(tmp_path, shows=shows, follow=follow, is_top=True)) == ["a", "in"]


def test_a_link_to_a_directory_is_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    assert links(read(tmp_path, follow=lambda name: os.stat(tmp_path / os.fsdecode(name)), is_top=True)) == [
        "link/",
        "there/",
    ]


def test_a_directory_with_more_entries_than_a_page_has(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MOST", 5)
    for number in range(6):
        (tmp_path / str(number)).write_bytes(b"")
    assert "more entries than these" in read(tmp_path)
    assert len(links(read(tmp_path, is_top=True))) == 5
    (tmp_path / "0").unlink()
    assert "more entries than these" not in read(tmp_path)


def test_names_that_are_not_shown_are_bounded_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "_LOOKED_AT", 3)
    for number in range(6):
        (tmp_path / str(number)).write_bytes(b"")
    seen = []
    assert "more entries than these" in read(tmp_path, shows=seen.append)
    assert len(seen) == 3


def test_a_directory_that_may_be_entered_but_not_read(tmp_path):
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert b"<table>" in listing.page(descriptor, b"/", lambda name: True, lambda name: None)
    finally:
        os.close(descriptor)
    (tmp_path / "file").write_bytes(b"")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with pytest.raises(NotADirectoryError):
            listing.page(descriptor, b"/", lambda name: True, lambda name: None)
    finally:
        os.close(descriptor)


def test_two_lists_of_one_directory_at_once_are_both_whole(tmp_path):
    names = {f"{number:04}" for number in range(400)}
    for name in names:
        (tmp_path / name).write_bytes(b"")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    found = []

    def make():
        found.append(set(links(listing.page(descriptor, b"/", lambda name: True, lambda name: None, True).decode())))

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(descriptor)
    assert found == [names] * 3


def test_other_threads_have_turns(monkeypatch):
    pauses = []
    monkeypatch.setattr(listing.time, "sleep", pauses.append)
    assert len(list(listing._turns(range(550)))) == 550
    assert len(pauses) == 5
    assert min(pauses) > 0


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0"), (1023, "1023"), (1024, "1.0 KB"), (1536, "1.5 KB"), (10 * 1024, "10 KB"), (1024**2 - 1, "1.0 MB"),
     (5 * 1024**3, "5.0 GB"), (2**62, "4.0 EB"), (2**63 - 1, "8.0 EB")],
)  # fmt: skip
def test_sizes(size, said):
    assert listing._size(size) == said


def test_times_that_are_none():
    assert listing._time(1e30) == ""
    assert listing._time(float(-(2**62))) == ""
    assert listing._time(0) == "1970-01-01 00:00"
