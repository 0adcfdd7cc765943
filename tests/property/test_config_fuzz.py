"""Whatever a configuration declares, the outcome is a configuration or named mistakes."""

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.answers import HeaderRules, Redirect, Respond
from rsp.config.build import Builder
from rsp.config.declaration import Declaration
from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError, Position
from rsp.config.limits import Limits, Timeouts
from rsp.config.locate import find_line
from rsp.config.routes import Route
from rsp.config.schema import Listener, Page, Settings
from rsp.config.upstreams import Upstream
from tests.soak import examples

KEYS = sorted(
    {name for kind in (HeaderRules, Limits, Listener, Page, Redirect, Respond, Route, Settings, Timeouts, Upstream)
     for name in kind.__struct_fields__} | {"weight", "bogus", "X-A", ""}
)  # fmt: skip
scalars = st.sampled_from(
    ["127.0.0.1:1", "h:2", "unix:/x", "[::1]:3", "app", "/", "/a/", "*.x", "5s", "10MB", "off", "", "\n", "auto", "x" * 200, "10.0.0.0/8", "{client}", "/{1}", "^/(?P<a>x)", "(", "{nothing}", "https://{host}{path}", "/$1", "{{x}}",
     0, 1, -1, 404, 1.5, 10**12, float("inf"), True, False]
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.fixed_dictionaries(
        {"list": st.lists(inner, max_size=3), "map": st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)}
    ),
    max_leaves=12,
)
tables = st.fixed_dictionaries(
    {"list": st.lists(values, max_size=3), "map": st.dictionaries(st.sampled_from(KEYS), values, max_size=5)}
)
declarations = st.one_of(
    st.builds(lambda value: ("listen", "", value), values),
    st.builds(lambda name, value: ("upstream", name, value), st.sampled_from(["app", "", "b"]), tables),
    st.builds(lambda value: ("route", "", value), tables),
    st.builds(lambda value: ("page", "", value), tables),
    st.builds(
        lambda name, value: ("global", name, value),
        st.sampled_from([*KEYS, "listenPort", "backendAddress", "backendPort"]),
        values,
    ),
)


def read(name: str) -> str:
    raise ValueError("cannot open it")


@given(st.lists(declarations, max_size=6))
@examples(250)
def test_declarations_become_a_configuration_or_named_mistakes(drawn):
    source = 'listen { "a", limits = { x = 1 } }\nroute { to = "app" }\n' * 3
    items = [
        Declaration(kind, name, value, Position("site.lua", number + 1))
        for number, (kind, name, value) in enumerate(drawn)
    ]
    try:
        config = Builder(items, {"site.lua": source}, "site.lua", read).build()
    except ConfigError as error:
        assert all(message.startswith("site.lua") and "\n" not in message[:9] for message in error.messages)
    else:
        assert to_lua(config)


@given(
    st.text("{}[]()=\"'-, \nabend,function", max_size=80),
    st.integers(1, 4),
    st.lists(st.sampled_from(["a", "b", 1, 2]), max_size=3),
)
def test_finding_a_line_never_fails(source, line, path):
    assert find_line(source, line, path) >= 1
