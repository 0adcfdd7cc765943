"""Whatever labels say: the file's configuration holds, its routes keep their requests, and hosts stay within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.label_routes import relabelled, without_labels
from rsp.config.labels import KEYS, Asked, Labelled, pack
from rsp.config.route_rule import rule_of
from rsp.http.h1.codec import parse_request
from rsp.http.routing import AmbiguousPath, Router, match
from rsp.ipc.channel import Bundle
from rsp.ipc.channel import pack as pack_bundle
from rsp.lua.evaluate import evaluate
from tests.soak import examples

SITE = """
listen "127.0.0.1:8080"
discover_routes = { docker = "unix:/run/docker.sock", hosts = { "*.apps.test", "shop.test" } }
upstream "app" { "127.0.0.1:8000" }
route { host = "admin.apps.test", to = "app" }
route { host = "*.deep.apps.test", to = "app" }
route { host = "shop.test", path = "/static", to = "app" }
route { host = "*.apps.test", regex = "[.]php$", to = "app" }
route { host = "*.apps.test", path = "/api", methods = { "POST" }, to = "app" }
route { exact = "/healthz", respond = { body = "ok" } }
route { path = "/internal", to = "app" }
route { to = "app" }
"""
ALLOWED = '{ "*.apps.test", "shop.test" }'
HOSTS = ("a.apps.test", "b.apps.test", "admin.apps.test", "x.deep.apps.test", "shop.test", "other.test", "apps.test")
PATHS = ("/", "/api", "/api/v1", "/static", "/static/x", "/internal/x", "/healthz", "/a.php", "/%61pi", "/b", "/x//y")

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*HOSTS, *PATHS, "A.apps.test.", "admin.apps.test.", "*.apps.test", "*", "a.apps.test,b.apps.test", "true", "false", "1", "80", "GET", "ewma", "{path}", "\x1b[2J", "a.apps.test\nx"]),
)  # fmt: skip
KEY = st.one_of(st.sampled_from([*KEYS, "enable", "Host", "routes", "x" * 200]), st.text(max_size=12))
LABELS = st.dictionaries(
    st.one_of(
        st.builds("rsp.{}".format, KEY), st.builds("rsp.routes.{}.{}".format, st.sampled_from(["a", "b"]), KEY), st.text(max_size=5)
    ),
    TEXTS, max_size=8,
)  # fmt: skip
GOOD = st.fixed_dictionaries(
    {"rsp.host": st.sampled_from([*HOSTS, "ADMIN.apps.test.", "b.apps.test."])},
    optional={"rsp.path": st.sampled_from(PATHS), "rsp.methods": st.just("GET")},
)
ITEMS = st.lists(
    st.builds(
        lambda name, owner, given: Labelled(name, f"project {owner}", "s", {"rsp.enable": "true", **given}),
        st.sampled_from(["a", "b", "c"]), st.sampled_from(["p", "q"]), st.one_of(LABELS, GOOD, GOOD),
    ),
    max_size=6,
)  # fmt: skip


def config(tmp_path_factory, allowed, made={}):  # noqa: B006 - once each
    if allowed not in made:
        file = tmp_path_factory.mktemp("labels") / "site.lua"
        file.write_text(SITE.replace(ALLOWED, allowed))
        made[allowed] = evaluate(str(file))[0]
    return made[allowed]


def routed(routes, guests, head):
    own = len(routes) - guests
    router = Router((rule_of(route)._replace(guest=number >= own), number) for number, route in enumerate(routes))
    try:
        return match(router.levels(head.host), head, None)
    except AmbiguousPath:
        return "ambiguous"


@given(
    ITEMS, st.sampled_from(HOSTS), st.sampled_from(PATHS), st.sampled_from(["GET", "POST"]), st.sampled_from([ALLOWED, '{ "*" }'])
)  # fmt: skip
@examples(300)
def test_the_file_goes_first(tmp_path_factory, items, host, path, method, allowed):
    alone = config(tmp_path_factory, allowed)
    owners = dict.fromkeys(HOSTS, "project p")
    made = relabelled(alone, pack(Asked("container", items, owners)))
    assert without_labels(made) == alone
    assert made.routes[: len(alone.routes)] == alone.routes
    assert made.upstreams[: len(alone.upstreams)] == alone.upstreams
    pack_bundle(Bundle(1, "", made))
    assert all(line.isprintable() for line in (*made.refused, *made.labelled))
    guests = made.routes[len(alone.routes) :]
    assert len(guests) == len(made.labelled) == len(made.upstreams) - len(alone.upstreams)
    claimed = {host for route in guests for host in route.hosts}
    if allowed == ALLOWED:
        assert all(host == "shop.test" or host.endswith(".apps.test") for host in claimed)
    assert all("*" not in host and host == host.lower().rstrip(".") for host in claimed)
    assert claimed.isdisjoint(("admin.apps.test", "x.deep.apps.test"))
    head = parse_request(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    before, after = routed(alone.routes, 0, head), routed(made.routes, len(guests), head)
    if before != after and after != "ambiguous":
        assert before in (len(alone.routes) - 1, "ambiguous")  # the default of the file
        assert after >= len(alone.routes)
    if before == "ambiguous":
        assert after == before
    owned = {f"container {each.name}" for each in items if each.owner == "project p"}
    assert owned.issuperset(
        place for place, route in zip(made.labelled, guests, strict=True) if not owners.keys().isdisjoint(route.hosts)
    )
