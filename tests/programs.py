"""Programs that a test talks to: without one it is skipped, and in CI, where all have to be there, it fails."""

import os
import shutil

import pytest


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            if os.environ.get("RSP_TEST_ALL"):
                pytest.fail(f"{program} is not installed")
            pytest.skip(f"{program} is not installed")
