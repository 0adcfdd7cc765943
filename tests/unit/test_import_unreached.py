"""Routes that an expression before them leaves no path."""

import pytest

from rsp.importing.site import Declaration, Site
from rsp.importing.unreached import leave_out


def left(*routes):
    site = Site("x", "x", [Declaration("route", keys=dict(route)) for route in routes])
    leave_out(site)
    return [part.keys for part in site.parts]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"regex": "^/api/(.*)"}, {"path": "/api/"}),
        ({"regex": "^/api/(.*)"}, {"path": "/api/v1", "methods": ["GET"]}),
        ({"regex": "^/api/"}, {"regex": "^/api/"}),
        ({"regex": r"^/a\.b"}, {"path": "/a.b/c"}),
        ({"host": "a", "regex": "^/api/.*$"}, {"host": "a", "regex": r"^/api/x\.css$"}),
    ],
)
def test_a_route_without_a_path_is_left_out(first, second):
    assert left(first, second, {"to": "app"}) == [first, {"to": "app"}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"regex": "^/api/", "methods": ["POST"]}, {"path": "/api/"}),
        ({"regex": "^/api/$"}, {"path": "/api/"}),
        ({"regex": "^/api/"}, {"exact": "/api/"}),
        ({"regex": "^/api/"}, {"path": "/api/", "first": True}),
        ({"regex": "^/api/"}, {"path": "/api"}),
        ({"regex": "^/api/"}, {"regex": "^/api/?x"}),
        ({"regex": "^/api/"}, {"regex": "^/api/|^/b"}),
        ({"regex": "^/api/", "host": "a"}, {"path": "/api/"}),
        ({"regex": "^/(api|b)/"}, {"path": "/api/"}),
    ],
)
def test_others_stay(first, second):
    assert left(first, second) == [first, second]
