"""examples/spa.lua with a built application, its API (FastAPI under uvicorn), and Chromium: pages by their addresses,
events and a WebSocket, a page that is loaded again, a new release while it is open."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from tests.certificates import authority
from tests.everywhere import HOST, WAYS, Everywhere
from tests.harness import accepts, run_rsp, wait_until
from tests.interop.browser import Browser, trusting
from tests.paths import ROOT, public_directory
from tests.ports import free_port

API = """
import asyncio
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

app = FastAPI()

@app.get("/api/orders/{number}")
def order(number: int):
    return {"number": number, "lines": [{"article": "shoes", "count": 1}] * 100}

@app.post("/api/orders", status_code=201)
def create(order: dict):
    return order

@app.get("/api/events")
def events():
    async def stream():
        yield "data: live\\n\\n"
        await asyncio.sleep(3600)
    return StreamingResponse(stream(), media_type="text/event-stream")

@app.websocket("/api/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    await socket.send_text((await socket.receive_text()).upper())
"""
SCRIPT = (
    """
const told = document.documentElement.dataset, page = document.querySelector("main")
told.release = "RELEASE"
async function show() {
  const found = location.pathname.match(/^\\/orders\\/(\\d+)$/)
  if (!found) return page.textContent = "home"
  const order = await (await fetch("/api" + location.pathname)).json()
  page.textContent = `order ${order.number} of ${order.lines.length} lines`
}
document.querySelector("a").onclick = event => {
  event.preventDefault(); history.pushState(null, "", event.target.href); show()
}
addEventListener("popstate", show)
new EventSource("/api/events").onmessage = event => { told.event = event.data }
const socket = new WebSocket(location.origin.replace("http", "ws") + "/api/echo")
socket.onopen = () => socket.send("hello")
socket.onmessage = event => { told.echo = event.data }
show()
"""
    + "// The end of it.\n" * 100
)
STYLE = "main { margin-left: 7px }\n" * 100


class Releases:
    """What a bundler makes: names with a hash of the content, and index.html, which has them."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "releases").mkdir()

    def publish(self, number):
        """A new release: the name of its script."""
        release = self.folder / "releases" / str(number)
        (release / "assets").mkdir(parents=True)
        names = []
        for name, text in (("app.js", SCRIPT.replace("RELEASE", str(number))), ("app.css", STYLE)):
            stem, _, kind = name.partition(".")
            names.append(f"{stem}-{hashlib.md5(text.encode()).hexdigest()[:8]}.{kind}")
            (release / "assets" / names[-1]).write_text(text)
            (release / "assets" / f"{names[-1]}.map").write_text("SECRET")
        (release / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        (release / "index.html").write_text(
            f'<!doctype html><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/assets/{names[1]}">'
            f'<a href="/orders/8">next</a><main></main><script type="module" src="/assets/{names[0]}"></script>'
        )
        os.symlink(f"releases/{number}", self.folder / "next")
        os.rename(self.folder / "next", self.folder / "current")
        return names[0]


@pytest.fixture(scope="module")
def site():
    with public_directory() as folder, api_in(folder) as port:
        text = (ROOT / "examples" / "spa.lua").read_text()
        checked = run_rsp(folder, "-t", "site.lua", text=text)
        assert checked.returncode == 0, checked.stderr
        for old, new in (
            ("127.0.0.1:9001", f"127.0.0.1:{port}"),
            ("/srv/app", str(folder)),
            ('listen "127.0.0.1:8000"', ""),
        ):
            assert old in text
            text = text.replace(old, new)
        text += '\naccess_log = { path = "access.json", format = "json" }\n'
        with Everywhere(folder, text, workers=2) as rsp:
            rsp.releases = Releases(folder)
            rsp.script = rsp.releases.publish(1)
            yield rsp


@contextmanager
def api_in(folder):
    """Its port."""
    (folder / "api.py").write_text(API)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "api:app", "--log-level=warning", "--timeout-graceful-shutdown=1"]
    with subprocess.Popen([*command, "--port", str(port)], cwd=folder) as api:
        try:
            wait_until(lambda: accepts(port), "uvicorn")
            yield port
        finally:
            api.terminate()


def statuses(site, target):
    """Those that the access log has for it."""
    lines = map(json.loads, (site.directory / "access.json").read_text().splitlines())
    return [line["status"] for line in lines if line["target"] == target]


def seen(site, ask):
    """The links are looked at once a second."""
    wait_until(ask, "the new release")


@pytest.mark.parametrize("way", WAYS)
def test_pages_files_and_the_api(site, way):
    index = (site.directory / "current" / "index.html").read_bytes()
    for path in ("/", "/index.html", "/orders/7?x=1", "/deep/er/page", "/orders/", "/caf%C3%A9"):
        page = site.ask(way, path)
        assert (page.status, page.body, page["content-type"]) == (200, index, "text/html; charset=utf-8"), path
        assert (page["cache-control"], page["x-content-type-options"]) == ("no-cache", "nosniff")
        again = site.ask(way, path, ("If-None-Match", page["etag"]))
        assert (again.status, again.body, again["cache-control"]) == (304, b"", "no-cache")
    script = site.ask(way, f"/assets/{site.script}", ("Accept-Encoding", "gzip"))
    assert (script.status, script["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert gzip.decompress(script.body) == (site.directory / "current" / "assets" / site.script).read_bytes()
    order = site.ask(way, "/api/orders/7", ("Accept-Encoding", "gzip"))
    assert (order["content-encoding"], json.loads(gzip.decompress(order.body))["number"]) == ("gzip", 7)
    made = site.ask(way, "/api/orders", ("Content-Type", "application/json"), method="POST", body=b'{"a": 1}')
    assert (made.status, made.body) == (201, b'{"a":1}')


def test_what_is_no_page(site):
    missing = site.ask("h1", "/assets/app-00000000.js")
    assert (missing.status, missing["cache-control"]) == (404, None)
    assert site.ask("h1", f"/assets/{site.script}.map").status == 404
    assert site.ask("h1", "/api/none").body == b'{"detail":"Not Found"}'
    posted = site.ask("h1", "/orders/7", method="POST", body=b"x")
    assert (posted.status, posted["allow"]) == (405, "GET, HEAD")
    for path in ("/../access.json", "/%2e%2e/access.json", "/assets/../../../access.json", "/..%2faccess.json"):
        assert b"duration" not in site.ask("h1", path).body


@pytest.mark.parametrize("way", [pytest.param("h1", marks=pytest.mark.soak), "h2-tls"])
def test_in_a_browser(site, way, tmp_path, program):
    site.script = site.releases.publish(f"first-{way}")
    seen(site, lambda: site.script.encode() in site.ask("h1", "/").body)
    browser = Browser(
        program("chromium"), tmp_path / "profile", *trusting(HOST, authority().issue(HOST, "*.site.example"))
    )
    try:
        told = "document.documentElement.dataset"
        browser.open(f"{'https' if way == 'h2-tls' else 'http'}://{HOST}:{site.ports[way]}/orders/7")
        browser.wait("document.querySelector('main')?.textContent === 'order 7 of 100 lines'")
        browser.wait(f"{told}.event === 'live' && {told}.echo === 'HELLO'")
        assert browser.run("getComputedStyle(document.querySelector('main')).marginLeft") == "7px"
        browser.click("a")
        browser.wait("document.querySelector('main').textContent === 'order 8 of 100 lines'")
        browser.load()  # /orders/8, an address that the script has made
        browser.load()
        browser.wait("document.querySelector('main')?.textContent === 'order 8 of 100 lines'")
        wait_until(lambda: statuses(site, "/orders/8")[-2:] == [200, 304], "the log")
        assert statuses(site, f"/assets/{site.script}") == [200]  # the browser has it, for good
        former, site.script = site.script, site.releases.publish(f"second-{way}")
        seen(site, lambda: site.script.encode() in site.ask("h1", "/").body)
        seen(site, lambda: site.ask("h1", f"/assets/{former}").status == 404)
        browser.load()
        browser.wait(
            f"{told}.release === 'second-{way}' && document.querySelector('main').textContent.startsWith('order 8')"
        )
        assert browser.errors == []
    finally:
        browser.close()


def test_new_pages_find_their_scripts(site):
    """Whichever worker and route they ask, although each looks at the link by itself."""
    for number in range(5):
        script = site.releases.publish(f"new-{number}")
        seen(site, lambda script=script: script.encode() in site.ask("h1", "/").body)
        assert {site.ask("h1", f"/assets/{script}").status for _ in range(8)} == {200}, number


def test_releases_while_clients_ask(site):
    """Each answer is the whole page of one of them."""
    stop, pages, wrong = threading.Event(), set(), []

    def ask(way):
        while not stop.is_set():
            answer = site.ask(way, "/orders/1")
            pages.add(answer.body)
            if answer.status != 200 or not answer.body.endswith(b"</script>"):
                wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(way,)) for way in WAYS]
    for thread in threads:
        thread.start()
    for number in range(3):
        site.releases.publish(f"load-{number}-unseen")  # perhaps: links are looked at once a second
        script = site.releases.publish(f"load-{number}").encode()
        wait_until(lambda script=script: any(script in page for page in list(pages)), "the new release")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
