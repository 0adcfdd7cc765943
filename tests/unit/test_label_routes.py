"""Routes from labels beside those of the file: what is granted, and what is left out and why."""

import pytest

from rsp.config.label_changes import changes
from rsp.config.label_routes import MOST_ROUTES, relabelled, with_labels, without_labels
from rsp.config.labels import pack
from rsp.ipc.channel import Bundle, unpack
from rsp.ipc.channel import pack as pack_bundle
from tests.unit.label_lab import SITE, asked, config_of, container


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


def granted(config, *items, **owners):
    made = with_labels(config, asked(*items, **owners))
    return [(place, route.host, route.path, route.to) for place, route in zip(made.labelled, made.routes[len(config.routes):], strict=True)]  # fmt: skip


def left_out(config, *items, **owners):
    made = with_labels(config, asked(*items, **owners))
    return [line.removeprefix("container ") for line in made.refused]


def test_a_route_and_its_upstream(config):
    item = container("shop-web-1", "project shop", "web", host="web.apps.test", path="/api", policy="ewma", timeout="9s",
                     allow="10.0.0.0/8 ::1", methods="GET", http="2", health="/up", sticky="false", max_conns="5")  # fmt: skip
    made = with_labels(config, asked(item))
    assert made.refused == ()
    assert made.labelled == ("container shop-web-1",)
    upstream, route = made.upstreams[-1], made.routes[-1]
    assert (upstream.name, upstream.policy, upstream.http, upstream.max_conns) == ("shop/web@docker", "ewma", 2, 5)
    assert upstream.peers == ()
    assert upstream.discovery.url.startswith("labels:")
    assert upstream.discovery.shown == "labels"
    assert (route.host, route.path, route.to, route.methods) == (
        ("web.apps.test",),
        "/api",
        "shop/web@docker",
        ("GET",),
    )
    assert route.allow == ("10.0.0.0/8", "::1")
    assert route.timeouts.response == 9


def test_copies_are_one_route(config):
    first = container("w-1", "project shop", "web", host="web.apps.test", port="80")
    second = container("w-2", "project shop", "web", host="web.apps.test", port="81")
    assert granted(config, first, second) == [("container w-1", ("web.apps.test",), "/", "shop/web@docker")]


def test_names_of_upstreams(config):
    items = (
        container("w-1", host="a.apps.test", routes__x__path="/x", routes__y__path="/y"),
        container("v1", "project p", "s", host="b.apps.test"),
        container("v2", "project p", "s", host="b.apps.test", path="/new"),
    )
    names = [to for *_, to in granted(config, *items)]
    assert names[:3] == ["w-1:x@docker", "w-1:y@docker", "p/s@docker"]
    assert names[3].startswith("p/s@docker#")


@pytest.mark.parametrize(("given", "said"), [
    ({"host": "a.other.test"},
     '(label rsp.host): host = "a.other.test": it is not among the hosts of discover_routes ("*.apps.test", "shop.test")'),
    ({"host": "apps.test"}, "(label rsp.host): host = \"apps.test\": it is not among the hosts"),
    ({"host": "a.apps.test.evil.test"}, "it is not among the hosts of discover_routes"),
    ({"host": "*.apps.test"}, '(label rsp.host): host = "*.apps.test": labels must contain complete names'),
    ({"host": "*"}, "labels must contain complete names"),
    ({"host": "[::1]"}, "labels must contain complete names"),
    ({"host": "http://a.apps.test/"}, 'expected a name such as "example.com", without a scheme and a path; write "a.apps.test"'),
    ({"host": "a.apps.test:8080"}, 'ports are not compared; write "a.apps.test"'),
    ({"host": "ok.apps.test, a.other.test"}, "it is not among the hosts"),
    ({"host": "admin.apps.test"},
     '(label rsp.host): host = "admin.apps.test": the file has a route for it (admin.apps.test /); to share it, list '
     "the complete name in hosts of discover_routes"),
    ({"host": "ADMIN.apps.test", "path": "/login"}, "the file has a route for it (admin.apps.test /)"),
    ({"host": "shop.test", "path": "/static/css"},
     '(label rsp.path): path = "/static/css": no request would come here: the file has a route for it (shop.test /static)'),
    ({"host": "a.apps.test", "path": "/healthz"}, "the file has a route for it (any host /healthz)"),
    ({"host": "a.apps.test", "path": "api"}, '(label rsp.path): route: path: expected a path that begins with "/", got "api"; write "/api"'),
    ({"host": "a.apps.test", "path": "/a/*"}, '"*" is not a wildcard here'),
    ({"host": "a.apps.test", "policy": "leastconn"}, '(label rsp.policy): upstream "x@docker": policy: expected'),
    ({"host": "a.apps.test", "timeout": "9 parsecs"}, "(label rsp.timeout): route: timeouts: response: expected a duration"),
    ({"host": "a.apps.test", "methods": "get"}, '(label rsp.methods): route: methods: "get": methods are '
                                                "case-sensitive"),
    ({"host": "a.apps.test", "strip": "true", "rewrite": "/x"}, '(label rsp.rewrite): route: "strip" and "rewrite" '
                                                                "cannot be used together"),
    ({"host": "a.apps.test", "rewrite": "/{nonsense}"}, "(label rsp.rewrite): route: "),
    ({"host": "a.apps.test", "rewrite": "/x\ny"}, "(label rsp.rewrite): "),
    ({"host": "a.apps.test", "port": "web"}, '(label rsp.port): expected a port from 1 to 65535, got "web"'),
    ({"enable": "on"}, "(label rsp.enable): expected true or false"),
])  # fmt: skip
def test_what_is_left_out(config, given, said):
    lines = left_out(config, container("x", **given), container("good", host="good.apps.test"))
    assert len(lines) == 1
    assert lines[0].startswith("x ")
    assert said in lines[0]
    assert "\n" not in lines[0]
    assert [route[0] for route in granted(config, container("x", **given), container("good", host="good.apps.test"))] == ["container good"]  # fmt: skip


def test_a_host_is_its_owners(config):
    mine = container("a", "project shop", "web", host="web.apps.test")
    own = container("b", "project shop", "api", host="web.apps.test", path="/api")
    thief = container("c", "project thief", "web", host="web.apps.test", path="/login")
    made = with_labels(config, asked(mine, own, thief, web_apps_test="project shop"))
    assert made.owners == {"web.apps.test": "project shop"}
    assert made.labelled == ("container a", "container b")
    assert made.refused == (
        'container c (label rsp.host): host = "web.apps.test": it is that of project shop, which asked for it first',
    )


def test_the_older_goes_first_and_the_higher_priority_before_it(config):
    old, new, best = (
        container(name, "project p", name, host="w.apps.test", priority=priority)
        for name, priority in (("old", "0"), ("new", "0"), ("best", "1"))
    )
    assert [place for place, *_ in granted(config, old, new)] == ["container old"]
    assert [place for place, *_ in granted(config, old, new, best)] == ["container best"]
    assert left_out(config, old, new) == [
        "new: no request would come here: the same host and path are those of container old, which is older or has a "
        "higher rsp.priority"
    ]


def test_a_named_host_may_be_shared(config):
    """The file's route goes first where it is for the request."""
    made = with_labels(config, asked(container(host="shop.test")))
    assert made.labelled == ("container web-1",)


def test_hosts_that_ask_for_certificates_are_not_shared(tmp_path):
    secure = SITE.replace('listen "127.0.0.1:8080"', 'listen { "127.0.0.1:8443", tls = true } certificate { "a.pem", key = "a.key" }')  # fmt: skip
    config = config_of(tmp_path, secure.replace('route { to = "app" }', 'route { host = "*.apps.test", to = "app", client_ca = "ca.pem" }'))  # fmt: skip
    assert "the file asks its clients for certificates" in left_out(config, container(host="x.apps.test"))[0]


def test_a_pattern_of_the_file_within_what_is_allowed(tmp_path):
    config = config_of(tmp_path, SITE + 'route { host = "*.admin.apps.test", to = "app" }')
    assert (
        "the file has a route for it (*.admin.apps.test /)" in left_out(config, container(host="x.admin.apps.test"))[0]
    )
    assert left_out(config, container(host="x.web.apps.test")) == []


def test_too_many_routes(config):
    items = [container(f"c{n}", host=f"h{n}.apps.test", routes__a__path="/a", routes__b__path="/b") for n in range(600)]
    made = with_labels(config, asked(*items))
    assert len(made.labelled) == MOST_ROUTES
    assert made.refused == ("200 routes, because labels define more than 1000",)


def test_many_mistakes_are_not_all_told(config):
    made = with_labels(config, asked(*[container(f"c{n}", host=f"h{n}.other.test") for n in range(150)]))
    assert len(made.refused) == 101
    assert made.refused[-1] == "and 50 more"


def test_labels_come_and_go_again(config):
    made = relabelled(config, pack(asked(container(host="a.apps.test"), container("bad", host="x.test"))))
    assert len(made.routes) == len(config.routes) + 1
    assert relabelled(made, pack(asked(container(host="b.apps.test")))).routes[-1].host == ("b.apps.test",)
    assert without_labels(made) == relabelled(made, b"") == config
    assert unpack(pack_bundle(Bundle(1, "", made))).config == made


def test_hosts_over_tls_have_places(tmp_path):
    text = SITE.replace('listen "127.0.0.1:8080"', 'listen { "127.0.0.1:8443", tls = true } certificate { "a.pem", key = "a.key" }')  # fmt: skip
    config = config_of(tmp_path, text)
    made = relabelled(config, pack(asked(container(host="a.apps.test"))))
    assert made.places["host a.apps.test"] == "container web-1"
    assert without_labels(made) == config


def test_labels_of_another_engine_are_not_looked_at(config):
    item = container("apps/web", "namespace apps", "web", host="a.apps.test")
    assert relabelled(config, pack(asked(item, kind="service"))) == config


def test_without_the_setting_nothing_is_granted(tmp_path):
    config = config_of(tmp_path, 'listen "127.0.0.1:8080" upstream "app" { "127.0.0.1:8000" }')
    assert relabelled(config, pack(asked(container(host="a.apps.test")))) == config


def test_services(tmp_path):
    text = SITE.replace('docker = "unix:/run/docker.sock"', 'kubernetes = "kubernetes://api.test:6443", token_file = "/t", tls = { ca = "/ca" }')  # fmt: skip
    config = config_of(tmp_path, text)
    item = container("apps/web", "namespace apps", "web", host="a.apps.test", port="http")
    made = with_labels(config, asked(item, kind="service"))
    upstream = made.upstreams[-1]
    assert upstream.name == "apps/web@kubernetes"
    assert (upstream.discovery.url, upstream.discovery.port) == ("kubernetes://api.test:6443/apps/web", "http")
    assert (upstream.discovery.token_file, upstream.discovery.tls.ca) == ("/t", "/ca")
    assert made.labelled == ("service apps/web",)
    made = with_labels(
        config, asked(container("a/b", "namespace a", "b", host="b.apps.test", weight="2"), kind="service")
    )
    assert made.refused == ("service a/b (label rsp.weight): it applies to containers; a service has endpoints",)


def test_what_the_log_says(config):
    before = with_labels(config, asked(container("a", host="a.apps.test"), container("bad", host="x.test")))
    after = with_labels(config, asked(container("b", host="b.apps.test"), container("bad", host="x.test"), container("worse", host="y.test")))  # fmt: skip
    assert [line for line, is_warning in changes(before, after) if not is_warning] == [
        "Route from labels of container b: b.apps.test / to b@docker added",
        "Route from labels of container a: a.apps.test / to a@docker removed",
    ]
    (warning,) = [line for line, is_warning in changes(before, after) if is_warning]
    assert warning.startswith("Route from labels ignored: container worse (label rsp.host): ")
    assert list(changes(after, after)) == []
