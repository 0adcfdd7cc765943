"""Routes end at segments, are shared between hosts, and are found in time that does not grow with what clients send."""

import pytest

from rsp.http.h1.codec import parse_request
from rsp.http.paths import ClimbingPath, UnclearDots
from rsp.http.routing import AmbiguousPath, Router, Rule, match


def router_of(routes):
    return Router((Rule((host,) if host else (), path), to) for host, path, to in routes)


def find(routes, path, host=b"h"):
    head = parse_request(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    return match(router_of(routes).levels(host), head, None)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"/api", "api"), (b"/api/", "api"), (b"/api/x", "api"), (b"/apifoo", "rest"), (b"/ap", "rest"), (b"/api.json", "rest"),
        (b"/static/", "static"), (b"/static/x", "static"), (b"/static", "rest"), (b"/staticfoo", "rest"),
    ],
)  # fmt: skip
def test_a_prefix_ends_at_a_segment(path, found):
    assert find([(None, "/api", "api"), (None, "/static/", "static"), (None, "/", "rest")], path) == found


@pytest.mark.parametrize("path", [b"/%61pifoo", b"/x/../apifoo", b"/apifoo%2fx"])
def test_the_normalised_path_ends_at_a_segment_too(path):
    assert find([(None, "/api", "api"), (None, "/", "rest")], path) == "rest"


def test_a_segment_that_only_the_normalised_path_has_is_refused():
    with pytest.raises(AmbiguousPath):
        find([(None, "/api", "api"), (None, "/", "rest")], b"/api%2fx")


@pytest.mark.parametrize(
    "path",
    [
        b"/../secret", b"/..", b"/a/../../a/b", b"/%2e%2e/secret", b"/a/%2E./.%2e/a", b"/..\\secret", b"/a\\..\\..\\a",
        b"/..%2fsecret", b"//../secret", b"/a/..%5c..%5ca", b"/./../x",
    ],
)  # fmt: skip
def test_a_path_above_the_root_is_refused_whatever_the_routes(path):
    with pytest.raises(ClimbingPath):
        find([(None, "/", "all")], path)


@pytest.mark.parametrize(
    "path",
    [
        # RFC 3986 reads /admin/foo, nginx /foo
        b"/x/../admin//../foo", b"/x/%2e%2e/admin//%2e%2e/foo", b"/a//../b", b"/a%2fb/../c",
        # some of the dots, or of the slashes, are escapes: read before or after the others
        b"/x/../admin/%2e%2e/foo", b"/x/../admin/..%2ffoo", b"/x/%2e%2e/admin/..%2ffoo", b"/x/../admin/..\\foo",
        # Tomcat reads /admin
        b"/x/..;/admin", b"/x/..;a=b/admin", b"/.;/admin", b"/x/%2e%2e;/admin", b"/x\\..;/admin", b"/x/..%3b/admin",
    ],
)  # fmt: skip
def test_dots_that_backends_read_in_two_ways_are_refused(path):
    with pytest.raises(UnclearDots):
        find([(None, "/admin", "admin"), (None, "/", "rest")], path)


@pytest.mark.parametrize(
    "path",
    [
        b"/a/../b", b"/a/./b", b"/a/..", b"/a/b/../", b"/a/%2e%2e/b", b"/a//b/../c", b"/a/..%2fb", b"/a/...", b"/..a/b", b"/a..;/b",
        b"/v1..2/x%20y", b"//host/../b", b"/a/b/.", b"/a;x=../b", b"/p/http://h/../x", b"/a/b%2f",
    ],
)  # fmt: skip
def test_dots_that_have_one_meaning_pass(path):
    assert find([(None, "/", "all")], path) == "all"


def test_an_encoded_path_is_matched_as_it_is_written():
    routes = [(None, "/caf%C3%A9/", "cafe"), (None, "/", "rest")]
    assert find(routes, b"/caf%C3%A9/menu") == "cafe"
    assert find(routes, b"/cafe/menu") == "rest"


def test_hosts_share_the_lists_of_routes():
    """Each remembered Host had a list of its own: 1,024 Hosts times 20,000 routes."""
    router = router_of([("*.example.com", "/w", "wild"), *((None, f"/{number}/", number) for number in range(1000))])
    chains = [router.levels(b"h%d.example.com" % number) for number in range(3000)]
    assert all(chain[-1] is chains[0][-1] and chain[0] is chains[0][0] for chain in chains)
    assert len(router._hosts._remembered) <= 1024
    unknown = [router.levels(b"h%d.other" % number) for number in range(3000)]
    assert all(chain is unknown[0] for chain in unknown)
    assert not any(b"other" in host for host in router._hosts._remembered)


def test_a_host_longer_than_any_name_is_not_taken_apart():
    router = router_of([("*.example.com", "/", "wild"), ("a.*", "/", "a"), (None, "/", "rest")])
    assert router.levels(b"a." * 6000 + b"example.com") == router.levels(b"other")
    assert not router._hosts._remembered
