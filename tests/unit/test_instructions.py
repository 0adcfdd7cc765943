"""A request costs as many instructions as when they were recorded last: ``make instructions`` records anew."""

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.instruction_count import count, flags, grown, key, recorded, total

ALLOWED = 1.03

HEADER = Path("/usr/include/valgrind/callgrind.h")
absent = [name for name in ("valgrind", "setarch", "cc") if shutil.which(name) is None]
absent += [] if HEADER.exists() else [str(HEADER)]
counting = pytest.mark.skipif(bool(absent) and "RSP_TEST_ALL" not in os.environ, reason=f"needs {', '.join(absent)}")


@counting
def test_a_request_costs_no_more_than_recorded(tmp_path):
    if os.environ.get("RSP_PURE") or flags() is None:
        pytest.skip("the modules are not compiled")
    before = recorded().get(key())
    if before is None:
        pytest.skip(f"instructions are not recorded for: {key()}")
    now = count(tmp_path)
    assert now.keys() == before.keys()
    for request, functions in now.items():
        was, each = total(before[request]), total(functions)
        assert each <= was * ALLOWED, (
            f"{request}: {each:,.0f} instructions, {each / was - 1:+.1%} of {was:,.0f}; these functions grew most:\n"
            f"{grown(before[request], functions)}\nIf that is intended, run make instructions."
        )


@pytest.mark.soak
@counting
def test_two_runs_count_the_same(tmp_path):
    if os.environ.get("RSP_PURE"):
        pytest.skip("the modules are not compiled")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = count(tmp_path / "first"), count(tmp_path / "second")
    for request, functions in first.items():
        assert total(functions) == pytest.approx(total(second[request]), rel=0.001)


def test_the_functions_that_grew_are_named():
    before = {"parse": 1000.0, "write": 500.0, "others": 30.0}
    after = {"parse": 900.0, "write": 620.0, "added": 50.0, "small": 3.0}
    assert grown(before, after).split() == ["+120", "write", "+50", "added"]
