"""What labels say, and what they get wrong."""

import re
from pathlib import Path

import pytest

from rsp.config.labels import KEYS, LONGEST_LABEL, MOST_LABELS, MOST_ROUTES, Wrong, flaw, ours, wishes
from tests.unit.label_lab import container

DOCS = Path(__file__).parents[2] / "docs" / "routes-from-labels.md"


def test_one_route():
    (wish,) = wishes(
        container(host="A.test, b.test", path="/api", port="9000", strip="true", weight="5", priority="-3")
    )
    assert wish.mistakes == ()
    assert wish.route == {"host": ["a.test", "b.test"], "path": "/api", "strip": True}
    assert (wish.name, wish.port, wish.priority, wish.peer) == ("", 9000, -3, {"weight": 5})


def test_several_routes_share_what_has_no_name():
    api, web = wishes(
        container(host="a.test", policy="ewma", routes__api__path="/api", routes__api__port="9000", routes__web__strip="false")
    )  # fmt: skip
    assert (api.name, api.route, api.port, api.upstream) == ("api", {"host": ["a.test"], "path": "/api"}, 9000, {"policy": "ewma"})  # fmt: skip
    assert (web.name, web.route, web.port) == ("web", {"host": ["a.test"], "strip": False}, None)
    assert api.labels["host"] == "rsp.host"
    assert api.labels["path"] == "rsp.routes.api.path"


def test_hosts_are_as_they_are_compared():
    assert wishes(container(host="A.test., a.TEST b.test.."))[0].hosts == ("a.test", "b.test")


def test_nothing_without_enable():
    assert wishes(container(enable="", host="a.test")) == []
    assert wishes(container(enable="false", host="a.test")) == []
    assert wishes(container(enable="TRUE", host="a.test")) == []
    assert flaw(container(enable="TRUE")) == 'expected true or false, got "TRUE"; write true'
    assert flaw(container(enable="1")) == 'expected true or false, got "1"; write true'
    assert flaw(container(enable="false")) is flaw(container(enable="true")) is flaw(container(enable="")) is None


@pytest.mark.parametrize(("given", "said"), [
    ({}, "rsp.host: missing: the host that the route is for"),
    ({"routes__x__path": "/"}, "rsp.routes.x.host: missing: the host that the route is for"),
    ({"host": "  "}, 'rsp.host: expected a list such as "a.example.com, b.example.com"'),
    ({"host": "Host(`a.test`) && PathPrefix(`/x`)"},
     'rsp.host: this is a Traefik rule; write "a.test", and the path in a label of its own'),
    ({"host": ",".join(f"h{n}.test" for n in range(17))}, "rsp.host: 17 hosts, and at most 16 are allowed"),
    ({"host": "a.test", "port": "80:8000"}, "rsp.port: expected the port inside the container; write 8000"),
    ({"host": "a.test", "port": "0"}, 'rsp.port: expected a port from 1 to 65535, got "0"'),
    ({"host": "a.test", "port": "8_0"}, 'rsp.port: expected a whole number, got "8_0"'),
    ({"host": "a.test", "strip": "yes"}, 'rsp.strip: expected true or false, got "yes"; write true'),
    ({"host": "a.test", "sticky": "on"}, 'rsp.sticky: expected true or false, got "on"; write true'),
    ({"host": "a.test", "path": ""}, "rsp.path: expected a text that is not empty; leave the label out"),
    ({"host": "a.test", "allow": "file:/etc/passwd"},
     'rsp.allow: "file:/etc/passwd": expected a network such as "10.0.0.0/8"'),
    ({"host": "a.test", "weight": "0"}, 'rsp.weight: expected a weight from 1 to 1000, got "0"'),
    ({"host": "a.test", "http": "3"}, 'rsp.http: expected 1 or 2, got "3"'),
    ({"host": "a.test", "prot": "80"}, 'rsp.prot: unknown label (did you mean "rsp.port"?)'),
    ({"host": "a.test", "Port": "80"}, 'rsp.Port: unknown label (labels are case-sensitive: "rsp.port")'),
    ({"host": "a.test", "enabled": "true"}, 'rsp.enabled: unknown label (did you mean "rsp.enable"?)'),
    ({"host": "a.test", "routes__api__hots": "x"}, 'rsp.routes.api.hots: unknown label (did you mean "rsp.routes.api.host"?)'),
    ({"host": "a.test", "routers__api__host": "x"}, 'rsp.routers.api.host: unknown label (did you mean "rsp.routes.api.host"?)'),
    ({"host": "a.test", "http__routers__x__rule": "Host(`x`)"},
     "rsp.http.routers.x.rule: unknown label (in rsp: write rsp.host=app.example.com and rsp.path=/api)"),
    ({"host": "a.test", "http__services__x__loadbalancer__server__port": "80"},
     "rsp.http.services.x.loadbalancer.server.port: unknown label (in rsp: write rsp.port=8000)"),
    ({"host": "a.test", "files": "/"}, "rsp.files: unknown label (in rsp: it can be set in the file only)"),
    ({"host": "a.test", "": "x"}, "rsp.: unknown label"),
])  # fmt: skip
def test_mistakes(given, said):
    found = [f"{label}: {what}" for wish in wishes(container(**given)) for label, what in wish.mistakes]
    assert said in found


def test_a_mistake_in_one_route_leaves_the_others():
    api, web = wishes(container(host="a.test", routes__api__prot="80", routes__web__path="/"))
    assert api.mistakes
    assert not web.mistakes


def test_more_routes_than_one_may_have():
    found = wishes(container(host="a.test", **{f"routes__r{n:02}__path": f"/{n}" for n in range(40)}))
    assert len(found) == MOST_ROUTES
    assert all("more than 16 routes" in str(wish.mistakes) for wish in found)


def test_bounds_of_labels():
    assert ours({"rsp.host": "a", "other": "x" * 10**6}) == {"rsp.host": "a"}
    with pytest.raises(Wrong, match="more than 100 labels"):
        ours({f"rsp.{n}": "" for n in range(MOST_LABELS + 1)})
    with pytest.raises(Wrong, match="longer than 1024 characters"):
        ours({"rsp.host": "x" * (LONGEST_LABEL + 1)})
    with pytest.raises(Wrong, match="longer than"):
        ours({"rsp." + "x" * 255: ""})


def test_copies_have_one_key():
    one, other = (container(name, "project shop", "web", host="a.test,b.test", port=port) for name, port in (("w-1", "80"), ("w-2", "81")))  # fmt: skip
    moved = container("w-3", "project shop", "web", host="b.test, a.test", path="/new")
    stranger = container("w-4", "project other", "web", host="a.test,b.test")
    keys = [wishes(each)[0].key for each in (one, other, moved, stranger)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_the_documentation_has_every_label():
    text = DOCS.read_text()
    documented = set(re.findall(r"^\| `rsp\.(\w+)`", text, re.MULTILINE))
    assert documented == {*KEYS, "enable"}
