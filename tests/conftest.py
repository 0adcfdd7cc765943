"""Hypothesis: no deadlines, which would measure the machine; the same examples each time in CI."""

import os

from hypothesis import settings

settings.register_profile("rsp", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("rsp")
