"""The master is told of what changes only, and ends with what the name stands for."""

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.answers import Answers
from rsp.ipc.channel import Found
from rsp.ipc.peer_table import Target

NAME = Peer("app.test:8000")
ANSWER = st.dictionaries(st.integers(0, 9), st.integers(1, 2), max_size=10)


def targets(answer):
    return [Target(Peer(f"10.0.0.{number}:8000"), weight) for number, weight in answer.items()]


@given(st.lists(ANSWER, max_size=8))
def test_what_the_master_knows_follows_each_answer(listed):
    answers, known = Answers(), {}
    for answer in listed:
        news = answers.news(NAME, targets(answer))
        if isinstance(news, Found):
            known = {target.address: target for target in news.targets}
        elif news is not None:
            assert len(news.come) + len(news.gone) <= max(1, len(answer))
            known = {address: target for address, target in known.items() if address not in news.gone}
            known |= {target.address: target for target in news.come}
        assert known == {target.address: target for target in targets(answer)}


def test_what_is_the_same_is_not_told_again_before_it_is_forgotten():
    answers, those = Answers(), targets({1: 1})
    assert answers.news(NAME, those) == Found(NAME, those)
    assert answers.news(NAME, those) is None
    app = Upstream(name="app", peers=(UpstreamPeer(address=NAME),))
    answers.only(Config(settings=Settings(), listeners=(), upstreams=(app,), routes=()), None)
    assert answers.news(NAME, those) is None
    answers.only(None)
    assert answers.news(NAME, those) == Found(NAME, those)
    assert answers.news(NAME, None) == Found(NAME, None)
