"""What a phase of a hook tells the host: the first result names it, and what was not assigned is not there."""

import pytest

from rsp.ipc.shared_memory import Shared
from rsp.lua.evaluate import Evaluation
from rsp.lua.services import Services

REQUEST = {
    "": None,
    "local p = req.path": None,
    "return true": None,
    "req.path = '/new'": (b"change", None, b"/new?q=1", True, None, None),
    "req.query = 'a=b'": (b"change", None, b"/old?a=b", None, None, None),
    "req.method = 'PUT' req.body = ''": (b"change", b"PUT", None, None, None, b""),
    "req.host = 'a.example' req.host = 'b.example'": (b"change", None, None, None, b"b.example", None),
    "return respond(403)": (b"respond", 403, b"text/plain; charset=utf-8", b"", None),
    "req.path = '/new' return respond(200, 'ok', { a = 'b' })": (
        b"respond", 200, b"text/plain; charset=utf-8", b"a: b\r\n", b"ok",
    ),
    "req.path = '/' return proxy('app')": (b"proxy", b"app", None, None, b"/?q=1", True, None, None),
    "return proxy { peer = '10.0.0.9:80' }": (b"proxy", None, b"10.0.0.9:80", None, None, None, None, None),
}  # fmt: skip
RESPONSE = {
    "": None,
    "local status = res.status": None,
    "res.status = 201": (b"change", 201, None, None),
    "res.body = 'other'": (b"change", None, b"other", None),
    "res.filter = function(chunk) return chunk end": (b"change", None, None, True),
    "return respond(200, 'ok')": (b"respond", 200, b"text/plain; charset=utf-8", b"", b"ok"),
}


class Site:
    """A Lua state with one hook."""

    def __init__(self, directory, parameters: str, body: str) -> None:
        phase = "on_request" if parameters == "req" else "on_response"
        main = directory / "site.lua"
        main.write_text(f"function {phase}({parameters}) {body} end")
        services = Services()
        names = ("about", "wrong_upstream", "wrong_peer", "get_field", "set_field", "warn")
        evaluation = Evaluation(str(main), services, dict.fromkeys(names, lambda *_: None))
        self.runtime = evaluation.runtime
        self.runtime.freeze(300_000, 32 << 20)
        services.store = Shared(1 << 20)
        self.number = self.runtime.add(evaluation.hooks[0].function)
        self.phases = self.runtime.phases

    def request(self, number: int = 0):
        return self.phases[b"request"](self.number, number, b"GET", b"/old?q=1", b"x", b"10.0.0.1")

    def response(self):
        return self.phases[b"response"](self.number, 1, 200, True)


@pytest.mark.parametrize("body", REQUEST)
def test_outcomes_of_on_request(tmp_path, body):
    assert Site(tmp_path, "req", body).request() == REQUEST[body]


@pytest.mark.parametrize("body", RESPONSE)
def test_outcomes_of_on_response(tmp_path, body):
    assert Site(tmp_path, "req, res", body).response() == RESPONSE[body]


def test_what_is_told_once_is_not_told_again(tmp_path):
    site = Site(tmp_path, "req", "if not req.ctx.seen then req.ctx.seen = true req.method = 'PUT' end")
    assert site.request(1) == (b"change", b"PUT", None, None, None, None)
    assert site.request(1) is None
    site.phases[b"release"](1)
    assert site.request(1) == (b"change", b"PUT", None, None, None, None)


def test_a_hook_that_waits_and_one_that_fails(tmp_path):
    site = Site(tmp_path, "req", "sleep(1) error('no')")
    kind, task, operation, seconds, *_ = site.request()
    assert (kind, operation, seconds) == (b"waits", b"sleep", 1)
    kind, message, trace = site.phases[b"resume"](task, True)
    assert kind == b"failed"
    assert message.endswith(b"site.lua:1: no")
    assert b"traceback" in trace


def test_a_filter_gives_a_chunk_or_nothing(tmp_path):
    site = Site(tmp_path, "req, res", "res.filter = function(chunk) if chunk ~= '' then return chunk .. '!' end end")
    site.response()
    number = site.phases[b"filter_of"](1)
    assert site.phases[b"filter"](number, 1, b"a", False) == (b"chunk", b"a!")
    assert site.phases[b"filter"](number, 1, b"", True) is None
    site.phases[b"forget_filter"](number)
