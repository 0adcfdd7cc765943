"""Hooks that try not to end in a running rsp: each is answered with 500, and the worker goes on."""

import time

from tests.harness import Backend, Rsp, answering, free_port, get

HOOKS = {
    "handler": "xpcall(function() while true do end end, function() while true do end end)",
    "thrown": "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "returned": "return setmetatable({}, { __tostring = function() while true do end end })",
    "insert": "table.insert({}, -2e9, 1)",
    "gsub": "local function f() return (('a'):gsub('a', f)) end f()",
    "pattern": "(('a'):rep(20000)):find('.-.-.-.-b')",
    "host": "limit.conn{ key = 'k', max = 1/0 }",
    "sleep": "sleep(1/0)",
    "cdata": "http.get{ upstream = 1LL }",
    "timer": "shared('\\3every'):set('0', 'x')",
    "library": "for k in pairs(string) do string[k] = nil end",
}


def test_no_hook_harms_its_worker(tmp_path):
    port = free_port()
    with Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as backend:
        routes = "\n".join(
            f'route {{ path = "/{name}", to = "app", on_request = function(req)\n{body}\nend }}'
            for name, body in HOOKS.items()
        )
        site = f"""
        listen "127.0.0.1:{port}"
        upstream "app" {{ "{backend.address}" }}
        route {{ path = "/", to = "app", on_request = function(req) req.headers["X-A"] = ("a"):upper() end }}
        {routes}
        """
        with Rsp(tmp_path, site) as rsp:
            workers = rsp.workers()
            for name in HOOKS:
                began = time.monotonic()
                assert get(port, f"/{name}").startswith(b"HTTP/1.1 500"), name
                assert time.monotonic() - began < 20, name
                assert get(port).endswith(b"ok"), name
            assert rsp.workers() == workers
            log = rsp.log
            assert "Traceback" not in log
            assert log.count("A hook failed: ") == len(HOOKS)
