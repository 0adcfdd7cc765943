"""``rsp explain``, ``rsp -t`` and ``rspctl drain`` say what is so, and why."""

import pytest

from tests.harness import Backend, Rsp, get, run_rsp, wait_until

HOOKED = """
listen "127.0.0.1:8000"
upstream "one" { "127.0.0.1:1" }
upstream "two" { "127.0.0.1:1", "127.0.0.1:2" }
on_request(function(req) if req.host ~= "shop" then return proxy(req.path:sub(2)) end end)
route { host = "shop", to = "one", on_request = function(req) local cart = nil; return cart.items end }
"""
TESTS = """
test("fine", function() simulate{ host = "shop" } end)
test("the shop", function()
  simulate{ path = "/one" }
  local r = simulate{ host = "shop" }
  assert(r.status == 200)
end)
test("no request", function() assert(false) end)
"""


@pytest.mark.parametrize(("upstream", "peers"), [("one", 1), ("two", 2)])
def test_explain_names_another_peer_only_where_there_is_one(tmp_path, upstream, peers):
    lines = run_rsp(tmp_path, "explain", "site.lua", f"GET /{upstream}", text=HOOKED).stdout.splitlines()
    assert lines[0] == "route:     none; the hook chooses the upstream"
    (line,) = [line for line in lines if line.startswith("upstream:")]
    assert line == f"upstream:  {upstream}, peer 127.0.0.1:1" + " (or the next peer in turn)" * (peers > 1)


def test_explain_says_how_to_find_the_condition_that_is_not_met(tmp_path):
    text = 'listen "127.0.0.1:8000" route { headers = { ["X-A"] = "b" }, respond = { body = "x" } }'
    plain = run_rsp(tmp_path, "explain", "site.lua", "GET /", text=text).stdout
    assert plain.endswith("\n(no route matches; --why lists the routes that were tried, and their conditions)\n")
    assert "--why" not in run_rsp(tmp_path, "explain", "site.lua", "GET /", "-H", "X-A: b", text=text).stdout
    why = run_rsp(tmp_path, "explain", "site.lua", "GET /", "--why", text=text).stdout
    assert 'headers = { ["X-A"] = "b" }, but the field x-a is missing' in why and "(no route" not in why


def test_a_failed_test_shows_what_its_last_simulate_logged(tmp_path):
    done = run_rsp(tmp_path, "-t", "site.lua", text=HOOKED + TESTS)
    assert done.returncode == 1
    fine, shop, other = done.stderr.split("rsp: test ")[1:]
    assert fine == "fine: ok\n"
    assert "site.lua:12: assertion failed!" in shop
    assert "  simulate logged: site.lua:6: attempt to index local 'cart' (a nil value)" in shop
    assert "  the last simulate: GET http://" in shop and ": status 500, route " in shop
    assert "assertion failed!" in other and "simulate" not in other, "it has simulated nothing"


def test_draining_the_last_peer_that_is_up_is_told(tmp_path):
    with Backend() as alive:
        text = (
            f'upstream "app" {{ "127.0.0.1:1", "{alive.address}", failures = {{ count = 1 }} }} route {{ to = "app" }}'
        )
        with Rsp(tmp_path, 'listen "127.0.0.1:{port}" ' + text) as rsp:
            for _ in range(2):
                assert get(rsp.port).startswith(b"HTTP/1.1 200")
            wait_until(lambda: rsp.state("127.0.0.1:1") != "up", "the dead peer to be out")
            words = "this was the last peer that is up; requests go to peers that are down or ejected\n"
            assert rsp.rspctl("drain", alive.address).stdout.endswith(words)
            assert rsp.rspctl("drain", "127.0.0.1:1").stdout.endswith("last peer that is up; requests get 503\n")
            assert get(rsp.port).startswith(b"HTTP/1.1 503")
            assert rsp.rspctl("enable", alive.address).returncode == 0
            assert "last peer" not in rsp.rspctl("drain", "127.0.0.1:1").stdout
