"""Hypothesis: no deadlines, which would measure the machine; the same examples each time in CI.

Budgets of hooks are processor time, so a collection of all that earlier tests have left must not fall into them.
"""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("rsp", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("rsp")


@pytest.fixture(scope="module", autouse=True)
def _collections_are_short() -> Iterator[None]:
    """As in a worker."""
    gc.freeze()
    yield
    gc.unfreeze()
