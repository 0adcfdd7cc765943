"""Chromium: a video in which one jumps about, pages that are loaded again, responses that it has to decompress."""

import base64
import json

import brotli
import pytest
import zstandard

from tests.certificates import authority
from tests.everywhere import HOST, Everywhere
from tests.harness import Backend, answering, wait_until
from tests.interop.browser import Browser, trusting
from tests.interop.webm import vp8, webm
from tests.paths import public_directory

ROWS = json.dumps({"rows": [{"number": number, "name": "same"} for number in range(1000)]}).encode()
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ROWS), ROWS)
SECONDS, FRAME = 60, 300_000  # of the video, and the bytes of each of its frames
PAGE = {
    "index.html": '<!doctype html><link rel="icon" href="logo.svg"><link rel="stylesheet" href="site.css">'
    '<body><img src="logo.svg"><script src="app.js"></script>',
    "site.css": "body { margin-left: 7px }",
    "app.js": "document.body.dataset.release = 'one'" + "// The end of it.\n" * 500,
    "logo.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>',
    "film.html": '<!doctype html><link rel="icon" href="logo.svg"><video muted preload="auto" src="film.webm"></video>',
}
# A frame shows its number in six stripes, black and white.
DRAW = """[...Array(%d).keys()].map(number => {
  const canvas = document.createElement("canvas"), drawing = canvas.getContext("2d", { alpha: false })
  canvas.width = 96; canvas.height = 64
  for (let bit = 0; bit < 6; bit++) {
    drawing.fillStyle = number >> bit & 1 ? "#fff" : "#000"; drawing.fillRect(bit * 16, 0, 16, 64)
  }
  return canvas.toDataURL("image/webp", 0.9)
})"""
SHOWN = """(() => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas")
  if (video.error) return "error: " + video.error.message
  if (video.seeking || video.readyState < 2) return null
  const drawing = canvas.getContext("2d")
  drawing.drawImage(video, 0, 0, 96, 64)
  return "frame " + [0, 1, 2, 3, 4, 5].reduce((sum, bit) =>
    sum + (drawing.getImageData(bit * 16 + 8, 32, 1, 1).data[0] > 127 ? 1 << bit : 0), 0)
})()"""


class Site(Everywhere):
    """``lines``: of the access log, by the path."""

    def __init__(self, directory, www, peer):
        self.www = www
        text = f"""
            access_log = {{ path = "access.json", format = "json", fields = {{
              range = "request.header.range", coding = "response.header.content-encoding" }} }}
            upstream "peer" {{ "{peer.address}" }}
            route {{ files = {{ root = "{www}", cache_control = {{ ["*"] = "no-cache", ["film.webm"] = "no-store" }} }}, compress = true }}
            route {{ path = "/br", to = "peer", compress = {{ algorithms = {{ "br" }} }} }}
            route {{ path = "/zstd", to = "peer", compress = {{ algorithms = {{ "zstd" }} }} }}
            route {{ path = "/gzip", to = "peer", compress = {{ algorithms = {{ "gzip" }} }} }}
            route {{ path = "/any", to = "peer", compress = true }}
        """
        super().__init__(directory, text)

    @property
    def lines(self):
        return [json.loads(line) for line in (self.directory / "access.json").read_text().splitlines()]

    def url(self, way, path=""):
        return f"{'https' if way.endswith('tls') else 'http'}://{HOST}:{self.ports[way]}/{path}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory, program):
    arguments = trusting(HOST, authority().issue(HOST, "*.site.example"))
    opened = Browser(program("chromium"), tmp_path_factory.mktemp("browser") / "profile", *arguments)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site():
    with public_directory() as directory:
        www = directory / "www"
        www.mkdir()
        for name, text in PAGE.items():
            (www / name).write_text(text)
        with Backend(answering(JSON)) as peer, Site(directory, www, peer) as rsp:
            yield rsp


@pytest.fixture(scope="module")
def film(site, browser):
    """The size of film.webm."""
    browser.load(site.url("h1"))
    frames = [vp8(base64.b64decode(each.partition(",")[2])) for each in browser.run(DRAW % SECONDS)]
    video = webm([frame.ljust(FRAME, b"\0") for frame in frames], 96, 64)
    (site.www / "film.webm").write_bytes(video)
    return len(video)


@pytest.mark.parametrize("way", [pytest.param("h1", marks=pytest.mark.soak), "h2-tls"])
def test_jumping_about_in_a_video(site, browser, film, way):
    before = len(site.lines)
    browser.load(site.url(way, "film.html"))
    assert browser.wait(SHOWN) == "frame 0"
    assert browser.run("document.querySelector('video').duration") == SECONDS
    for second in (55, 20, 40, 3, 59):
        browser.run(f"document.querySelector('video').currentTime = {second} + 0.5")
        assert browser.wait(SHOWN) == f"frame {second}"
    browser.run("document.querySelector('video').currentTime = 30; document.querySelector('video').play()")
    browser.wait("document.querySelector('video').currentTime > 31.2")
    assert int(browser.wait(SHOWN).split()[1]) >= 31
    browser.load(site.url(way))  # what is still on its way ends
    wait_until(lambda: any(line["target"] == "/film.html" for line in site.lines[before:]), "the log")
    asked = [line for line in site.lines[before:] if line["target"] == "/film.webm"]
    assert {line["status"] for line in asked} <= {206, 499}
    starts = [int(line["range"].removeprefix("bytes=").partition("-")[0]) for line in asked]
    assert max(starts) > 50 * FRAME and any(10 * FRAME < start < 45 * FRAME for start in starts), starts


@pytest.mark.parametrize("way", [pytest.param("h1", marks=pytest.mark.soak), "h2-tls"])
def test_loading_again(site, browser, way):
    """What has not changed is not sent, and what has is seen at once."""
    (site.www / "app.js").write_text(PAGE["app.js"])
    asked = {"/", "/site.css", "/app.js", "/logo.svg"}

    def load(url=None):
        """What the log says of it: statuses and bytes by path."""
        before = len(site.lines)
        browser.load(url)
        wait_until(lambda: {line["target"] for line in site.lines[before:]} >= asked, "the log")
        assert browser.run("getComputedStyle(document.body).marginLeft") == "7px"
        assert browser.run("document.images[0].naturalWidth") == 9
        return {line["target"]: (line["status"], line["bytes"]) for line in site.lines[before:]}

    first = load(site.url(way))
    assert {status for status, _ in first.values()} <= {200, 304}
    assert browser.run("document.body.dataset.release") == "one"
    assert load() == dict.fromkeys(asked, (304, 0))
    (site.www / "next").write_text(PAGE["app.js"].replace("one", "two"))
    (site.www / "next").rename(site.www / "app.js")
    again = load()
    status, sent = again.pop("/app.js")
    assert status == 200 and sent < len(PAGE["app.js"]) / 5  # it is compressed, and has a weak ETag
    assert again == dict.fromkeys(asked - {"/app.js"}, (304, 0))
    assert browser.run("document.body.dataset.release") == "two"
    assert browser.errors == []


FETCH = (
    """fetch(%s).then(async got => [got.headers.get("content-encoding"), got.headers.get("vary"), await got.text()])"""
)


@pytest.mark.parametrize("way", [pytest.param("h1-tls", marks=pytest.mark.soak), "h2-tls"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_what_is_compressed_on_the_way(site, browser, way, coding):
    browser.load(site.url(way))
    assert browser.run(FETCH % json.dumps(f"/{coding}?{way}")) == [coding, "Accept-Encoding", ROWS.decode()]
    assert browser.run(FETCH % json.dumps("/any"))[0] in ("br", "zstd")
    wait_until(lambda: any(line["target"] == f"/{coding}?{way}" for line in site.lines), "the log")
    (line,) = [line for line in site.lines if line["target"] == f"/{coding}?{way}"]
    assert line["coding"] == coding and line["bytes"] < len(ROWS) / 5


def test_what_was_compressed_before(site, browser):
    text = "window.found = 'library'\n" * 200
    (site.www / "library.js").write_text(text)
    (site.www / "library.js.br").write_bytes(brotli.compress(text.encode()))
    (site.www / "only.css").write_text(text)
    (site.www / "only.css.zst").write_bytes(zstandard.compress(text.encode()))
    browser.load(site.url("h2-tls"))
    assert browser.run(FETCH % '"/library.js"') == ["br", "Accept-Encoding", text]
    assert browser.run(FETCH % '"/only.css"') == ["zstd", "Accept-Encoding", text]
    assert browser.run("import('/library.js').then(() => window.found)") == "library"
    assert browser.errors == []
