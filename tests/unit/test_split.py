"""``split``, an exchange alone: shares by counting, and clients that stay."""

from collections import Counter

import pytest

from tests.unit.fakes import serving

SITE = """
upstream "blue" { "127.0.0.1:2" }
upstream "green" { "127.0.0.1:3" }
upstream "grey" { "127.0.0.1:4" }
route { path = "/x", split = { to = { blue = BLUE, green = GREEN, grey = 0 }, sticky = STICKY } }
route { path = "/y", split = { to = { grey = 5, green = 5, blue = 90 }, sticky = STICKY } }
"""


def site(blue=90, green=10, sticky="false"):
    return SITE.replace("BLUE", str(blue)).replace("GREEN", str(green)).replace("STICKY", sticky)


def ask(worker, text="GET /x", status=200):
    """One request, answered: the upstream that it went to, and the cookie that it was answered with."""
    client = worker.ask(text)
    name = client.events.upstream.name
    pool = worker.pool(0, name)
    stream = pool.accept() if pool.attempts else pool.stream
    stream.answer(status)
    cookies = [line for line in client.lines if line.startswith(b"Set-Cookie: ")]
    assert len(cookies) <= 1
    return name, cookies[0].removeprefix(b"Set-Cookie: ").decode() if cookies else ""


@pytest.mark.parametrize(("blue", "green"), [(90, 10), (1, 1), (1, 0), (2, 1)])
def test_shares_by_counting(blue, green):
    with serving(site(blue, green)) as worker:
        seen = Counter(ask(worker)[0] for _ in range(300))
        assert abs(seen["blue"] - 300 * blue / (blue + green)) <= 4
        assert seen["blue"] + seen["green"] == 300


def test_a_client_stays_by_its_cookie():
    with serving(site(1, 1, "true")) as worker:
        for _ in range(10):
            name, cookie = ask(worker)
            pair, _, attributes = cookie.partition("; ")
            assert attributes == "Path=/; HttpOnly; SameSite=Lax"
            assert name not in pair and "blue" not in pair
            for path in ("/x", "/x/z?q", "/y"):  # the same upstreams: one cookie for all these routes
                assert ask(worker, f"GET {path}\nCookie: a=b; {pair}; c=d") == (name, "")


def test_peers_may_be_sticky_as_well():
    text = site(1, 0, "true").replace('{ "127.0.0.1:2" }', '{ "127.0.0.1:2", "127.0.0.1:5", sticky = "peer" }')
    with serving('trusted = { "192.0.2.0/24" }' + text) as worker:
        client = worker.ask("GET /x\nX-Forwarded-Proto: https")
        worker.accept().answer()
        lines = [line for line in client.lines if line.startswith(b"Set-Cookie: ")]
        assert len(lines) == 2 and all(line.endswith(b"; Secure") for line in lines)
        pairs = "; ".join(line.split(b": ")[1].split(b";")[0].decode() for line in lines)
        again = worker.ask(f"GET /x\nCookie: {pairs}")
        worker.asked().stream.answer()
        assert b"Set-Cookie" not in again.fields


def test_cookies_that_name_nothing():
    with serving(site(1, 1, "true")) as worker:
        pair = ask(worker)[1].partition(";")[0]
        name, _, value = pair.partition("=")
        for wrong in (f"{name}=nope", f"{name}=", name, f"x{pair}", f"{name}={value[:5]}"):
            seen = {ask(worker, f"GET /x\nCookie: {wrong}")[0] for _ in range(8)}
            assert seen == {"blue", "green"}, wrong
        assert ask(worker, f"GET /x\nCookie: {name}=nope")[1]


def test_a_client_leaves_where_no_more_may_go():
    """Back to blue: green has weight 0."""
    with serving(site(0, 1, "true")) as worker:
        name, cookie = ask(worker)
        assert name == "green"
        worker.use(site(1, 0, "true"))
        name, fresh = ask(worker, f"GET /x\nCookie: {cookie.partition(';')[0]}")
        assert name == "blue" and fresh and fresh != cookie


def test_an_error_of_rsps_own_binds_to_nothing():
    with serving(site(1, 0, "true")) as worker:
        client = worker.ask("GET /x")
        worker.refuse()
        assert client.status == 502 and b"Set-Cookie" not in client.fields


def test_the_cookie_is_for_tls_where_the_client_has_it():
    with serving('trusted = { "192.0.2.0/24" }' + site(1, 0, "true")) as worker:
        assert ask(worker, "GET /x\nX-Forwarded-Proto: https")[1].endswith("; Secure")


def test_rewriting_and_failover_go_with_it():
    text = site(1, 0).replace('route { path = "/x"', 'route { path = "/x", strip = true, failover = { to = "grey" }')
    with serving(text) as worker:
        client = worker.ask("GET /x/a")
        worker.refuse()
        peer = worker.pool(0, "grey").accept()
        assert peer.target == b"/a"
        peer.answer(200, b"grey")
        assert client.body == b"grey"
