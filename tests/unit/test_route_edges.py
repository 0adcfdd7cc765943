"""Routes end at segments, are shared between hosts, and are found in time that does not grow with what clients send."""

import pytest

from rsp.http.routing import AmbiguousPath, Router, match, normalise_path


def find(routes, path, host=b"h"):
    return match(Router(routes).entries(host), path, normalise_path(path) == path)


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


def test_an_encoded_path_is_matched_as_it_is_written():
    routes = [(None, "/caf%C3%A9/", "cafe"), (None, "/", "rest")]
    assert find(routes, b"/caf%C3%A9/menu") == "cafe"
    assert find(routes, b"/cafe/menu") == "rest"


def test_hosts_share_the_lists_of_routes():
    """Each remembered Host had a list of its own: 1,024 Hosts times 20,000 routes."""
    router = Router([("*.example.com", "/w", "wild"), *((None, f"/{number}/", number) for number in range(1000))])
    chains = [router.entries(b"h%d.example.com" % number) for number in range(3000)]
    assert all(chain[-1] is chains[0][-1] and chain[0] is chains[0][0] for chain in chains)
    assert len(router._by_host) <= 1024
    unknown = [router.entries(b"h%d.other" % number) for number in range(3000)]
    assert all(chain is unknown[0] for chain in unknown)
    assert not any(b"other" in host for host in router._by_host)


def test_a_host_longer_than_any_name_is_not_taken_apart():
    router = Router([("*.example.com", "/", "wild"), (None, "/", "rest")])
    assert router.entries(b"a." * 6000 + b"example.com") == router.entries(b"other")
    assert not router._by_host
