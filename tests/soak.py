"""Tests with a short form, which always runs, and a long one, which only ``make soak`` runs."""

import os

import pytest
from hypothesis import settings


def short_and_long(name: str, short: object, long: object) -> pytest.MarkDecorator:
    """The test's argument ``name`` is ``short``, and in a case of its own ``long``."""
    return pytest.mark.parametrize(name, [short, pytest.param(long, marks=pytest.mark.soak)])


def examples(number: int) -> settings:
    """Of a property test; ``make soak`` looks at more."""
    return settings(max_examples=number * 20 if "RSP_SOAK" in os.environ else max(10, number // 2))
