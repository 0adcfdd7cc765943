"""Programs that interop tests talk to; in CI a missing one is a failure, elsewhere a skip."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest


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
