"""promtool, which Prometheus brings along: a check of metrics, rules and queries that is not ours."""

import os
import shutil
import subprocess

import pytest


def promtool(*arguments: str, text: str = "") -> str:
    """What it says; nothing, where it finds nothing.  Fails with what it finds."""
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("RSP_TEST_ALL"):
            pytest.fail("promtool is not installed")
        pytest.skip("promtool is not installed")
    done = subprocess.run([found, *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
