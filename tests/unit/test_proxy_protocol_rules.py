"""What is said of mistakes in ``proxy_protocol`` and ``send_proxy``: where they are, and what to write."""

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from tests.unforked import load

BACKEND = 'upstream "x" { "127.0.0.1:8000" }\n'
FROM = 'from = { "10.0.0.0/8" }'
PLAIN = f"{BACKEND}listen"


def listen(options, address="0.0.0.0:80"):
    return f'{BACKEND}listen "{address}" {{\n  {options} }}'


def upstream(options):
    return f'listen "0.0.0.0:80"\nupstream "app" {{ "10.0.0.1:80",\n  {options} }}'


MISTAKES = [
    (listen("proxy_protocol = true"), "site.lua:3", 'got true; write proxy_protocol = { from = { "10.0.0.0/8" } }'),
    (listen('proxy_protocol = "on"'), "site.lua:3", 'write proxy_protocol = { from = { "10.0.0.0/8" } }'),
    (listen('proxy_protocol = "192.0.2.0/24"'), "site.lua:3", 'write proxy_protocol = { from = { "192.0.2.0/24" } }'),
    (listen('proxy_protocol = { "192.0.2.1", "192.0.2.2" }'), "site.lua:3", 'write proxy_protocol = { from = { "192.0.2.1", "192.0.2.2" } }'),
    (listen("proxy_protocol = false"), "site.lua:3", "leave it out"),
    (listen("proxy_protocol = {}"), "site.lua:3", 'missing "from"'),
    (listen("proxy_protocol = { from = {} }"), "site.lua:3", "from: expected a list that is not empty"),
    (listen('proxy_protocol = { from = "10.0.0.0/8" }'), "site.lua:3", 'write { "10.0.0.0/8" }'),
    (listen('proxy_protocol = { from = { "10.0.0.1/8" } }'), "site.lua:3", 'expected a network such as "10.0.0.0/8", got "10.0.0.1/8"'),
    (listen('proxy_protocol = { from = { "lb.example" } }'), "site.lua:3", "expected a network"),
    (listen('proxy_protocol = { trusted_ips = { "10.0.0.0/8" } }'), "site.lua:3", 'unknown key "trusted_ips" (in rsp: from = { "10.0.0.0/8" })'),
    (listen(f"proxy_protocol = {{ {FROM}, version = 2 }}"), "site.lua:3", "both versions are accepted"),
    (listen(f'proxy_protocol = {{ {FROM}, timeout = "3s" }}'), "site.lua:3", 'timeouts = { head = "10s" }'),
    (listen("accept_proxy = true"), "site.lua:3", 'unknown key "accept_proxy" (in rsp: proxy_protocol = { from = { "10.0.0.0/8" } })'),
    (listen('send_proxy = "v2"'), "site.lua:3", 'send_proxy = "v2" belongs in an upstream'),
    (listen(f"proxy_protocol = {{ {FROM} }}", "unix:/run/rsp.sock"), "site.lua:3", 'write from = { "unix:" }'),
    (listen('proxy_protocol = { from = { "unix:" } }'), "site.lua:3", "0.0.0.0:80 is not a unix socket"),
    (listen('proxy_protocol = { from = { "10.0.0.0/8",\n "::ffff:192.0.2.0/120" } }'), "site.lua:4", 'write "192.0.2.0/24"'),
    (f'{BACKEND}listen "0.0.0.0:80 proxy_protocol"', "site.lua:2", 'options as keys behind it: { "0.0.0.0:80", proxy_protocol = { from'),
    (f'{BACKEND}listen "80 accept-proxy"', "site.lua:2", "proxy_protocol = { from"),
    (f'proxy_protocol = {{ {FROM} }}\n{PLAIN} "0.0.0.0:80"', "site.lua:1", 'listen "0.0.0.0:80" { proxy_protocol = { from'),
    (upstream('send_proxy = true'), "site.lua:3", 'expected "v1" or "v2", got true; write send_proxy = "v2"'),
    (upstream('send_proxy = 1'), "site.lua:3", 'expected "v1" or "v2", got 1; write send_proxy = "v1"'),
    (upstream('send_proxy = 2'), "site.lua:3", 'expected "v1" or "v2", got 2; write send_proxy = "v2"'),
    (upstream('send_proxy = "V1"'), "site.lua:3", 'expected "v1" or "v2", got "V1"; write send_proxy = "v1"'),
    (upstream('send_proxy = "on"'), "site.lua:3", 'expected "v1" or "v2", got "on"; write send_proxy = "v2"'),
    (upstream('send_proxy = "off"'), "site.lua:3", "leave it out"),
    (upstream('send_proxy = false'), "site.lua:3", "leave it out"),
    (upstream('send_proxy_v2 = true'), "site.lua:3", 'unknown key "send_proxy_v2" (in rsp: send_proxy = "v2")'),
    (upstream('proxy_protocol = "v2"'), "site.lua:3", 'unknown key "proxy_protocol" (in rsp: send_proxy = "v2")'),
    (upstream('{ "10.0.0.2:80", send_proxy = "v2" }'), "site.lua:3", "belongs to the upstream, beside its peers"),
    (upstream('send_proxy = "v2", http = 2'), "site.lua:3", "several clients share an HTTP/2 connection"),
    (upstream('send_proxy = "v2", http = "auto", tls = true'), "site.lua:3", "several clients share an HTTP/2 "
                                                                             "connection"),
    (upstream('send_proxy = "v2", warm = 4'), "site.lua:3", "opened in advance cannot contain a client address"),
    (upstream('send_proxy = "v2", protocol = "fastcgi", root = "/srv"'), "site.lua:3", 'for protocol = "http"'),
    (upstream("") + '\nroute { to = "app", send_proxy = "v2" }', "site.lua:4", "(it is a key of an upstream)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES)
def test_a_mistake_names_its_line_and_what_to_write(tmp_path, monkeypatch, text, place, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load("site.lua")
    assert len(raised.value.messages) == 1, raised.value.messages
    assert raised.value.messages[0].startswith(place + ": "), raised.value.messages
    assert words in raised.value.messages[0]


def test_what_is_right_can_be_dumped_and_loaded_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = listen(f"proxy_protocol = {{ {FROM} }}") + '\nupstream "app" { "10.0.0.1:80", send_proxy = "v1" }'
    text += '\nlisten "systemd:web" { proxy_protocol = { from = { "unix:", "::1" } } } route { to = "app" }'
    (tmp_path / "site.lua").write_text(text)
    dumped = to_lua(load("site.lua").bundle.config)
    assert 'proxy_protocol = { from = { "10.0.0.0/8" } }' in dumped
    assert 'send_proxy = "v1"' in dumped
    (tmp_path / "site.lua").write_text(dumped)
    assert to_lua(load("site.lua").bundle.config) == dumped
