"""The chain of idle connections does what a list would do."""

from hypothesis import given
from hypothesis import strategies as st

from rsp.exchange.forward.idle import Idle
from rsp.http.h1.client import PeerConnection
from tests.soak import examples

NUMBERS = st.integers(0, 5)
STEP = st.tuples(st.sampled_from(("add", "remove", "newest", "oldest")), NUMBERS)


def waiting():
    connection = PeerConnection.__new__(PeerConnection)
    connection.waits = False
    connection.older = connection.newer = None
    return connection


@examples(100)
@given(st.lists(STEP, max_size=60))
def test_the_chain_is_a_list(steps):
    chain, expected = Idle(), []
    connections = [waiting() for _ in range(6)]
    for what, number in steps:
        connection = connections[number]
        if what == "add" and connection not in expected:
            chain.add(connection)
            expected.append(connection)
        elif what == "remove":
            chain.remove(connection)
            if connection in expected:
                expected.remove(connection)
        elif what == "newest":
            assert chain.take_newest() is (expected.pop() if expected else None)
        elif what == "oldest":
            assert chain.take_oldest() is (expected.pop(0) if expected else None)
        assert chain.count == len(expected)
        for each in connections:
            assert each.waits == (each in expected)
            assert each in expected or (each.older is None and each.newer is None)  # nothing is kept alive
