"""The pictures of the README: ``make pictures``.  What they show is real: rsp runs, under load.

``reload.svg``     a terminal in which two bad configurations are refused
``dashboard.svg``  the dashboard at the end of that; needs Chromium and pdftocairo (Debian: poppler-utils)
"""

import http.client
import io
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from tests.interop.browser import Browser

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
WIDTH = 112
GOOD = """\
listen "127.0.0.1:8080"
reload = { canary = "4s" }
dashboard = "127.0.0.1:9146"
upstream "app" { "127.0.0.1:9001", { "127.0.0.1:9002", weight = 2 } }
route { to = "app" }
"""
TYPO = GOOD.replace("weight", "wieght")
BUG = GOOD + 'function on_request(req)\n  if req.path == "/cart" then return respond(price + 1) end\nend\n'


class Load:
    """Eight clients; what they got."""

    def __init__(self) -> None:
        self.goes_on = True
        self.answers: dict[int, int] = {}
        self._threads = [threading.Thread(target=self._ask) for _ in range(8)]
        for each in self._threads:
            each.start()

    def _ask(self) -> None:
        while self.goes_on:
            client = http.client.HTTPConnection("127.0.0.1", 8080)
            for path in ("/", "/cart", "/news", "/cart"):
                client.request("GET", path)
                response = client.getresponse()
                response.read()
                self.answers[response.status] = self.answers.get(response.status, 0) + 1
                time.sleep(0.01)
            client.close()

    def end(self) -> None:
        self.goes_on = False
        for each in self._threads:
            each.join()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def typed(command: str, folder: Path) -> str:
    """``command`` in a terminal, as a person sees it."""
    shown, terminal = pty.openpty()
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    process = subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", command],
        cwd=folder,
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
        env=environment,
    )
    os.close(terminal)
    output = b""
    while True:
        try:
            piece = os.read(shown, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    process.wait()
    os.close(shown)
    return f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{output.decode()}".replace("\r\n", "\n")


def picture(text: str, name: str, title: str) -> None:
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=WIDTH)
    for line in AnsiDecoder().decode(text):
        console.print(line, soft_wrap=False)
    style = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.S)  # nothing is loaded from elsewhere
    svg = console.export_svg(title=title, theme=DIMMED_MONOKAI, code_format=style.replace("Fira Code", "ui-monospace"))
    (HERE / name).write_text(svg)


def photograph(name: str, folder: Path) -> None:
    browser = Browser("chromium", folder / "profile")
    try:
        browser.look(1400, 820)
        browser.open("http://127.0.0.1:9146/")
        time.sleep(6)  # some points of its curves
        browser.print(folder / "page.pdf", 1400, 820)
        subprocess.run(["pdftocairo", "-svg", folder / "page.pdf", folder / name], check=True)  # noqa: S603, S607
        exact = (folder / name).read_text()
        (HERE / name).write_text(re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", exact))
    finally:
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        site = folder / "site.lua"
        site.write_text(GOOD)
        backends = subprocess.Popen([BIN / "rsp", "demo", "--backends"], stdout=subprocess.DEVNULL)  # noqa: S603
        while not all(map(_listens, (9001, 9002))):
            time.sleep(0.1)
        with (folder / "log").open("wb") as log:
            rsp = subprocess.Popen([BIN / "rsp", "-w", "4", "site.lua"], cwd=folder, stdout=log, stderr=log)  # noqa: S603
        while b"Started" not in (folder / "log").read_bytes():
            time.sleep(0.1)
        load = Load()
        time.sleep(3)
        shown = []
        site.write_text(TYPO)
        shown.append(typed("rspctl reload                      # a typo", folder))
        site.write_text(BUG)
        shown.append(typed("tail -3 site.lua", folder))
        shown.append(typed("rspctl reload                      # a bug that only some requests meet", folder))
        site.write_text(GOOD.replace("weight = 2", "weight = 3"))
        shown.append(typed("rspctl reload                      # a good change", folder))
        shown.append(typed("rspctl peers", folder))
        photograph("dashboard.svg", folder)
        load.end()
        rsp.terminate()
        backends.terminate()
        rsp.wait()
        picture("\n".join(shown), "reload.svg", "bad configurations are refused while rsp serves")
        print("\n".join(shown), load.answers)


if __name__ == "__main__":
    main()
