"""Lines on their way to a log that other processes write to as well."""

import time

import pytest

from rsp.logs.outlet import Outlet


def written(data: bytes) -> bytes:
    taken: list[bytes] = []

    def send(piece: bytes) -> int:
        taken.append(piece)
        return len(piece)

    assert Outlet(-1, send, whole=True).put(data)
    return b"".join(taken)


def cost(width: int) -> float:
    """Seconds of the processor for a megabyte of lines, the least of some runs."""
    data, best = (b"x" * width + b"\n") * ((1 << 20) // width), float("inf")
    for _ in range(5):
        began = time.thread_time()
        written(data)
        best = min(best, time.thread_time() - began)
    return best


@pytest.mark.alone
def test_folding_did_work_in_proportion_to_the_square_of_what_clients_send():
    """A User-Agent of 3,900 bytes: two seconds for each megabyte of the access log, whether it was read or not."""
    assert cost(3_900) < max(5 * cost(100), 0.2)


@pytest.mark.parametrize(
    ("lines", "folded"),
    [
        (b"", b""),
        (b"a\n\nb\n", b"a\n\nb\n"),
        (b"x" * 4000 + b"\n", b"x" * 4000 + b"\n"),
        (b"x" * 5000 + b"\ny\n", b"x" * 4000 + b"\n    " + b"x" * 1000 + b"\ny\n"),
        (b"y\n" + b"x" * 8001, b"y\n" + b"x" * 4000 + b"\n    " + b"x" * 4000 + b"\n    x"),
    ],
)
def test_lines_too_long_for_one_write_are_folded(lines, folded):
    assert written(lines) == folded
