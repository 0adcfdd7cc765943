"""Fields of hostile requests: whatever a client sends, a line is a line, and says what was sent."""

import json

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.log_fields import DEFAULT_JSON, FIELDS
from rsp.http.errors import ProtocolError
from tests.soak import examples
from tests.unit.fakes import FakeWorker

NAMES = (*FIELDS, "request.header.x-odd", "response.header.content-type", "response.header.content-length",
         "query.a", "query.token", "cookie.a", "log.a", "request.header.cookie", "request.header.host")  # fmt: skip
KEYS = ", ".join(f'["{name}"] = "{name}"' for name in NAMES)
TEXT = " ".join(f"{{{name}}}" for name in NAMES)
WHEN = " or ".join(f"not {name}" for name in NAMES) + " or status >= 100"
SITE = f"""upstream "app" {{ "127.0.0.1:8000" }}
access_log = {{ {{ path = "a", format = "json", fields = {{ {KEYS} }}, when = '{WHEN}' }},
  {{ path = "a", format = "{TEXT}" }}, {{ path = "a" }}, {{ path = "a", format = "json" }} }}
route {{ respond = {{ status = 200, body = "x" }} }}"""

ODD = st.binary(max_size=30).map(lambda data: data.translate(None, b"\r\n\0"))
PATHS = st.binary(max_size=30).map(lambda data: bytes(byte for byte in data if 0x20 < byte < 0x7F))


@examples(150)
@given(path=PATHS, query=PATHS, value=ODD, cookie=ODD, agent=ODD, referer=ODD)
def test_lines_of_hostile_requests(path, query, value, cookie, agent, referer):
    head = b"GET /%b?%b HTTP/1.1\r\nHost: t\r\nX-Odd: %b\r\nCookie: a=%b\r\nUser-Agent: %b\r\nReferer: %b\r\n\r\n" % (
        path,
        query,
        value,
        cookie,
        agent,
        referer,
    )
    with FakeWorker(SITE) as worker:
        try:
            client = worker.ask(head)
        except ProtocolError:  # nothing that a log line comes of here
            return
        assert client.ended
        lines = worker.log.lines
    assert len(lines) == 4
    for line in lines:
        assert line.endswith("\n") and line[:-1].isascii() and line[:-1].isprintable()
    entry, default = json.loads(lines[0]), json.loads(lines[3])
    assert list(entry)[: len(DEFAULT_JSON)] == list(DEFAULT_JSON) == list(default)
    assert {name: entry[name] for name in DEFAULT_JSON if name != "time"} == {
        name: default[name] for name in DEFAULT_JSON if name != "time"
    }
    assert set(entry) == {*DEFAULT_JSON, *NAMES}
    if not any(byte in value for byte in b"%=@"):  # else it may be masked
        assert entry["request.header.x-odd"] == value.strip(b" \t").decode("utf-8", "replace")
    assert entry["user_agent"] == agent.strip(b" \t").decode("utf-8", "replace")
    assert entry["cookie.a"] == "***" and entry["request.header.cookie"].startswith("a=***")
    assert entry["status"] in (200, 400) and (entry["response.header.content-length"] == "1" or entry["status"] == 400)
