"""What a server of HTTP/2 has to do, for tables of cases: each expectation reads from a client and asserts."""

from collections.abc import Callable, Iterable
from itertools import groupby

from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.h2_client import Client

Step = bytes | Callable[[Client], None]
PING_DATA = b"no words"


def play(client: Client, steps: Iterable[Step]) -> None:
    """What is sent in a row goes in one piece, so that the server cannot answer half of it before it has the rest."""
    for sends, group in groupby(steps, lambda step: isinstance(step, bytes)):
        if sends:
            client.send(*group)
        else:
            for step in group:
                step(client)


def _find(client: Client, kind: type, what: str, matches: Callable[[object], bool] = lambda _: True) -> object:
    """A frame that has arrived or arrives now."""

    def found() -> list[object]:
        return [one for one in client.frames if isinstance(one, kind) and matches(one)]

    client.wait(found, what)
    return found()[0]


def handshake(client: Client) -> None:
    assert client.read() and isinstance(client.frames[0], SettingsFrame), client.story()
    assert "ACK" not in client.frames[0].flags
    acknowledged(client)


def acknowledged(client: Client) -> None:
    """SETTINGS with ACK; what came before is forgotten."""
    one = _find(client, SettingsFrame, "SETTINGS with ACK", lambda one: "ACK" in one.flags)
    del client.frames[: client.frames.index(one) + 1]


def pong(client: Client) -> None:
    one = _find(client, PingFrame, "PING with ACK")
    assert "ACK" in one.flags and one.opaque_data == PING_DATA, client.story()


def pong_or_closed(client: Client) -> None:
    while client.read() and not isinstance(client.frames[-1], PingFrame):
        pass
    if not client.closed:
        pong(client)


def answered(client: Client) -> None:
    one = _find(client, HeadersFrame, "HEADERS")
    assert one.stream_id == 1
    assert client.streams[1].status in (200, 405), client.streams[1]
    pings(client)


def pings(client: Client) -> None:
    """The connection lives."""
    client.pong()


def stream_ended(client: Client) -> None:
    client.finish(client.expect(1))


def data_of(length: int) -> Step:
    def check(client: Client) -> None:
        one = _find(client, DataFrame, "DATA")
        assert one.flow_controlled_length == length
        client.frames.remove(one)

    return check


def some_data(client: Client) -> None:
    _find(client, DataFrame, "DATA")


def closed(client: Client) -> None:
    client.drain()


def turned_away(client: Client) -> None:
    """On a port for both protocols it was a request of HTTP/1.1, and not a good one."""
    received = b""
    while more := client.sock.recv(1000):
        received += more
    assert received.startswith(b"HTTP/1.1 400 ")


def connection_error(*codes: int) -> Step:
    """GOAWAY with one of these codes, then the end."""

    def check(client: Client) -> None:
        assert client.error() in codes, client.story()

    return check


def stream_error(*codes: int, number: int = 1) -> Step:
    """RST_STREAM of that stream, and the connection goes on; or a connection error."""

    def check(client: Client) -> None:
        kinds = (RstStreamFrame, GoAwayFrame)
        one = _find(client, kinds, "RST_STREAM or GOAWAY")
        assert one.error_code in codes, client.story()
        if isinstance(one, RstStreamFrame):
            assert one.stream_id == number
            pings(client)
        else:
            closed(client)

    return check


def reset_of_stream(*codes: int, number: int = 1) -> Step:
    """RST_STREAM, and nothing less will do."""

    def check(client: Client) -> None:
        one = _find(client, RstStreamFrame, "RST_STREAM")
        assert one.stream_id == number and one.error_code in codes, client.story()
        pings(client)

    return check
