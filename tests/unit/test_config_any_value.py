"""Any value of any key: a message with file, line and key, and never a traceback."""

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.lua.evaluate import evaluate
from tests.unit.test_empty_values import SITE, load

__all__ = ("load",)


def _said(load, text):
    with pytest.raises(ConfigError) as caught:
        load(SITE + text)
    return list(caught.value.messages)


@pytest.mark.parametrize(
    ("text", "line", "about"),
    [
        (r'workers = "\255"', 4, "workers"),
        (r'log_level = "\254"', 4, "log_level"),
        ('route { path = "/x", to = "app",\nheaders = "\\255" }', 5, "route: headers"),
        ('upstream "x" { "h:1",\npolicy = "\\255" }', 5, 'upstream "x": policy'),
        (r'trusted = { "10.0.0.0/8", "\255" }', 4, "trusted"),
    ],
)
def test_what_is_not_text_is_named(load, text, line, about):
    assert _said(load, text) == [f"site.lua:{line}: {about}: this is not UTF-8 text"]


def test_other_mistakes_beside_it_are_named(load):
    assert len(_said(load, r'trusted = { "\255", "10.0.0.0/8", 7 }')) == 2


def test_keys_are_named_as_they_are_written(load):
    text = 'route { path = "/x", to = "app", headers = { A = { except =\n{ prefix = "\\1" } } } }'
    assert _said(load, text) == [
        "site.lua:5: route: headers: A: except: prefix: the value contains a control character or a line break"
    ]


def test_the_line_of_an_address_by_its_key(load):
    assert _said(load, 'metrics = {\naddress = "x" }')[0].startswith("site.lua:5: metrics: address: ")


def test_a_long_value_is_not_repeated_whole(load):
    assert len(_said(load, 'route { path = "/x", to = ("x"):rep(100000) }')[0]) < 1100


@pytest.mark.parametrize(
    "peers", ['peers = { "h:1", { "h:2", weight = 2 } }', '"h:1", peers = { { "h:2", weight = 2 } }']
)
def test_peers_may_have_their_key(load, peers):
    found = load(SITE + f'upstream "x" {{ {peers} }}').upstreams[1].peers
    assert [(peer.address, peer.weight) for peer in found] == [("h:1", 1), ("h:2", 2)]


def test_a_value_that_is_given_twice_is_refused(load):
    assert "unexpected item [1]" in _said(load, 'listen { "127.0.0.1:1", address = "127.0.0.1:2" }')[0]


def test_an_infinite_number_is_printed_as_lua(load, tmp_path):
    text = to_lua(load(SITE + "reload = { max_latency_increase = math.huge }"))
    (tmp_path / "again.lua").write_text(text)
    assert to_lua(evaluate("again.lua")[0]) == text


@pytest.mark.parametrize("argument", ["", "{}", "nil"])
def test_an_error_without_a_message_has_one(load, argument):
    assert _said(load, f"error({argument})") == ["site.lua: error() was called without a message"]
