"""Whatever fields a client sends: a peer gets one traceparent, valid, and nothing of another trace."""

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.observe import Tracing
from rsp.config.schema import Settings
from rsp.exchange.answers import Pages
from rsp.exchange.exchange import Exchange
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.forward.journal import Journal
from rsp.exchange.running_config import RunningConfig
from rsp.exchange.subject import Subject
from rsp.exchange.tracer import Tracer
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request
from rsp.http.lines import each
from rsp.http.message import OutgoingHead, RequestHead
from rsp.http.stream import ClientSession
from rsp.http.trace_context import parse_traceparent, sound_tracestate
from rsp.logs.secrets import Secrets
from tests.soak import examples

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

names = st.sampled_from(
    ["traceparent", "Traceparent", "TRACEPARENT", "tracestate", "TraceState", "X-A", "trace_parent", "Cookie"]
)
values = st.sampled_from([VALID, VALID.upper(), VALID + "-x", "cc" + VALID[2:], "a=1", "a=1,b=2", ",", ""]) | st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60
)
fields = st.lists(st.tuples(names, values), max_size=8)


def received(head: RequestHead, trusted: bool) -> Subject:
    """As much of an exchange as is asked for."""
    exchange = Exchange.__new__(Exchange)
    exchange.head = head
    exchange.journal = None
    exchange.session = ClientSession(b"192.0.2.1", "127.0.0.1:80", b"http")
    trusts = ("192.0.2.0/24",) if trusted else ()
    exchange.config = RunningConfig(Forwarded(Settings(trusted=trusts)), Pages(()), Secrets())
    return exchange


def others(block: bytes) -> list[bytes]:
    """The lines of other fields."""
    return [
        line for line in block.split(b"\r\n") if line.partition(b":")[0].lower() not in (b"traceparent", b"tracestate")
    ]


@examples(500)
@given(fields, st.booleans(), st.sampled_from([0.0, 1.0]), st.booleans())
def test_a_peer_gets_one_traceparent(given_fields, trusted, sample, chunked):
    lines = "".join(f"{name}: {value}\r\n" for name, value in given_fields)
    framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
    try:
        head = parse_request(f"POST / HTTP/1.1\r\nHost: a\r\n{framing}{lines}\r\n".encode())
    except ProtocolError:
        return
    before = head.fields
    exchange = received(head, trusted)
    Tracer(Tracing(endpoint="http://a/b", sample=sample)).begin(exchange)
    trace = exchange.journal.trace
    caller = parse_traceparent(each(before, b"traceparent"))

    # what hooks see
    (own,) = each(head.fields, b"traceparent")
    seen = parse_traceparent([own])
    assert seen is not None and seen.span_id == trace.span_id
    # what the peer sees
    journal = exchange.journal
    noted = journal.begin_try(b"192.0.2.2:80", 1.0)
    outgoing = OutgoingHead(head, b"/", b"a", head.fields, b"", b"")
    trace.name_try(outgoing, noted)
    (told,) = each(outgoing.fields, b"traceparent")
    parent = parse_traceparent([told])
    assert parent is not None
    assert parent.span_id == (noted.id if trace.is_sampled else trace.span_id)
    assert (noted.id != b"") == trace.is_sampled and noted.id != trace.span_id
    assert parent.trace_id == seen.trace_id == trace.trace_id

    states = each(outgoing.fields, b"tracestate")
    if caller is None:
        assert parent.trace_id != VALID[3:35].encode() and trace.parent == b"" and states == []
    else:
        assert (parent.trace_id, trace.parent) == (caller.trace_id, caller.span_id)
        expected = sound_tracestate(each(before, b"tracestate"))
        assert states == ([expected] if expected else [])
    assert parent.is_sampled == (caller.is_sampled if trusted and caller is not None else sample == 1.0)
    assert parent.is_random == (caller is None or caller.is_random)
    assert trace.flags == parent.is_sampled + 2 * parent.is_random
    # nothing else has changed
    assert others(outgoing.fields) == others(before)
    assert (head.barred or set()) == ({b"traceparent", b"tracestate"} if chunked else set())


def test_what_is_noted_is_bounded():
    journal = Journal(parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    tries = [journal.begin_try(b"a:1", 1.0) for _ in range(100)]
    for _ in range(100):
        journal.begin_hook("on_request", 1.0)
        journal.end_hook(2.0)
    calls = [journal.begin_call(journal.head) for _ in range(100)]
    assert (len(journal.tries), len(journal.hooks), len(journal.calls)) == (16, 16, 8)
    assert journal.left_out == 84 + 84 + 92
    assert None not in tries[:16] and tries[16:] == [None] * 84
    assert calls[8:] == [None] * 92
