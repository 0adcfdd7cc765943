"""Routing, by precedence; and how long a worker waits to be started again."""

import pytest

from rsp.http.h1.codec import parse_request
from rsp.http.hosts import normalise_host
from rsp.http.paths import normalise_path
from rsp.http.routing import AmbiguousPath, Router, Rule, match
from rsp.supervise.child import restart_delay


def routed(host: str, path: str):
    """Where a request goes, as its head is understood."""
    method = "OPTIONS" if path == "*" else "GET"
    head = parse_request(f"{method} {path} HTTP/1.1\r\nHost: {host or 'x'}\r\n\r\n".encode())
    router = Router((Rule((name,) if name else (), prefix), to) for name, prefix, to in ROUTES)
    return match(router.levels(host.encode()), head, None)


def test_restart_delay_grows_to_a_limit():
    delays = [restart_delay(failures) for failures in range(20)]
    assert delays[:4] == [0.0, 0.1, 0.2, 0.4]
    assert delays[-1] == 30.0
    assert sum(delays[:6]) > 3  # five failures at once do not spin the machine


ROUTES = [
    ("api.example.com", "/", "api"),
    ("api.example.com", "/v2/", "api2"),
    ("*.example.com", "/", "wild"),
    ("*.deep.example.com", "/", "deep"),
    (None, "/static/", "static"),
    (None, "/static/", "second"),
    ("*.only.org", "/x/", "only"),
    ("app.*", "/", "app*"),
    ("App.A.*", "/", "app.a*"),
    (None, "/", "app"),
]


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("api.example.com", "/", "api"), ("API.example.com:8080", "/v1", "api"), ("api.example.com.", "/v2/x", "api2"),
        ("www.example.com", "/static/", "wild"), ("a.b.example.com", "/", "wild"), ("x.deep.example.com", "/", "deep"),
        ("example.com", "/", "app"), ("app.example.com", "/", "wild"), ("app.test", "/", "app*"), ("app.a.test", "/x", "app.a*"), ("app", "/", "app"),
        ("other", "/static/x?y=/z", "static"), ("other", "/static", "app"),
        ("a.only.org", "/x/1", "only"), ("a.only.org", "/y", "app"), ("[::1]:80", "/", "app"), ("", "*", "app"), ("api.example.com", "*", "api"),
    ],
)  # fmt: skip
def test_precedence(host, path, found):
    assert routed(host, path) == found


@pytest.mark.parametrize(
    "path", ["/static/../admin", "/%73tatic/x", "/static/%2e%2e/x", "//static/x", "/static/..%2fx", "/x/..\\static/y"]
)
def test_paths_that_escape_are_refused(path):
    with pytest.raises(AmbiguousPath):
        routed("h", path)


@pytest.mark.parametrize("path", ["/static/a%20b", "/static/a/../b", "/a//b", "/a%2fb", "/static/%2e/x"])
def test_harmless_ambiguity_passes(path):
    assert routed("h", path) in ("static", "app")


def test_normalising():
    assert normalise_path(b"/a/./b//../c/%64/") == b"/a/c/d/"
    assert normalise_path(b"/../..") == b"/"
    assert normalise_host(b"[::1]:80") == b"[::1]"
