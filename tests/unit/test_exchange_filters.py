"""An exchange alone, and filters that let pass, hold up, answer, and change; see ``test_exchange.py``."""

import pytest

from rsp.exchange.filter import DONE, HOLD, Notes
from rsp.http.message import CHUNKED
from tests.unit.fakes import FakeFilter, serving

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { path = "/x", to = "app" }\n'
TWO = 'upstream "app" { "127.0.0.1:2", "127.0.0.1:3" }\nroute { path = "/x", to = "app" }\n'
BODY = "POST /x\nTransfer-Encoding: chunked"
ANSWER = (403, b"text/plain", b"", b"no")


def answer(exchange):
    exchange.answer(ANSWER)
    return DONE


def passing(order, name):
    """A filter that notes what passes it."""

    def note(phase):
        return lambda exchange: order.append(f"{phase} {name}") or 0

    return FakeFilter(request=note("request"), response=note("response"))


@pytest.mark.parametrize("path", ["/x", "/nowhere"])
def test_the_order_of_filters(path):
    order = []
    everywhere, own = (passing(order, "a"), passing(order, "b")), (passing(order, "c"), passing(order, "d"))
    with serving(APP, everywhere=everywhere, own=own) as worker:
        worker.ask(f"GET {path}")
        if path == "/x":
            worker.accept().answer()
            seen = ["request a", "request b", "request c", "request d"]
            assert order == [*seen, "response d", "response c", "response b", "response a"]
        else:
            assert order == ["request a", "request b", "response b", "response a"]
            assert [each.seen[-2:] for each in everywhere] == [["response", 404]] * 2
            assert not any(each.seen for each in own)


@pytest.mark.parametrize("where", ["everywhere", "own"])
def test_a_filter_that_holds_the_request_up(where):
    one = FakeFilter(request=HOLD)
    with serving(APP, **{where: (one,)}) as worker:
        client = worker.ask(BODY, b"a", last=False)
        client.send(b"b")
        assert not worker.pool().attempts and client.events.is_moot()
        one.go_on()
        assert not client.events.is_moot()
        client.send(b"c", last=True)
        peer = worker.accept()
        assert peer.body == b"abc"
        peer.answer()
        assert client.ended == "kept" and one.seen == ["request", "response", 200]


def test_light_filters_make_no_passage():
    passages = []
    one = FakeFilter(light=True, request=lambda exchange: passages.append(exchange.passage) or 0)
    with serving(APP, own=(one, one)) as worker:
        client = worker.ask()
        worker.accept().answer()
        assert client.ended == "kept" and passages == [None, None]


@pytest.mark.parametrize("others", [True, False])
def test_a_light_filter_that_holds_the_request_up(others):
    """The request goes on behind it, once, whether filters that are not light are in the same route or not."""
    before, one, behind = FakeFilter(light=others), FakeFilter(light=True, request=HOLD), FakeFilter(light=True)
    with serving(APP, own=(before, one, behind)) as worker:
        client = worker.ask(BODY, b"a", last=False)
        assert client.events.is_moot() and not behind.seen
        one.go_on()
        client.send(b"b", last=True)
        peer = worker.accept()
        assert peer.body == b"ab"
        peer.answer()
        assert client.ended == "kept"
        assert [each.seen.count("request") for each in (before, one, behind)] == [1, 1, 1]


def test_a_light_filter_that_answers():
    one, behind = FakeFilter(light=True, request=answer), FakeFilter(light=True)
    with serving(APP, own=(one, behind)) as worker:
        client = worker.ask()
        assert (client.status, client.body, client.ended) == (403, b"no", "kept") and not behind.seen[:-2]


def test_a_client_that_is_gone_while_a_light_filter_holds():
    one, behind = FakeFilter(light=True, request=HOLD), FakeFilter(light=True)
    with serving(APP, own=(one, behind)) as worker:
        client = worker.ask(BODY, b"a", last=False)
        passage = client.events.passage
        client.go()
        assert passage.notes[0].calls_off == 1
        passage.go_on()  # too late
        assert "request" not in behind.seen and not worker.pool().attempts
        one.exchange = None
        del passage


class AtTheEnd(Notes):
    def __init__(self, name, order):
        self.waits, self.name, self.order = False, name, order

    def ended(self, exchange, status):
        self.order.append((self.name, status))


def test_notes_that_are_told_of_the_end():
    order = []

    def begin(exchange):
        for name in "ab":
            exchange.tell_of_end(AtTheEnd(name, order))
        return 0

    with serving(APP, own=(FakeFilter(light=True, request=begin),)) as worker:
        worker.ask()
        peer = worker.accept()
        assert order == []
        peer.answer()
        assert order == [("b", 200), ("a", 200)]


def test_the_body_waits_up_to_the_buffer():
    one = FakeFilter(request=HOLD)
    with serving("limits = { buffer = 2 }\n" + APP, own=(one,)) as worker:
        client = worker.ask(BODY, b"abc", last=False)
        assert client.paused
        one.go_on()
        assert client.paused
        peer = worker.accept()
        assert peer.body == b"abc" and not client.paused
        client.send(last=True)
        peer.answer()


@pytest.mark.parametrize("where", ["everywhere", "own"])
def test_a_filter_that_answers(where):
    one = FakeFilter(request=answer)
    with serving(APP, **{where: (one,)}) as worker:
        client = worker.ask()
        assert (client.status, client.body, client.ended) == (403, b"no", "kept")
        assert one.seen == ["request", "response", 403]


def test_a_filter_that_answers_later():
    one = FakeFilter(request=HOLD)
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        one.exchange.answer(ANSWER)
        assert client.status == 403


def test_a_filter_that_holds_the_response_up():
    one = FakeFilter(response=HOLD)
    with serving(APP, everywhere=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        assert not client.status and peer.paused
        client.drain()  # which resumes no peer that is held up
        assert peer.paused
        one.go_on()
        assert (client.status, client.body) == (200, b"a") and not peer.paused
        peer.send(b"b", last=True)
        assert client.body == b"ab" and client.ended == "kept"


def test_a_whole_response_is_held_up():
    one = FakeFilter(response=HOLD)
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        worker.accept().answer(200, b"a")
        assert not client.status
        one.go_on()
        assert (client.body, client.ended) == (b"a", "kept")


def test_a_filter_that_answers_in_the_place_of_the_peer():
    second = FakeFilter()

    def instead(exchange):
        if not exchange.own:
            exchange.answer(ANSWER)
            return DONE
        return 0

    one = FakeFilter(response=instead)
    with serving(APP, everywhere=(second,), own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        assert peer.aborted and (client.status, client.body) == (403, b"no")
        assert second.seen == ["request", "response", 403]


@pytest.mark.parametrize("phase", ["request", "response", "error"])
@pytest.mark.parametrize("how", ["go", "leave", "fail"])
def test_a_client_that_is_gone_while_a_filter_holds(phase, how):
    one = FakeFilter(**{phase: HOLD})
    with serving(APP, own=(one,)) as worker:
        client = worker.ask(BODY, b"a", last=False)
        if phase == "response":
            worker.accept().begin(200, [b"a"])
        elif phase == "error":
            worker.refuse()
        exchange = one.exchange
        passage = exchange.passage
        getattr(client, how)()
        assert passage.notes[0].calls_off == 1
        passage.go_on()  # too late
        assert worker.statuses == [400 if how == "fail" else 499]
        del exchange, passage


def test_a_filter_that_holds_an_error_up():
    one = FakeFilter(error=HOLD)
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        worker.refuse()
        assert not client.status
        one.go_on()
        assert client.status == 502 and one.seen == ["request", "error", "response", 502]


def test_a_filter_that_has_another_answer_for_an_error():
    one = FakeFilter(error=answer)
    with serving(APP, everywhere=(one,)) as worker:
        assert worker.ask("GET /nowhere").status == 403


def test_an_error_on_top_of_an_error():
    one = FakeFilter(error=HOLD)
    with serving('timeouts = { request = "2s" }\n' + APP, own=(one,)) as worker:
        client = worker.ask()
        worker.refuse()
        worker.wait(4)
        assert client.status == 504 and one.seen.count("error") == 1


def test_more_of_a_body_that_is_too_long_does_not_overtake_a_filter():
    one = FakeFilter(error=HOLD)
    with serving("limits = { body = 5 }\n" + APP, own=(one,)) as worker:
        client = worker.ask(BODY, b"abc", last=False)
        client.send(b"def")
        client.send(b"ghi")
        assert not client.status
        one.go_on()
        assert (client.status, client.ended) == (413, "closed")


def test_a_late_request_while_a_filter_holds_the_response_up():
    one = FakeFilter(response=lambda exchange: 0 if exchange.own else HOLD)
    with serving('timeouts = { request = "2s" }\n' + APP, own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        worker.wait(4)
        assert peer.aborted and (client.status, client.ended) == (504, "kept")


def test_another_peer_is_asked_where_one_fails_while_a_filter_looks_at_its_response():
    one = FakeFilter(response=HOLD)
    with serving(TWO, own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"old"])
        peer.fail()
        assert one.exchange.passage.notes[0].calls_off == 1
        one.go_on()  # what it held is no more
        assert not client.status
        worker.accept().answer(201, b"new")
        assert not client.status
        one.go_on()
        assert (client.status, client.body, client.ended) == (201, b"new", "kept")
        assert one.seen == ["request", "response", "response", 201]


def test_a_peer_that_fails_while_a_filter_looks_at_its_response_and_no_other_can_be_asked():
    one = FakeFilter(response=lambda exchange: 0 if exchange.own else HOLD)
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"old"])
        peer.fail()
        assert (client.status, client.ended) == (502, "kept")
        assert one.seen == ["request", "response", "error", "response", 502]


# -- bodies


def wanting(limit, got):
    def want(exchange):
        def wanted(body):
            got.append(body)
            if waits:
                exchange.passage.go_on()

        waits = False
        waits = exchange.passage.want_body(limit, wanted)
        return HOLD if waits else 0

    return want


@pytest.mark.parametrize("early", [False, True])
def test_a_filter_that_wants_the_request_s_body(early):
    got = []
    with serving("limits = { buffer = 1 }\n" + APP, own=(FakeFilter(request=wanting(9, got)),)) as worker:
        if early:
            worker.ask(BODY, b"abc")
        else:
            client = worker.ask(BODY + "\nExpect: 100-continue", b"ab", last=False)
            assert client.interims == [100] and not client.paused
            client.send(b"c", last=True)
        assert got == [b"abc"]
        peer = worker.accept()
        assert peer.body == b"abc" and b"Expect: 100-continue" not in peer.lines
        peer.answer()


def test_a_body_that_is_larger_than_a_filter_wants():
    got = []
    with serving(APP, own=(FakeFilter(request=wanting(2, got)),)) as worker:
        client = worker.ask(BODY, b"ab", last=False)
        client.send(b"c")
        assert got == [None]
        client.send(last=True)
        peer = worker.accept()
        assert peer.body == b"abc"
        peer.answer()


def test_a_body_in_the_place_of_the_client_s():
    def replace(exchange):
        exchange.passage.replace_body(b"mine")
        return 0

    with serving(APP, own=(FakeFilter(request=replace),)) as worker:
        client = worker.ask(BODY, b"ab", last=False)
        peer = worker.accept()
        assert (peer.body, peer.trailers) == (b"mine", [])
        client.send(b"c")
        peer.answer()
        assert client.status == 200


def test_a_filter_that_wants_the_response_s_body():
    got = []

    def want(exchange):
        held = exchange.passage.held

        def wanted(body):
            got.append(body)
            held.replace_body(body.upper())
            if waits:
                exchange.passage.go_on()

        waits = held.want_body(9, wanted)
        return HOLD if waits else 0

    with serving(APP, own=(FakeFilter(response=want),)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        assert not peer.paused and not client.status
        peer.send(b"b", last=True)
        assert got == [b"ab"]
        assert (client.body, client.framing, client.ended) == (b"AB", 2, "kept")


def filtering(exchange):
    if not exchange.own:
        exchange.passage.held.filter_body(filtering.by)
    return 0


@pytest.mark.parametrize("whole", [False, True])
def test_a_filter_of_bodies(whole):
    one = FakeFilter(
        response=filtering, body=lambda pieces, last: [*map(bytes.upper, pieces), *([b"!"] if last else [])]
    )
    filtering.by = one
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        if whole:
            peer.answer(200, b"ab")
        else:
            peer.begin(200, [b"a"], framing=2)
            peer.send(b"b", last=True)
        assert (client.body, client.framing, client.ended) == (b"AB!", CHUNKED, "kept")


@pytest.mark.parametrize("after", [0, 1])
def test_a_filter_of_bodies_that_fails(after):
    calls = []
    one = FakeFilter(
        response=filtering, body=lambda pieces, last: calls.append(1) or (None if len(calls) > after else pieces)
    )
    filtering.by = one
    with serving(APP, own=(one,)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        if after:
            peer.send(b"b")
        assert peer.aborted
        assert (client.status, client.ended) == ((200, "reset") if after else (500, "kept"))


def test_a_filter_that_makes_a_status_without_a_body():
    def change(exchange):
        held = exchange.passage.held
        held.head.status, held.changed = 204, True
        return 0

    with serving(APP, own=(FakeFilter(response=change),)) as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        assert peer.aborted and (client.status, client.body, client.ended) == (204, b"", "kept")
