"""`compress`: what mistakes in it say, words of other servers, and what holds for a route."""

import pytest

from rsp.config.content import Compress
from rsp.config.errors import ConfigError
from rsp.config.routes import Route
from rsp.lua.evaluate import evaluate

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def checked(text: str):
        (tmp_path / "s.lua").write_text(SITE + text)
        return evaluate("s.lua")[0]

    return checked


VALUES = [
    ('"gzip"', 'compress: expected true or false or a table, got "gzip"; write compress = { algorithms = { "gzip" } }'),
    ('"on"', "; write compress = true"),
    ('"off"', "; write compress = false"),
    ('{ "brotli", "gzip" }', '; write compress = { algorithms = { "br", "gzip" } }'),
    ('{ "text/html", "text/css" }', '; write compress = { types = { "text/html", "text/css" } }'),
    ("5", "; write compress = { level = 5 }"),
    ("{ algorithms = { 'brotli' } }", 'compress: algorithms: expected "zstd", "br" or "gzip", got "brotli"; write "br"'),
    ("{ algorithms = { 'deflate' } }", 'got "deflate"; browsers know these three'),
    ("{ algorithms = {} }", "compress: algorithms: expected a list that is not empty"),
    ('{ algorithms = "br, gzip" }', '; write { "br", "gzip" }'),
    ('{ algorithms = { "br", "br" } }', 'compress: algorithms: "br" is listed twice'),
    ('{ types = { "text/html; charset=utf-8" } }', 'types: "text/html; charset=utf-8": parameters are not compared; write "text/html"'),
    ('{ types = { "json" } }', 'expected a type such as "text/html" or "text/*", got "json"; write "application/json"'),
    ('{ types = { ".css" } }', 'write "text/css"'),
    ('{ types = { "all" } }', 'every type is "*"'),
    ('{ types = { "text/html text/css" } }', 'list each value separately: write { "text/html", "text/css" }'),
    ('{ types = "text/html" }', 'compress: types: expected a list, got "text/html"; write { "text/html" }'),
    ("{ level = 11 }", "compress: level: expected a whole number of at most 9, got 11"),
    ("{ level = 0 }", "compress: level: expected a whole number of at least 1, got 0"),
    ('{ level = "best" }', 'compress: level: expected a whole number, got "best"; write 9'),
    ('{ min_size = "big" }', 'compress: min_size: expected a size such as "64KB"'),
    ("{ gzip_comp_level = 5 }", 'unknown key "gzip_comp_level" (in rsp: level = 4)'),
    ("{ minimum_length = 5 }", '(in rsp: min_size = "1KB")'),
    ("{ minResponseBodyBytes = 5 }", '(in rsp: min_size = "1KB")'),
    ("{ excludedContentTypes = { \"x\" } }", "(types names what is compressed; nothing else is"),
    ("{ encodings = { \"x\" } }", '(in rsp: algorithms = { "zstd", "br", "gzip" })'),
    ("{ match = { \"x\" } }", '(in rsp: types = { "text/*", "application/json" })'),
    ("{ vary = true }", "(rsp writes Vary: Accept-Encoding where it is needed"),
    ("{ enabled = true }", 'unknown key "enabled" (in rsp: compress = true)'),
    ('{ algorithms = { "*" } }', 'got "*"; write { "zstd", "br", "gzip" }'),
    ("{ leve = 3 }", '(did you mean "level"?)'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), VALUES)
def test_mistakes_for_all_and_for_a_route(read, value, said):
    with pytest.raises(ConfigError) as caught:
        read(f'compress = {value}\nroute {{ to = "app", compress = {value} }}')
    found = caught.value.messages
    assert said in found[0], found
    assert found[0].startswith("s.lua:3: compress: "), found
    assert found[1] == "s.lua:4: route: " + found[0].removeprefix("s.lua:3: ")


ELSEWHERE = [
    ("gzip = true", "(in rsp: compress = true, for all or in a route)"),
    ('encode = "gzip"', "(in rsp: compress = true, for all or in a route)"),
    ('gzip_types = "text/css"', '(in rsp: compress = { types = { "text/*", "application/json" } }, for all or in a route)'),
    ("brotli_comp_level = 5", "(in rsp: compress = { level = 4 }, for all or in a route)"),
    ("gzip_min_length = 100", 'compress = { min_size = "1KB" }'),
    ("gzip_vary = true", "(rsp writes Vary: Accept-Encoding where it is needed"),
    ('gzip_proxied = "any"', "responses that peers have compressed are passed on as they are"),
    ('compression_algo = "gzip"', 'compress = { algorithms = { "zstd", "br", "gzip" } }'),
    ("gzip on;", "(in rsp: compress = true, for all or in a route)"),
    ('algorithm = "x"', "policy"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ELSEWHERE)
def test_words_of_other_servers(read, text, said):
    with pytest.raises(ConfigError) as caught:
        read(f'{text}\nroute {{ to = "app" }}')
    assert any(said in message for message in caught.value.messages), caught.value.messages


@pytest.mark.parametrize(
    ("key", "said"), [("gzip = true", "compress = true"), ("level = 3", "compress = { level = 4 }")]
)
def test_keys_of_a_route(read, key, said):
    with pytest.raises(ConfigError) as caught:
        read(f'route {{ to = "app", {key} }}')
    assert said in caught.value.messages[0]


def test_what_is_compressed_already_is_warned_of(read):
    config = read(
        'compress = { types = { "text/*", "*", "image/svg+xml", "image/*" } }\n'
        'route { to = "app", compress = { types = { "application/zip" } } }'
    )
    said = "is compressed already, so this costs time and saves nothing"
    assert config.warnings == (
        f's.lua:3: warning: compress: types: "image/*" {said}',
        f's.lua:4: warning: route: compress: types: "application/zip" {said}',
    )


def test_an_empty_table_means_the_defaults(read):
    config = read('compress = {}\nroute { to = "app", compress = {} }')
    assert config.settings.compress == config.routes[0].compress == Compress()


OWN, LEVEL = Compress(min_size=1), Compress(level=9)


@pytest.mark.parametrize(
    ("everywhere", "route", "rules"),
    [
        (False, None, None),
        (False, True, Compress()),
        (False, OWN, OWN),
        (True, None, Compress()),
        (True, False, None),
        (LEVEL, None, LEVEL),
        (LEVEL, True, LEVEL),
        (LEVEL, OWN, OWN),
        (LEVEL, False, None),
    ],
)
def test_what_holds_for_a_route(everywhere, route, rules):
    assert Route(to="app", compress=route).compress_rules(everywhere) == rules


def test_a_key_that_is_set_by_itself(read):
    with pytest.raises(ConfigError) as caught:
        read("compress.level = 5")
    assert caught.value.messages[0].endswith("(it is a setting: compress = { ... })")
