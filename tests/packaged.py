"""Whether an installed rsp is whole, for wheels, the .deb and the image alike: ``python3 packaged.py FOLDER``.

FOLDER has the programs ``rsp`` and ``rspctl``.  It needs Python alone: no package of the tests, and no module of rsp.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.request import urlopen

PATIENCE = 120  # seconds, for all of it: on a busy machine, too


def check(folder: Path) -> None:
    version = subprocess.run([folder / "rsp", "-V"], check=True, capture_output=True, text=True).stdout
    kind = "pure Python" if os.environ.get("RSP_PURE") else "compiled"
    assert f"data plane: {kind}" in version, version
    assert "rspctl" in subprocess.run([folder / "rspctl", "--help"], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as empty:
        command = [folder / "rsp", "demo", "-w", "1"]
        demo = subprocess.Popen(command, cwd=empty, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watchdog = threading.Timer(PATIENCE, demo.kill)
        watchdog.start()
        said: list[str] = []
        try:
            page, proxied = address(demo, "Open:", said), address(demo, "curl", said)
            assert "<title>rsp demo</title>" in ask(page)
            assert "Hello from" in ask(proxied)
        finally:
            demo.terminate()
            rest, _ = demo.communicate()
            watchdog.cancel()
        assert demo.returncode == 0, "".join(said) + rest
    print(version, end="")


def address(demo: subprocess.Popen[str], before: str, said: list[str]) -> str:
    """The word that the demo prints behind ``before``."""
    assert demo.stdout is not None
    for line in demo.stdout:
        said.append(line)
        words = line.split()
        if before in words:
            return words[words.index(before) + 1]
    raise AssertionError(f"rsp demo ended without {before!r}:\n{''.join(said)}")


def ask(url: str) -> str:
    with urlopen(url, timeout=PATIENCE) as response:
        return response.read().decode()


if __name__ == "__main__":
    check(Path(sys.argv[1]))
