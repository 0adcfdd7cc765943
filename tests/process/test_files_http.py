"""Files over every version of HTTP: conditions, ranges, codings, methods, and names, by RFC 9110 sections 12 to 15."""

import email
import gzip
import os
import re
from email.utils import parsedate_to_datetime

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, exchange
from tests.paths import public_directory

SITE = """
access_log = "access.log"
upstream "app" { "APP" }
route { path = "/s/", files = "www" }
route { host = "root.example", files = "www" }
route { path = "/bare", files = "www/docs" }
route { path = "/nothing", files = { root = "www/docs", index = "" } }
route { path = "/spa/", files = "www", fallback = "/app.js" }
route { path = "/lost/", files = "www", fallback = "/none.html" }
route { path = "/caf%C3%A9/", files = "www" }
route { path = "/else/", files = "www/else", else_to = "app" }
route { path = "/indexed/", files = { root = "www/docs", index = "index.html" }, else_to = "app" }
route { path = "/below/", files = { root = "www", index = { "nothing/index.html", "docs/index.html" } } }
route { path = "/list/", files = { root = "www", list = true } }
route { path = "/gone/", files = "no such directory" }
route { path = "/moved/", files = "www", rewrite = "/docs/" }
route { exact = "/ten.txt", files = "www" }
route { exact = "/docs", files = "www" }
route { regex = "^/(ten|large)\\\\.", files = "www" }
route { path = "/hooked/", files = "www",
  on_request = function(req)
    if req.args.path then req.path = req.args.path end
    if req.args.deny then return respond(403, "no") end
    if req.args.wait then sleep(0.01) end
    if req.args.up then return proxy("app") end
  end,
  on_response = function(req, res)
    res.headers["X-Hook"] = tostring(res.own) .. " " .. res.status
    if req.args.upper then res.filter = function(chunk) return chunk:upper() end end
    if req.args.body then res.body = "<" .. #res.body .. ">" end
  end,
  on_error = function(req, err) if req.args.mend then return respond(200, "mended " .. err.status) end end }
route { path = "/c/", files = "www", compress = { algorithms = { "gzip" } } }
route { path = "/ruled/", files = { root = "www", cache_control = "max-age=60" }, hsts = true,
  response_headers = { set = { ["X-Rule"] = "yes" }, remove = { "ETag" } } }
"""
TEN = b"0123456789"
LARGE = bytes(range(256)) * 1024
PAGE = b"<p>Some text that can be made smaller.</p>\n" * 200
MODIFIED = 784111777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"


def make_tree(root):
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "else" / "dir").mkdir(parents=True)
    for name, content in {
        "ten.txt": TEN,
        "empty.txt": b"",
        "large.bin": LARGE,
        "app.js": b"let plain = 1;\n" * 20,
        "app.js.br": b"brotli, as it were",
        "app.js.gz": b"gzip, as it were, longer",
        "docs/index.html": b"<p>index",
        "docs/deep/x.txt": b"deep",
        "else/file.txt": b"a file",
        "page.html": PAGE,
        "a b+c;d.txt": b"odd name",
        "\u00e9.txt": b"accent",
        ".env": b"secret",
    }.items():
        (root / name).write_bytes(content)
    for file in root.rglob("*"):
        os.utime(file, (MODIFIED, MODIFIED))
    (root / "shut").mkdir(0o311)
    (root / "shut.txt").write_bytes(b"secret")
    (root / "shut.txt").chmod(0)


@pytest.fixture(scope="module")
def rsp():
    with public_directory() as directory, Backend(name="app") as app:
        make_tree(directory / "www")
        with Everywhere(directory, SITE.replace("APP", app.address)) as one:
            one.app = app
            one.etag = one.ask("h1", "/s/ten.txt")["etag"]
            yield one


# -- one file


@pytest.mark.parametrize("way", WAYS)
def test_all_of_a_file(rsp, way):
    for path, content, media in (
        ("ten.txt", TEN, "text/plain; charset=utf-8"),
        ("empty.txt", b"", "text/plain; charset=utf-8"),
        ("large.bin", LARGE, "application/octet-stream"),
    ):
        answer = rsp.ask(way, f"/s/{path}")
        assert (answer.status, answer.body) == (200, content)
        assert answer["content-type"] == media
        assert answer["content-length"] == str(len(content))
        assert answer["last-modified"] == DATE
        assert answer["accept-ranges"] == "bytes"
        assert re.fullmatch(r'"[!#-~]+"', answer["etag"])
        assert answer["server"] == "rsp"
        assert answer["date"]
        for absent in ("content-range", "content-encoding", "vary", "via", "transfer-encoding", "x-request-id"):
            assert answer[absent] is None
        # HEAD says the same of it, and sends nothing.
        head = rsp.ask(way, f"/s/{path}", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert {**head.fields, "date": 0} == {**answer.fields, "date": 0}


def test_http_1_0(rsp):
    for end in ("", "Connection: keep-alive\r\nRange: bytes=0-3\r\n"):
        answer = exchange(rsp.ports["h1"], f"GET /s/ten.txt HTTP/1.0\r\n{end}\r\n".encode(), half_close=True)
        assert answer.startswith(b"HTTP/1.1 206" if end else b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n" + (TEN[:4] if end else TEN))


def test_requests_one_after_another(rsp):
    """Each response ends where it says: the next one is read right behind it."""
    asked = [
        (b"GET /s/ten.txt", b"", 200, TEN),
        (b"HEAD /s/ten.txt", b"", 200, b""),
        (b"GET /s/ten.txt", b"If-None-Match: *\r\n", 304, b""),
        (b"GET /s/ten.txt", b"Range: bytes=1-2\r\n", 206, b"12"),
        (b"GET /s/ten.txt", b"Range: bytes=99-\r\n", 416, None),
        (b"HEAD /s/ten.txt", b'If-Match: "x"\r\n', 412, b""),
        (b"GET /s/large.bin", b"Range: bytes=1000-200000\r\n", 206, LARGE[1000:200001]),
        (b"HEAD /s/large.bin", b"", 200, b""),
        (b"GET /s/empty.txt", b"", 200, b""),
        (b"GET /s/docs", b"", 301, None),
        (b"GET /s/large.bin", b"Connection: close\r\n", 200, LARGE),
    ]
    received = exchange(
        rsp.ports["h1"], b"".join(b"%b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (line, fields) for line, fields, _, _ in asked)
    )
    for line, _, status, body in asked:
        head, _, received = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status), (line, head)
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = 0 if line.startswith(b"HEAD") or length is None else int(length[1])
        found, received = received[:size], received[size:]
        assert body is None or found == body
    assert received == b""


@pytest.mark.parametrize("way", WAYS)
def test_methods(rsp, way):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        answer = rsp.ask(way, "/s/ten.txt", method=method, body=b"x" if method in ("POST", "PUT", "PATCH") else b"")
        assert answer.status == 405
        assert answer["allow"] == "GET, HEAD"
    # Conditions and ranges do not matter to what would not be a 2xx (RFC 9110 section 13.2.1).
    for path, status in (("/s/none.txt", 404), ("/s/docs", 301)):
        for name, value in (("If-Match", '"x"'), ("If-None-Match", "*"), ("Range", "bytes=99999-")):
            assert rsp.ask(way, path, (name, value)).status == status
    assert rsp.ask(way, "/s/ten.txt", ("If-Match", '"x"'), method="DELETE").status == 405


# -- conditions

ETAG = "{etag}"
WEAK = "W/{etag}"
OTHER = '"other"'
CONDITIONS = [
    ([("If-None-Match", ETAG)], 304),
    ([("If-None-Match", WEAK)], 304),
    ([("If-None-Match", "*")], 304),
    ([("If-None-Match", OTHER)], 200),
    ([("If-None-Match", f"{OTHER}, {ETAG}")], 304),
    ([("If-None-Match", f'{OTHER},{WEAK} , "x"')], 304),
    ([("If-None-Match", OTHER), ("If-None-Match", ETAG)], 304),
    ([("If-None-Match", "other")], 200),
    ([("If-None-Match", "")], 200),
    ([("If-None-Match", '""')], 200),
    ([("If-None-Match", OTHER), ("If-Modified-Since", DATE)], 200),
    ([("If-None-Match", ETAG), ("If-Modified-Since", EARLIER)], 304),
    ([("If-Modified-Since", DATE)], 304),
    ([("If-Modified-Since", LATER)], 304),
    ([("If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT")], 304),
    ([("If-Modified-Since", EARLIER)], 200),
    ([("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], 304),
    ([("If-Modified-Since", "Sunday, 06-Nov-94 08:49:36 GMT")], 200),
    ([("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], 304),
    ([("If-Modified-Since", "Sun Nov  6 08:49:36 1994")], 200),
    ([("If-Modified-Since", "yesterday")], 200),
    ([("If-Modified-Since", "0")], 200),
    ([("If-Modified-Since", DATE.replace("GMT", "UTC"))], 200),
    ([("If-Modified-Since", DATE), ("If-Modified-Since", DATE)], 200),
    ([("If-Match", ETAG)], 200),
    ([("If-Match", "*")], 200),
    ([("If-Match", f"{OTHER}, {ETAG}")], 200),
    ([("If-Match", OTHER), ("If-Match", ETAG)], 200),
    ([("If-Match", OTHER)], 412),
    ([("If-Match", WEAK)], 412),
    ([("If-Match", f"{OTHER}, {WEAK}")], 412),
    ([("If-Match", "")], 412),
    ([("If-Match", ETAG), ("If-Unmodified-Since", EARLIER)], 200),
    ([("If-Match", OTHER), ("If-Unmodified-Since", LATER)], 412),
    ([("If-Match", ETAG), ("If-None-Match", ETAG)], 304),
    ([("If-Match", OTHER), ("If-None-Match", ETAG)], 412),
    ([("If-Match", ETAG), ("If-Modified-Since", DATE)], 304),
    ([("If-Unmodified-Since", DATE)], 200),
    ([("If-Unmodified-Since", LATER)], 200),
    ([("If-Unmodified-Since", EARLIER)], 412),
    ([("If-Unmodified-Since", "Sunday, 06-Nov-94 08:49:36 GMT")], 412),
    ([("If-Unmodified-Since", "Sun Nov  6 08:49:36 1994")], 412),
    ([("If-Unmodified-Since", "some day")], 200),
    ([("If-Unmodified-Since", EARLIER), ("If-Modified-Since", LATER)], 412),
    ([("If-Unmodified-Since", DATE), ("If-None-Match", ETAG)], 304),
    # before ranges
    ([("If-None-Match", ETAG), ("Range", "bytes=0-1")], 304),
    ([("If-None-Match", ETAG), ("Range", "bytes=99-")], 304),
    ([("If-None-Match", OTHER), ("Range", "bytes=0-1")], 206),
    ([("If-Modified-Since", DATE), ("Range", "bytes=0-1")], 304),
    ([("If-Match", OTHER), ("Range", "bytes=0-1")], 412),
    ([("If-Match", OTHER), ("Range", "bytes=99-")], 412),
    ([("If-Match", ETAG), ("Range", "bytes=0-1")], 206),
    ([("If-Match", ETAG), ("Range", "bytes=99-")], 416),
    ([("If-Unmodified-Since", EARLIER), ("Range", "bytes=0-1")], 412),
]


def fill(rsp, fields):
    return [(name, value.replace("{etag}", rsp.etag)) for name, value in fields]


@pytest.mark.parametrize("way", WAYS)
def test_conditions(rsp, way):
    whole = rsp.ask(way, "/s/ten.txt")
    for asked, status in CONDITIONS if way == "h1" else CONDITIONS[::7]:
        for method in ("GET", "HEAD"):
            answer = rsp.ask(way, "/s/ten.txt", *fill(rsp, asked), method=method)
            wanted = 200 if method == "HEAD" and status in (206, 416) else status  # HEAD has no ranges
            assert answer.status == wanted, (method, asked)
            if wanted == 304:
                assert answer.body == b""
                assert answer["etag"] == whole["etag"]
                assert answer["date"]
                for absent in ("content-type", "content-length", "content-range", "content-encoding", "accept-ranges"):
                    assert answer[absent] is None, (absent, asked)
            elif wanted == 412:
                assert answer["etag"] is None
                assert answer.body != TEN
            elif wanted == 200:
                assert answer.body == (TEN if method == "GET" else b"")
                assert answer["etag"] == whole["etag"]


# -- ranges


RANGES = [
    ("bytes=0-0", [(0, 1)]),
    ("bytes=0-3", [(0, 4)]),
    ("bytes=3-", [(3, 7)]),
    ("bytes=0-", [(0, 10)]),
    ("bytes=-1", [(9, 1)]),
    ("bytes=-10", [(0, 10)]),
    ("bytes=-99", [(0, 10)]),
    ("bytes=9-9", [(9, 1)]),
    ("bytes=5-99", [(5, 5)]),
    ("bytes=0-99999999999999999999999", [(0, 10)]),
    ("Bytes=0-3", [(0, 4)]),
    ("bytes=,0-3,", [(0, 4)]),
    ("bytes=0-1,99-", [(0, 2)]),
    ("bytes=0-5,3-8", [(0, 9)]),
    ("bytes=0-,-5,1-1", [(0, 10)]),
    ("bytes=0-0,-1", [(0, 1), (9, 1)]),
    ("bytes=0-1, 3-4 ,\t6-", [(0, 2), (3, 2), (6, 4)]),
    ("bytes=8-9,0-1", [(8, 2), (0, 2)]),
    ("bytes=0-4,5-9", [(0, 5), (5, 5)]),
    ("bytes=10-", []),
    ("bytes=10-20,30-", []),
    ("bytes=-0", []),
    ("bytes=99999999999999999999-", []),
    ("bytes=5-2", None),
    ("bytes=0-1,5-2", None),
    ("bytes=a-b", None),
    ("bytes=", None),
    ("bytes=-", None),
    ("bytes", None),
    ("0-1", None),
    ("", None),
    ("items=0-1", None),
    ("bytes=0-1;x", None),
    ("bytes=" + ",".join(f"{at}-{at}" for at in range(0, 10, 2)) + ",5-2", None),
    ("bytes=" + ",".join(["0-"] * 1000), None),
]


@pytest.mark.parametrize("way", WAYS)
def test_ranges(rsp, way):
    for value, parts in RANGES if way == "h1" else RANGES[::4]:
        answer = rsp.ask(way, "/s/ten.txt", ("Range", value))
        check_parts(answer, value, parts, TEN, "text/plain; charset=utf-8")
        head = rsp.ask(way, "/s/ten.txt", ("Range", value), method="HEAD")
        assert (head.status, head["content-length"], head["content-range"]) == (200, "10", None), value


@pytest.mark.parametrize("way", WAYS)
def test_ranges_of_a_large_file(rsp, way):
    """Which is not kept in memory."""
    last = len(LARGE) - 1
    for value, parts in (
        ("bytes=0-0", [(0, 1)]),
        (f"bytes={last}-", [(last, 1)]),
        ("bytes=1000-100999", [(1000, 100000)]),
        ("bytes=1-", [(1, last)]),
        ("bytes=-70000", [(len(LARGE) - 70000, 70000)]),
        ("bytes=200000-200099,0-99999,-1", [(200000, 100), (0, 100000), (last, 1)]),
        (f"bytes={len(LARGE)}-", []),
        ("bytes=" + ",".join(f"{at}-{at}" for at in range(0, 32, 2)), [(at, 1) for at in range(0, 32, 2)]),
        ("bytes=" + ",".join(f"{at}-{at}" for at in range(0, 34, 2)), None),
    ):
        answer = rsp.ask(way, "/s/large.bin", ("Range", value))
        check_parts(answer, value, parts, LARGE, "application/octet-stream")


def check_parts(answer, value, parts, content, media):
    size = len(content)
    if parts is None:
        assert (answer.status, answer.body, answer["content-range"]) == (200, content, None), value
        return
    if not parts:
        assert (answer.status, answer["content-range"]) == (416, f"bytes */{size}"), value
        return
    assert answer.status == 206, value
    assert answer["content-length"] == str(len(answer.body))
    assert answer["last-modified"] == DATE
    assert answer["etag"]
    assert answer["date"]
    if len(parts) == 1:
        start, length = parts[0]
        assert answer["content-range"] == f"bytes {start}-{start + length - 1}/{size}", value
        assert answer["content-type"] == media
        assert answer.body == content[start : start + length], value
        return
    assert answer["content-range"] is None, value
    assert re.fullmatch(r"multipart/byteranges; boundary=[0-9A-Za-z]{1,70}", answer["content-type"]), value
    boundary = answer["content-type"].partition("boundary=")[2].encode()
    sections = answer.body.split(b"\r\n--" + boundary)
    assert sections[0].startswith(b"--" + boundary + b"\r\n")
    assert sections.pop() == b"--\r\n"
    sections[0] = sections[0][2 + len(boundary) :]
    assert len(sections) == len(parts), value
    for section, (start, length) in zip(sections, parts, strict=True):
        head, _, body = section.partition(b"\r\n\r\n")
        fields = email.message_from_bytes(head.lstrip(b"\r\n"))
        assert fields["content-range"] == f"bytes {start}-{start + length - 1}/{size}"
        assert fields["content-type"] == media
        assert body == content[start : start + length], value


@pytest.mark.parametrize("way", WAYS)
def test_if_range(rsp, way):
    for value, holds in (
        ("{etag}", True),
        ("W/{etag}", False),
        ('"other"', False),
        ("{etag}, {etag}", False),
        ("*", False),
        ("other", False),
        (DATE, True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        (LATER, False),
        (EARLIER, False),
        ("no date", False),
    ):
        value = value.replace("{etag}", rsp.etag)
        answer = rsp.ask(way, "/s/ten.txt", ("If-Range", value), ("Range", "bytes=2-3"))
        assert (answer.status, answer.body) == ((206, b"23") if holds else (200, TEN)), value
        answer = rsp.ask(way, "/s/ten.txt", ("If-Range", value), ("Range", "bytes=99-"))
        assert answer.status == (416 if holds else 200), value
        assert rsp.ask(way, "/s/ten.txt", ("If-Range", value)).status == 200


def test_parts_beyond_four_gigabytes(rsp):
    size = 5 << 30
    with (rsp.directory / "www" / "huge.bin").open("wb") as file:
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    assert rsp.ask("h1", "/s/huge.bin", method="HEAD")["content-length"] == str(size)
    for way in WAYS:
        answer = rsp.ask(way, "/s/huge.bin", ("Range", f"bytes={size - 5}-"))
        assert (answer.status, answer.body) == (206, b"\0\0end")
        assert answer["content-range"] == f"bytes {size - 5}-{size - 1}/{size}"
        assert rsp.ask(way, "/s/huge.bin", ("Range", f"bytes={size}-"))["content-range"] == f"bytes */{size}"


def test_a_file_without_content_has_no_parts(rsp):
    for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        answer = rsp.ask("h1", "/s/empty.txt", ("Range", value))
        assert (answer.status, answer.body, answer["content-length"]) == (200, b"", "0")
    answer = rsp.ask("h1", "/s/empty.txt", ("Range", "bytes=1-"))
    assert (answer.status, answer["content-range"]) == (416, "bytes */0")


def test_a_file_that_is_still_written_has_no_strong_date(rsp):
    file = rsp.directory / "www" / "fresh.txt"
    file.write_bytes(TEN)
    answer = rsp.ask("h1", "/s/fresh.txt")
    modified, date = answer["last-modified"], answer["date"]
    assert parsedate_to_datetime(modified) <= parsedate_to_datetime(date)
    os.utime(file, (MODIFIED + 3e9, MODIFIED + 3e9))
    answer = rsp.ask("h1", "/s/fresh.txt")
    assert parsedate_to_datetime(answer["last-modified"]) <= parsedate_to_datetime(answer["date"])
    assert rsp.ask("h1", "/s/fresh.txt", ("If-None-Match", answer["etag"])).status == 304


# -- codings


@pytest.mark.parametrize("way", WAYS)
def test_compressed_files(rsp, way):
    plain = rsp.ask(way, "/s/app.js")
    assert plain.body.startswith(b"let plain")
    assert plain["vary"] == "Accept-Encoding"
    assert plain["content-encoding"] is None
    etags = {plain["etag"]}
    for accept, coding in (
        ("br", "br"),
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.1", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", None),
        ("identity", None),
        ("identity, br;q=0.5", None),
        ("br;q=0, gzip;q=0", None),
        ("*;q=0", None),
        ("", None),
    ):
        answer = rsp.ask(way, "/s/app.js", ("Accept-Encoding", accept))
        assert answer["content-encoding"] == coding, accept
        assert answer["content-type"] == plain["content-type"]
        assert answer["vary"] == "Accept-Encoding"
        assert answer["content-length"] == str(len(answer.body))
        assert answer.body == {"br": b"brotli, as it were", "gzip": b"gzip, as it were, longer"}.get(coding, plain.body)
        etags.add(answer["etag"])
        # Conditions and ranges are about what would be sent.
        again = rsp.ask(way, "/s/app.js", ("Accept-Encoding", accept), ("If-None-Match", answer["etag"]))
        assert (again.status, again["etag"], again["vary"]) == (304, answer["etag"], "Accept-Encoding")
        some = rsp.ask(way, "/s/app.js", ("Accept-Encoding", accept), ("Range", "bytes=2-5"))
        assert (some.status, some["content-encoding"], some.body) == (206, coding, answer.body[2:6])
        assert some["content-range"] == f"bytes 2-5/{len(answer.body)}"
        assert some["vary"] == "Accept-Encoding"
        several = rsp.ask(way, "/s/app.js", ("Accept-Encoding", accept), ("Range", "bytes=0-1,4-5"))
        assert several.status == (206 if coding is None else 200)  # which no client could decode
        assert several["content-encoding"] == coding
    assert len(etags) == 3
    assert rsp.ask(way, "/s/app.js", ("Accept-Encoding", "br"), ("If-None-Match", plain["etag"])).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_files_that_are_compressed_on_the_way(rsp, way):
    gzip_, none = ("Accept-Encoding", "gzip"), ("Accept-Encoding", "identity")
    plain, small = rsp.ask(way, "/c/page.html", none), rsp.ask(way, "/c/page.html", gzip_)
    etag = plain["etag"]
    assert (plain.status, plain.body, plain["vary"], plain["accept-ranges"]) == (200, PAGE, "Accept-Encoding", "bytes")
    assert (small["content-encoding"], gzip.decompress(small.body)) == ("gzip", PAGE)
    assert (small["etag"], small["vary"], small["accept-ranges"]) == (f"W/{etag}", "Accept-Encoding", None)
    for accept, full in ((gzip_, small), (none, plain)):
        head = rsp.ask(way, "/c/page.html", accept, method="HEAD")
        assert [head[name] for name in ("etag", "vary", "content-encoding", "content-type")] == [
            full[name] for name in ("etag", "vary", "content-encoding", "content-type")
        ]
        # What a 304 says is what the 200 would have said (RFC 9110 section 15.4.5).
        for name, value in (
            ("If-None-Match", etag),
            ("If-None-Match", f"W/{etag}"),
            ("If-None-Match", "*"),
            ("If-Modified-Since", DATE),
        ):
            again = rsp.ask(way, "/c/page.html", accept, (name, value))
            # A client that has stored it compressed finds that response by its own ETag (RFC 9111 section 4.3.4).
            wanted = value if value.startswith("W/") else full["etag"]
            assert (again.status, again["etag"], again["vary"]) == (304, wanted, "Accept-Encoding"), (name, value)
        # A part is of the file as it is, and its validator says so.
        part = rsp.ask(way, "/c/page.html", accept, ("Range", "bytes=3-12"))
        assert (part.status, part.body, part["etag"], part["vary"]) == (206, PAGE[3:13], etag, "Accept-Encoding")
        assert part["content-encoding"] is None
        part = rsp.ask(way, "/c/page.html", accept, ("Range", "bytes=3-12"), ("If-Range", etag))
        assert part.status == 206
        part = rsp.ask(way, "/c/page.html", accept, ("Range", "bytes=3-12"), ("If-Range", f"W/{etag}"))
        assert (part.status, part["etag"]) == (200, full["etag"])
    several = rsp.ask(way, "/c/page.html", gzip_, ("Range", "bytes=0-1,5-6"))
    assert (several.status, several["content-encoding"], several["etag"]) == (206, None, etag)
    # What is compressed already stays as it is.
    assert rsp.ask(way, "/c/app.js", gzip_)["etag"].startswith('"')


# -- names


@pytest.mark.parametrize("way", WAYS)
def test_names(rsp, way):
    for path, body in (
        ("/s/ten.txt?x=1&y=/../", TEN),
        ("/s/t%65n.txt", TEN),
        ("/s//ten.txt", TEN),
        ("/s/./ten.txt", TEN),
        ("/s/docs/../ten.txt", TEN),
        ("/s/docs%2Fdeep%2fx.txt", b"deep"),
        ("/s/a%20b+c;d.txt", b"odd name"),
        ("/s/%C3%A9.txt", b"accent"),
        ("/s/docs/", b"<p>index"),
        ("/s/docs//", b"<p>index"),
        ("/s/docs/.", b"<p>index"),
        ("/s/docs/index.html", b"<p>index"),
        ("/bare/", b"<p>index"),
        ("/below/", b"<p>index"),
        ("/bare/deep/x.txt", b"deep"),
        ("/ten.txt", TEN),
        ("/moved/", b"<p>index"),
        ("/moved/deep/x.txt", b"deep"),
        ("/hooked/?path=/docs/deep/x.txt", b"deep"),
        ("/hooked/x?path=/docs/", b"<p>index"),
        ("/hooked/x?path=/docs", b"<p>index"),  # the client does not know this path
        ("/docs", b"<p>index"),
        ("/caf%C3%A9/ten.txt", TEN),
        ("/caf%C3%A9/docs/", b"<p>index"),
        ("/lost/ten.txt", TEN),
    ):
        answer = rsp.ask(way, path)
        assert (answer.status, answer.body) == (200, body), path
    assert rsp.ask(way, "/large.bin").body == LARGE
    for path, status in (
        ("/s/none.txt", 404),
        ("/s/ten.txt/", 404),
        ("/s/ten.txt/x", 404),
        ("/s/docs/deep/", 404),
        ("/s/.env", 404),
        ("/s/docs/../.env", 404),
        ("/s/ten.txt%00", 404),
        ("/s/%00", 404),
        ("/s/" + "x" * 300, 404),
        ("/s/" + "x/" * 1500, 404),
        ("/s/", 404),
        ("/nothing/", 404),
        ("/nothing", 404),
        ("/gone/x", 404),
        ("/gone/", 404),
        ("/lost/none", 404),
        ("/lost/none.html", 404),
        ("/s/%2e%2e/ten.txt", 400),
        ("/s/../../etc/passwd", 400),
    ):
        assert rsp.ask(way, path).status == status, path


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_without_its_slash(rsp, way):
    for path, location in (
        ("/s/docs", "/s/docs/"),
        ("/s/docs?a=1&b=%2F", "/s/docs/?a=1&b=%2F"),
        ("/s//docs", "/s//docs/"),
        ("//s/docs", None),
        ("/bare", "/bare/"),
        ("/bare?x", "/bare/?x"),
        ("/list", None),
        ("/list/docs", "/list/docs/"),
        ("/list/else", "/list/else/"),
        ("/s/%64ocs", "/s/%64ocs/"),
    ):
        for method in ("GET", "HEAD"):
            answer = rsp.ask(way, path, method=method)
            if location is None:
                assert answer.status in (301, 400, 404), path
                assert not (answer["location"] or "/x").startswith("//"), path
            else:
                assert (answer.status, answer["location"]) == (301, location), path
    for path in ("//docs", "///docs?x", "/\\docs", "/\\/docs", "//docs%2Fdeep/..%2f../docs"):
        location = rsp.ask(way, path, host="root.example")["location"] or "/"
        assert not location.startswith(("//", "/\\")), path  # which would be another host
    assert rsp.ask(way, "//docs?x", host="root.example")["location"] == "/docs/?x"
    assert rsp.ask(way, "/s/docs/deep").status == 404  # with its slash there would be nothing either


# -- what is no file


@pytest.mark.parametrize("way", WAYS)
def test_fallback(rsp, way):
    plain = rsp.ask(way, "/s/app.js")
    for path in ("/spa/", "/spa/some/route", "/spa/.env", "/spa/docs/deep/"):
        answer = rsp.ask(way, path)
        assert (answer.status, answer.body, answer["etag"]) == (200, plain.body, plain["etag"]), path
        assert rsp.ask(way, path, ("If-None-Match", plain["etag"])).status == 304
        assert rsp.ask(way, path, ("Accept-Encoding", "br"))["content-encoding"] == "br"
    assert rsp.ask(way, "/spa/ten.txt").body == TEN
    assert rsp.ask(way, "/spa/docs/").body == b"<p>index"
    assert rsp.ask(way, "/spa/docs").status == 301
    assert rsp.ask(way, "/spa/some/route", method="POST", body=b"x").status == 405


@pytest.mark.parametrize("way", WAYS)
def test_else_to(rsp, way):
    answer = rsp.ask(way, "/else/file.txt")
    assert (answer.status, answer.body, answer["via"]) == (200, b"a file", None)
    for path in ("/else/none", "/else/", "/else/dir", "/else/dir/", "/else/x?q=1", "/else/.env", "/else/%61"):
        rsp.app.heads.clear()
        answer = rsp.ask(way, path, ("If-None-Match", "*"), ("Range", "bytes=0-0"))
        assert (answer.status, answer.body) == (200, b"app"), path
        assert rsp.app.heads[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())
    for method in ("POST", "DELETE", "OPTIONS"):
        rsp.app.heads.clear()
        assert rsp.ask(way, "/else/file.txt", method=method, body=b"x" * 100).body == b"app"
        assert rsp.app.heads[0].startswith(f"{method} /else/file.txt HTTP/1.1\r\n".encode())
    # Where an index is asked for, directories have one.
    assert rsp.ask(way, "/indexed/").body == b"<p>index"
    assert rsp.ask(way, "/indexed/deep/").body == b"app"
    assert rsp.ask(way, "/indexed/none").body == b"app"


@pytest.mark.parametrize("way", WAYS)
def test_a_get_with_a_body(rsp, way):
    """It means nothing to a file, and all of it goes to an upstream, though a thread looks for the file first."""
    assert rsp.ask(way, "/s/ten.txt", body=b"x" * 1000).body == TEN
    body = os.urandom(100_000)
    assert rsp.ask(way, f"/else/new-{way}", body=body).body == b"app"


@pytest.mark.parametrize("way", WAYS)
def test_lists(rsp, way):
    answer = rsp.ask(way, "/list/")
    assert answer.status == 200
    assert answer["content-type"] == "text/html; charset=utf-8"
    assert answer["etag"] is None
    assert b"ten.txt" in answer.body
    assert b".env" not in answer.body
    head = rsp.ask(way, "/list/", method="HEAD")
    assert (head.status, head.body, head["content-length"]) == (200, b"", answer["content-length"])
    assert rsp.ask(way, "/list/", ("If-Match", '"x"')).status == 412
    assert rsp.ask(way, "/list/", ("Range", "bytes=0-1")).body == answer.body
    assert rsp.ask(way, "/list/docs/").body == b"<p>index"
    assert b"x.txt" in rsp.ask(way, "/list/docs/deep/").body
    assert rsp.ask(way, "/list/none/").status == 404
    assert rsp.ask(way, "/list/shut/").status == 403  # which may be entered, and not read
    assert rsp.ask(way, "/list/shut.txt").status == 403
    assert rsp.ask(way, "/list/?a=b")["location"] is None


# -- hooks and rules


@pytest.mark.parametrize("way", WAYS)
def test_hooks(rsp, way):
    for wait in ("", "&wait=1"):
        answer = rsp.ask(way, f"/hooked/ten.txt?x{wait}")
        assert (answer.status, answer.body, answer["x-hook"]) == (200, TEN, "false 200")
        assert rsp.ask(way, f"/hooked/ten.txt?x{wait}", ("If-None-Match", "*"))["x-hook"] == "false 304"
        assert rsp.ask(way, f"/hooked/ten.txt?x{wait}", ("Range", "bytes=0-1")).body == b"01"
        assert rsp.ask(way, f"/hooked/ten.txt?deny=1{wait}").status == 403
        assert rsp.ask(way, f"/hooked/none?x{wait}")["x-hook"] == "true 404"
        assert rsp.ask(way, f"/hooked/none?mend=1{wait}").body == b"mended 404"
        assert rsp.ask(way, f"/hooked/ten.txt?up=1{wait}").body == b"app"
        assert rsp.ask(way, f"/hooked/ten.txt?body=1{wait}").body == b"<10>"
        for name, content in (("app.js", b"let plain = 1;\n" * 20), ("large.bin", LARGE)):
            answer = rsp.ask(way, f"/hooked/{name}?upper=1{wait}")
            assert answer.body == content.upper()
        assert rsp.ask(way, f"/hooked/large.bin?x{wait}").body == LARGE
        assert rsp.ask(way, f"/hooked/large.bin?upper=1{wait}", method="HEAD").body == b""
    assert rsp.ask(way, "/hooked/ten.txt?mend=1", ("If-Match", '"x"')).body == b"mended 412"


@pytest.mark.parametrize("way", WAYS)
def test_rules(rsp, way):
    for path, fields, status in (
        ("/ruled/ten.txt", (), 200),
        ("/ruled/ten.txt", (("If-None-Match", "*"),), 304),
        ("/ruled/large.bin", (("Range", "bytes=0-1"),), 206),
        ("/ruled/large.bin", (("Range", "bytes=0-1,5-6"),), 206),
        ("/ruled/large.bin", (), 200),
        ("/ruled/app.js", (("Accept-Encoding", "br"),), 200),
        ("/ruled/none", (), 404),
        ("/ruled/ten.txt", (("If-Match", '"x"'),), 412),
        ("/ruled/ten.txt", (("Range", "bytes=99-"),), 416),
        ("/ruled/docs", (), 301),
    ):
        answer = rsp.ask(way, path, *fields)
        assert answer.status == status
        assert answer["x-rule"] == "yes"
        assert answer["etag"] is None
        assert answer["cache-control"] == ("max-age=60" if status in (200, 206, 304) else None)
        assert (answer["strict-transport-security"] is not None) == way.endswith("tls")
