"""Chromium for tests, over its DevTools protocol: open a page, look, click, type, take pictures."""

import base64
import hashlib
import itertools
import json
import re
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

from tests.certificates import Issued

PATIENCE = 30.0
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39}


def trusting(host: str, issued: Issued) -> tuple[str, str]:
    """Arguments for a name at this machine, and for its certificate: without them nothing of it would be cached."""
    key = issued.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return f"--ignore-certificate-errors-spki-list={digest}", f"--host-resolver-rules=MAP {host} 127.0.0.1"


class Browser:
    """One page.  ``errors``: what its console has said, and exceptions in it.  ``loads``: how often a page was complete."""

    def __init__(self, program: str, profile: Path, *arguments: str) -> None:
        log = (profile.parent / f"{profile.name}.log").open("wb")
        self._process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--hide-scrollbars",
             "--force-color-profile=srgb", f"--user-data-dir={profile}", *arguments, "about:blank"],
            stderr=log, stdout=log,
        )  # fmt: skip
        self._numbers = itertools.count(1)
        self._session = ""
        self.errors: list[str] = []
        self.loads = 0
        self._opened = ExitStack()
        address = self._address(Path(log.name))
        self._socket = self._opened.enter_context(connect(address, max_size=None, open_timeout=PATIENCE))
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def _address(self, log: Path) -> str:
        give_up = time.monotonic() + PATIENCE
        while not (found := re.search(r"DevTools listening on (ws://\S+)", log.read_text(errors="replace"))):
            assert time.monotonic() < give_up and self._process.poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        return found[1]

    def _call(self, method: str, **params: object) -> dict:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message: dict) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"][:500])

    def open(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._call("Network.setExtraHTTPHeaders", headers=headers or {})
        self._call("Page.navigate", url=url)

    def load(self, url: str | None = None) -> None:
        """Open a page, or the same once more, and wait until it is complete."""
        before = self.loads
        if url is None:
            self._call("Page.reload")
        else:
            self.open(url)
        while self.loads == before:
            self._note(json.loads(self._socket.recv(timeout=PATIENCE)))

    def look(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )  # fmt: skip
        scheme = "dark" if dark else "light"
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        data = self._call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def print(self, path: Path, width: int, height: int) -> None:
        """As a PDF of one page, ``width`` and ``height`` in pixels, with the colours of the screen."""
        self._call("Emulation.setEmulatedMedia", media="screen")
        paper = {"paperWidth": width / 96, "paperHeight": height / 96, "pageRanges": "1", "printBackground": True}
        margins = {f"margin{side}": 0 for side in ("Top", "Bottom", "Left", "Right")}
        path.write_bytes(base64.b64decode(self._call("Page.printToPDF", **paper, **margins)["data"]))

    def run(self, expression: str) -> object:
        """The value of an expression in the page."""
        done = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, expression: str, patience: float = PATIENCE) -> object:
        """Until it is true."""
        give_up = time.monotonic() + patience
        while not (value := self.run(expression)):
            assert time.monotonic() < give_up, (
                f"waited for {expression}: {self.errors} {self.run('document.body.innerText')}"
            )
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of it."""
        place = self.wait(
            f"""(() => {{ const it = document.querySelector({json.dumps(selector)}); if (!it) return null;
            it.scrollIntoView({{ block: "center", behavior: "instant" }}); const box = it.getBoundingClientRect();
            return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )  # fmt: skip

    def press(self, key: str) -> None:
        text = {} if key in _KEYS else {"text": key}
        code = {"windowsVirtualKeyCode": _KEYS[key]} if key in _KEYS else {}
        if key == "Enter":
            text = {"text": "\r"}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}), **code)

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def close(self) -> None:
        with suppress(Exception):
            self._session = ""
            self._call("Browser.close")
        with suppress(Exception):
            self._opened.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
