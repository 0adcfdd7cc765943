"""Empty tables and empty strings: for each key of the schema they say something that is documented, or are refused."""

import msgspec
import pytest

from rsp.config import keys
from rsp.config.errors import ConfigError
from rsp.config.failure import Health, Hedge, Outliers
from rsp.config.schema import Config, decode_hook
from rsp.config.tls import Hsts, UpstreamTls
from rsp.config.upstreams import Sticky
from rsp.lua.evaluate import evaluate

SITE = 'listen "0.0.0.0:8080"\nupstream "app" { "10.0.0.1:8000" }\nroute { to = "app" }\n'
# By struct and key: what the types of the schema let through, and rules refuse.
BY_RULES = {
    ("Settings", "hsts", ""): 'hsts = ""',
    ("DiscoverRoutes", "password", ""): 'discover_routes = { docker = "unix:/x", hosts = { "*" }, password = "" }',
    ("DiscoverRoutes", "token", ""): 'discover_routes = { docker = "unix:/x", hosts = { "*" }, token = "" }',
    ("Store", "password", ""): 'store "x" { "redis://127.0.0.1:1/0", password = "" }',
    ("Store", "token", ""): 'store "x" { "redis://127.0.0.1:1/0", token = "" }',
    ("Upstream", "key", ""): 'upstream "x" { "h:1", policy = "hash", key = "" }',
    ("Upstream", "sticky", ""): 'upstream "x" { "h:1", sticky = "" }',
    ("Sticky", "cookie", ""): 'upstream "x" { "h:1", sticky = { cookie = "" } }',
    ("Upstream", "health", ""): 'upstream "x" { "h:1", health = "" }',
    ("Health", "status", ""): 'upstream "x" { "h:1", health = { status = "" } }',
    ("Discover", "password", ""): 'upstream "x" { discover = { "etcd://127.0.0.1:1/a/", password = "" } }',
    ("Discover", "token", ""): 'upstream "x" { discover = { "consul://127.0.0.1:1/a", token = "" } }',
    ("Route", "to", ""): 'route { path = "/x", to = "" }',
    ("Route", "redirect", ""): 'route { path = "/x", redirect = "" }',
    ("Route", "files", ""): 'route { path = "/x", files = "" }',
    ("Route", "host", ""): 'route { to = "app", host = "" }',
    ("Route", "hsts", ""): 'route { path = "/x", to = "app", hsts = "" }',
    ("Route", "allow", ""): 'route { path = "/x", to = "app", allow = "" }',
    ("Route", "deny", ""): 'route { path = "/x", to = "app", deny = "" }',
    ("Route", "response_buffering", ""): 'route { path = "/x", to = "app", response_buffering = "" }',
    ("Jwt", "audience", "{}"): 'route { path = "/x", to = "app", auth = { jwt = { jwks = "https://a/", audience = {} } } }',
}  # fmt: skip
# What it says there needs no words: a page without content, a value that is empty, no index.
PLAIN = {("Page", "body", ""), ("ValueMatch", "except", ""), ("Files", "index", "{}")}


def structs(wanted=Config, found=None):
    found = {} if found is None else found
    if wanted not in found:
        found[wanted] = msgspec.structs.fields(wanted)
        for field in found[wanted]:
            for kind in keys.types(field.type):
                if issubclass(kind, msgspec.Struct):
                    structs(kind, found)
    return found


KEYS = [
    (struct, field)
    for struct, fields in structs().items()
    if struct is not Config
    for field in fields
    if field.name != "at"
]


def taken(struct, field, empty):
    """Whether the types take it, and it says something else than the default."""
    try:
        value = msgspec.convert(keys.with_lists(field.type, empty), field.type, dec_hook=decode_hook)
    except msgspec.ValidationError:
        return False
    default = field.default_factory() if field.default is msgspec.NODEFAULT and not field.required else field.default
    return value != default and not isinstance(value, msgspec.Struct)


def documented(struct, field):
    said = [
        meta.description or "" for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, msgspec.Meta)
    ]
    return '`""`' in "".join([struct.__doc__ or "", *said])


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(text):
        (tmp_path / "site.lua").write_text(text)
        return evaluate("site.lua")[0]

    return made


def test_each_says_something_or_is_refused():
    assert len(KEYS) > 250
    found = {
        (struct.__name__, field.encode_name, "{}" if empty == {} else "")
        for struct, field in KEYS
        for empty in ({}, "")
        if taken(struct, field, empty) and not (empty == "" and documented(struct, field))
    }
    assert found - {*BY_RULES} == PLAIN
    assert {*BY_RULES} <= found, "the types refuse it: no rule is needed"


@pytest.mark.parametrize("text", BY_RULES.values())
def test_rules_refuse_it(load, text):
    with pytest.raises(ConfigError) as caught:
        load(SITE + text)
    assert all(message.startswith("site.lua:4: ") for message in caught.value.messages)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu_affinity = {}", "cpu_affinity: expected a list that is not empty"),
        ("access_log = {}", "access_log: expected a list that is not empty"),
        ("workers = {}", "workers: expected a whole number"),
        ('user = ""', "user: expected a string that is not empty"),
        ("metrics = {}", 'metrics: missing "address"'),
        ("compress = { types = {} }", "compress: types: expected a list that is not empty"),
        ('page { status = {}, body = "x" }', "page: status: expected a list that is not empty"),
        ('upstream "x" { "h:1", health = { status = {} } }', "health: status: expected a list that is not empty"),
        ('upstream "x" { "h:1", policy = {} }', "policy: expected"),
        ('route { path = "/x", to = "app", cors = {} }', 'cors: missing "origins"'),
        ('route { path = "/x", to = {} }', "route: to: expected a string"),
    ],
)
def test_what_says_nothing(load, text, said):
    with pytest.raises(ConfigError, match=r"^site\.lua:4: ") as caught:
        load(SITE + text)
    assert said in caught.value.messages[0]


def test_a_table_without_keys_has_the_defaults_of_all(load):
    """So it turns on what is off without it."""
    config = load(
        SITE + 'upstream "x" { "h:1", tls = {}, health = {}, hedge = {}, outliers = {}, sticky = {} }\n'
        'route { path = "/x", to = "x", hsts = {} }\nlog_mask = {} trusted = {} timeouts = {} dns = { servers = {} }'
    )
    upstream = config.upstreams[1]
    assert upstream.tls == UpstreamTls() and upstream.health == Health() and upstream.hedge == Hedge()
    assert upstream.outliers == Outliers() and upstream.sticky == Sticky()
    assert config.routes[1].hsts == Hsts()
    assert config.settings.trusted == () and config.settings.dns.servers == ()
