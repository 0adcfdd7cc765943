"""How what is followed for ever is tried again, and what the log has of it."""

import pytest

from rsp.control.discovery import again
from rsp.control.discovery.again import PAUSES, Complaints, clause
from rsp.engines import pauses as room
from rsp.engines.failures import Unreachable
from rsp.engines.pauses import Pauses


def test_pauses_grow_up_to_a_bound_and_begin_anew(monkeypatch):
    monkeypatch.setattr(room.random, "uniform", lambda least, most: most)
    pauses = Pauses(*PAUSES)
    assert [pauses.next() for _ in range(6)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    pauses.begin_anew()
    assert pauses.next() == 0.2


def test_pauses_differ():
    assert len({Pauses(*PAUSES).next() for _ in range(20)}) > 1


def test_each_complaint_is_new_once_and_their_number_is_bounded(monkeypatch):
    monkeypatch.setattr(again, "_MOST", 3)
    complaints = Complaints()
    assert [complaints.is_new(text) for text in ("a", "b", "a", "c")] == [True, True, False, True]
    assert complaints.is_new("d")
    assert len(complaints.made) <= 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unreachable("10.0.0.5:2379: no answer"), "10.0.0.5:2379: no answer"),
        (ImportError("no aiohttp"), "its client library cannot be loaded: no aiohttp; restart rsp"),
        (KeyError("x\x1b[2J"), "it cannot be followed: KeyError: 'x\\x1b[2J'"),
    ],
)
def test_errors_are_clauses(error, said):
    assert clause(error) == said
