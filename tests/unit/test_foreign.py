"""Files of other programs, and addresses as other programs write them, are recognised; rsp's own never are."""

import pytest

from rsp.config.foreign import command, language
from rsp.config.units import Listen, Peer
from tests.paths import ROOT

FOREIGN = [
    ("nginx", "events {}\nhttp {\n  server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }\n}\n"),
    ("nginx", "user www-data;\nworker_processes auto;\n"),
    ("nginx", "server {\n    listen 80;\n    server_name a.example;\n}\n"),
    (
        "HAProxy",
        "global\n    maxconn 4096\ndefaults\n    mode http\nfrontend web\n    bind *:80\n    default_backend app\n",
    ),
    ("HAProxy", "# c\nfrontend web\n  bind :80\nbackend app\n  server a 127.0.0.1:8000 check\n"),
    ("Caddyfile", "example.com {\n    reverse_proxy localhost:9000\n}\n"),
    ("Caddyfile", ":80\n\nreverse_proxy 127.0.0.1:9000\n"),
    ("Caddyfile", "example.com, www.example.com {\n\troot * /srv\n}\n"),
    ("YAML", "---\nlisten: 80\n"),
    ("YAML", "http:\n  routers:\n    web:\n      rule: Host(`a`)\n"),
    ("JSON", '{"apps": {"http": {}}}'),
    ("JSON", '[\n  {"a": 1}\n]\n'),
    ("TOML", '[entryPoints]\n[entryPoints.web]\naddress = ":80"\n'),
    ("Apache", "<VirtualHost *:80>\n  ProxyPass / http://127.0.0.1:8000/\n</VirtualHost>\n"),
    ("XML", '<?xml version="1.0"?>\n<a/>\n'),
    ("Python", "import os\nbind = '127.0.0.1:8000'\n"),
    ("binary", "\x7fELF\0\0"),
]


@pytest.mark.parametrize(("name", "text"), FOREIGN, ids=lambda value: value[:20])
def test_a_file_of_another_program_is_named(name, text):
    assert name in language(text)


@pytest.mark.parametrize(
    "text", ["", 'listen "127.0.0.1:80"\n', "listen 8000\nupstream {\n}\n", "-- a\nlocal x = {}\n"]
)
def test_lua_is_not_taken_for_anything_else(text):
    assert language(text) is None


def test_no_example_is_taken_for_anything_else():
    for path in [*ROOT.glob("*.lua"), *ROOT.glob("examples/**/*.lua"), *ROOT.glob("deploy/**/*.lua")]:
        assert language(path.read_text()) is None, path


@pytest.mark.parametrize(
    "unit", ["{", "server {", " ", "a", "a, ", "[", "frontend x", "reverse_proxy ", "<", "a:", "\n"]
)
def test_recognising_is_linear(unit):
    language(unit * (200_000 // len(unit)))


@pytest.mark.parametrize(
    ("written", "better"),
    [
        ("http://127.0.0.1:9001/", '"127.0.0.1:9001"'),
        ("http://127.0.0.1:9001", '"127.0.0.1:9001"'),
        ("HTTP://app.example", '"app.example:80"'),
        ("http://[::1]:90", '"[::1]:90"'),
        ("http://[::1]/", '"[::1]:80"'),
        ("https://app.example", '"app.example:443"'),
        ("https://app.example", "for TLS, say tls = true in the listener or the upstream"),
        ("http://user:secret@app.example:81/", '"app.example:81"'),
        ("http://app:81/v1/", 'rewrite = "/v1/"'),
        ("h2c://app:81", '"app:81"'),
        ("tcp://app:81", '"app:81"'),
        ("http://unix:/run/app.sock:/", '"unix:/run/app.sock"'),
    ],
)
@pytest.mark.parametrize("kind", [Peer, Listen])
def test_a_url_as_an_address_is_told_how_to_write_it(kind, written, better):
    with pytest.raises(ValueError, match="write") as caught:
        kind.parse(written)
    assert better in str(caught.value)
    assert "in brackets" not in str(caught.value) and "secret" not in str(caught.value).partition(": ")[2]


def test_commands_in_the_place_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "rspctl reload" in command("reload")
    assert "rsp -s stop FILE" in command("stop")
    assert command("site.lua") is None
    (tmp_path / "reload").touch()
    assert command("reload") is None
