"""Equal configurations are equal texts: what ``rsp -T`` prints, and what ``rspctl reload --dry-run`` compares."""

import msgspec

from rsp.ipc.channel import Bundle
from rsp.loader import _difference
from rsp.lua.evaluate import evaluate

SITE = """
listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:1" }
route { to = "app", response_headers = { set = { a = "1", b = "2", c = "3" }, add = { d = "4", e = "5" } } }
"""


def other_order(value):
    """The same plain data, with the keys of each table in the opposite order."""
    if isinstance(value, dict):
        return {key: other_order(item) for key, item in reversed(value.items())}
    return [other_order(item) for item in value] if isinstance(value, list) else value


def test_the_order_that_lua_has_keys_in_is_no_difference(tmp_path):
    (tmp_path / "site.lua").write_text(SITE)
    config, _ = evaluate(str(tmp_path / "site.lua"))
    route = config.routes[0]
    rules = msgspec.convert(other_order(msgspec.to_builtins(route.response_headers)), type(route.response_headers))
    other = msgspec.structs.replace(config, routes=(msgspec.structs.replace(route, response_headers=rules),))
    assert list(rules.set) == list(reversed(route.response_headers.set))
    assert _difference(Bundle(1, "a", config), Bundle(2, "b", other)) == "No changes."
