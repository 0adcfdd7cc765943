"""Programs that interop tests talk to; in CI a missing one is a failure, elsewhere a skip.

``RSP_PICTURES``: a folder for pictures of pages.
"""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.browser import Browser


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    def find(*names: str) -> str:
        for name in names:
            found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
            if found is not None:
                return found
        if os.environ.get("RSP_TEST_ALL"):
            pytest.fail(f"{names[0]} is not installed")
        pytest.skip(f"{names[0]} is not installed")

    return find


@pytest.fixture
def processes():
    """Append what is to be terminated after the test."""
    started: list[subprocess.Popen] = []
    yield started
    for one in started:
        one.terminate()
        one.wait()


@pytest.fixture
def answers() -> Callable[[int], bool]:
    """Whether somebody speaks HTTP at a port."""

    def look(port: int) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    return look


@pytest.fixture
def browser(tmp_path, program):
    opened = Browser(program("chromium"), tmp_path / "profile")
    yield opened
    opened.close()


@pytest.fixture
def picture(browser, tmp_path):
    folder = Path(os.environ.get("RSP_PICTURES", tmp_path))

    def take(name, *, whole=False):
        browser.picture(folder / f"{name}.png", whole=whole)
        assert (folder / f"{name}.png").stat().st_size > 10_000

    return take
