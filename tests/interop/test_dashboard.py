"""The dashboard in Chromium, clicked through while there is traffic."""

import base64
import json
import os
import signal
import threading
import time

import bcrypt
import pytest

from tests.harness import Backend, Rsp, exchange, wait_until
from tests.ports import free_port

HOSTILE = "<img src=x onerror=alert(1)>"
TARGETS = [  # of slow requests: what a page must not take for its own
    b"/slow?<img%20src=x%20onerror=hacked()>&token=hidden",
    b"/slow</script><script>window.hacked=1</script>",
    b"/slow\"onmouseover='hacked()'",
    b"/slow%0d%0adata:%20{}%0d%0a%0d%0aevent:%20view",
    b"/slow\xe2\x80\xa8\xe2\x80\xaegnp.exe",
    b"/slow\xff\xfe\xc0\xaf",
    b"/slow__proto__&constructor=1",
    b"/slow" + b"A" * 6000,
]


def answer(connection, head, _rest):
    """As the path says: /500 fails, /slow takes its time."""
    path = head.split(b" ")[1]
    if path.startswith(b"/slow"):
        time.sleep(0.3)
    status = b"500 Internal Server Error" if path.startswith(b"/api/500") else b"200 OK"
    connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % status)
    return True


class Traffic:
    """Requests, one after the other, until the end of the block."""

    def __init__(self, port):
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        number = 0
        while not self._over.is_set():
            for path in (b"/", b"/", b"/api/v1", b"/api/500", TARGETS[number % len(TARGETS)]):
                exchange(self._port, b"GET %b HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" % path)
            number += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def rows(browser, table):
    """The texts of a table's cells."""
    script = (
        f"[...document.querySelectorAll('#{table} tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return browser.run(script)


def state(browser, peer):
    found = [row[1] for row in rows(browser, "upstream-table") if row[0] == peer]
    return found[0] if found else None


@pytest.mark.soak
def test_a_browser_shows_the_traffic_and_drains_a_peer(tmp_path, browser, picture):
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ada:{hashed}\n")
    port = free_port()
    with Backend(answer) as one, Backend(answer) as two:
        text = f"""
        dashboard = {{ address = "127.0.0.1:{port}", actions = true, users = "htpasswd" }}
        listen "127.0.0.1:{{port}}"
        upstream "app" {{ "{one.address}", "{two.address}", failures = {{ count = 0 }} }}
        route {{ to = "app" }}
        route {{ path = "/api", to = "app", name = "api {HOSTILE}", metrics = true }}
        """
        with Rsp(tmp_path, text, workers=2) as rsp, Traffic(rsp.port):
            browser.look(1440, 1000)
            login = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}
            browser.open(f"http://127.0.0.1:{port}/", login)
            browser.wait("document.querySelector('#link')?.textContent === 'live'")
            browser.wait("document.querySelectorAll('#route-table tbody tr').length >= 2")
            browser.wait("/[1-9]/.test(document.querySelector('#numbers dd').innerText)")
            browser.wait("!!document.querySelector('#request-table tbody tr')")
            browser.wait("document.querySelector('#rate path.line').getAttribute('d').length > 60")
            browser.wait(f"document.querySelectorAll('#request-table tbody tr').length >= {2 * len(TARGETS)}")
            slow = rows(browser, "request-table")
            assert all("/slow" in row[2] for row in slow) and "hidden" not in json.dumps(slow)
            assert any("<script>" in row[2] for row in slow)
            assert any("api <img" in row[0] for row in rows(browser, "route-table"))
            assert browser.run("document.querySelectorAll('main img, main script, main iframe').length") == 0
            assert browser.run("document.scripts.length === 1 && window.hacked === undefined")
            assert browser.run("document.documentElement.scrollWidth") <= 1440
            picture("light", whole=True)

            # one route's traffic, by the mouse; then all again, by the keyboard
            browser.click("#route-table tbody tr:first-child button")
            browser.wait(
                "!document.querySelector('#all').hidden && /route/.test(document.querySelector('#traffic-title').innerText)"
            )
            browser.click("#route-table tbody tr:nth-child(2) button")
            browser.wait("/median [0-9.]+/.test(document.querySelector('#latency .plot').getAttribute('aria-label'))")
            browser.press("Escape")
            browser.wait("document.querySelector('#all').hidden")

            # time ranges; a chart read with the keyboard
            browser.press("2")
            browser.wait("document.querySelector('[data-range=\"3600\"]').getAttribute('aria-pressed') === 'true'")
            browser.click("[data-range='300']")
            browser.run("document.querySelector('#rate .plot').focus()")
            browser.press("ArrowLeft")
            browser.wait("/ at \\d/.test(document.querySelector('#rate .plot').getAttribute('aria-label'))")

            # find
            browser.press("Escape")
            browser.run("document.activeElement.blur()")
            browser.press("/")
            browser.type("api")
            browser.wait("document.querySelectorAll('#route-table tbody tr').length === 1")
            browser.press("Escape")
            browser.wait("document.querySelectorAll('#route-table tbody tr').length >= 2")

            # orders
            assert state(browser, one.address) == "up"
            browser.click(f'button[aria-label="Drain {one.address} of app"]')
            browser.wait("document.querySelector('#dialog').open")
            picture("dialog")
            browser.press("Escape")
            browser.wait("!document.querySelector('#dialog').open")
            assert rsp.state(one.address) == "up"
            browser.click(f'button[aria-label="Drain {one.address} of app"]')
            browser.wait("document.querySelector('#dialog').open")
            browser.click("#dialog-do")
            wait_until(lambda: rsp.state(one.address).startswith("drain"), "drained")
            wait_until(lambda: (state(browser, one.address) or "").startswith("drain"), "drained on the page")
            browser.click(f'button[aria-label="Enable {one.address} of app"]')
            browser.press("Enter")  # the button has the focus
            wait_until(lambda: rsp.state(one.address) == "up", "enabled")
            browser.click(f'button[aria-label="Weight {two.address} of app"]')
            browser.wait("document.activeElement.id === 'dialog-weight'")
            browser.run("document.querySelector('#dialog-weight').value = 7")
            browser.click("#dialog-do")
            wait_until(lambda: rsp.peers()[two.address]["weight"] == 7, "the weight")

            # dark, and on a phone
            browser.look(1440, 1000, dark=True)
            assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
            picture("dark", whole=True)
            browser.look(390, 844, phone=True)
            assert browser.run("document.documentElement.scrollWidth") <= 390
            picture("phone", whole=True)
            browser.look(1440, 1000)

            # the control process dies: the page says so, or has not noticed, and goes on
            for _ in range(2):
                os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
                browser.run("window.before = page.view.at; 1")
                browser.wait("page.view.at > window.before && document.querySelector('#link').textContent === 'live'")

            # a reload, with what it changes
            rsp.reload(text + '\nroute { path = "/new", to = "app" }')
            browser.wait("!!document.querySelector('#reload-list details')")
            browser.click("#reload-list summary")
            browser.wait("/\\+route .*new/.test(document.querySelector('#reload-list pre').innerText)")
            picture("reload")
            lost = [one for one in browser.errors if "ERR_CONNECTION" not in one and "ERR_INCOMPLETE" not in one]
            assert not lost, lost
