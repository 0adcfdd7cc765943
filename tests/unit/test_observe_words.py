"""What a user of nginx, Caddy or HAProxy writes for logs, metrics and traces, and what rsp says that it is here."""

import pytest

from rsp.config.errors import ConfigError
from rsp.config.field_words import _SAID, said, template
from rsp.config.log_fields import FIELDS, field
from rsp.lua.evaluate import evaluate

SITE = 'listen "127.0.0.1:8000"\nupstream "app" { "127.0.0.1:8001" }\n'
ENDPOINT = 'endpoint = "http://127.0.0.1:4318/v1/traces"'

MISTAKES = [
    ("metrics = true", 'metrics: expected a string or a table, got true; write metrics = "127.0.0.1:9145"'),
    ("metrics = 9145", 'got 9145; write metrics = "127.0.0.1:9145"'),
    ("metrics = false", 'leave "metrics" out'),
    ('metrics = "off"', 'metrics: "off": expected an address with a port, "127.0.0.1:9145"; leave it out to disable '
                        "it"),
    ('metrics = "127.0.0.1"', 'metrics: "127.0.0.1": expected an address with a port, "127.0.0.1:9145", or "unix:/path"'),
    ('metrics = "http://127.0.0.1:9145/metrics"', 'expected an address with a port, "127.0.0.1:9145", or "unix:/path"'),
    ('metrics = { address = "127.0.0.1:9145", path = "/x" }', 'metrics: unknown key "path" (the path is always '
                                                              "/metrics)"),
    ('metrics = { address = "127.0.0.1:9145", users = "x" }', 'unknown key "users" (metrics have no password; use a private'),
    ("prometheus = true", 'unknown setting "prometheus" (in rsp: metrics = "127.0.0.1:9145")'),
    ('stats = "/x"', 'unknown setting "stats" (in rsp: dashboard = "127.0.0.1:9146", or rspctl top)'),
    ("otel = true", "unknown setting \"otel\" (in rsp: tracing = { " + ENDPOINT + " })"),
    ("dashboard = true", 'write dashboard = "127.0.0.1:9146"'),
    ('dashboard = "off"', 'dashboard: "off": expected an address with a port, "127.0.0.1:9146"; leave it out to '
                          "disable it"),
    ('dashboard = { address = "127.0.0.1:9146", password = "x" }', 'unknown key "password" (in rsp: users = "htpasswd")'),
    ("log_format main '$remote_addr'", "'=' expected near 'main' (in rsp: access_log = { path = "),
    ("access_log /var/log/x main;", "(in rsp: access_log = { path = "),
    ('log_format = "main"', 'log_format: expected "text" or "json", got "main" (the lines of requests: access_log = { path = '),
    ('log_format = "jsn"', 'got "jsn" (did you mean "json"?)'),
    ('error_log "/x"', "(in rsp: log_level = \"error\"; errors go to standard error)"),
    ("access_log = true", 'got true; write access_log = "stdout"'),
    ("access_log = 1", 'got 1; write access_log = "stdout"'),
    ('access_log = "on"', 'access_log: write "stdout"; a file of this name is "./on"'),
    ('access_log = { "off", "stdout" }', 'access_log: "off" has no effect in a list with other logs; leave it out'),
    ('access_log = "udp://192.0.2.1:514"', 'expected a path, "syslog:/dev/log", "syslog:192.0.2.1:514" or "journald"'),
    ('access_log = { file = "x" }', 'access_log: unknown key "file" (in rsp: path)'),
    ('access_log = { path = "x", buffer = "32k" }', 'unknown key "buffer" (rsp always buffers log lines)'),
    ('access_log = { path = "x", level = "info" }', 'unknown key "level" (a separate setting: log_level = "info")'),
    ('access_log = { ["if"] = "status > 1" }', "unknown key \"if\" (in rsp: when = 'status >= 500')"),
    ('access_log = { sample = "1%" }', 'access_log: sample: expected a number, got "1%"; write 0.01'),
    ('access_log = { sample = "x%" }', 'access_log: sample: expected a number, got "x%"'),
    ('access_log = { format = "$remote_addr $status" }', "write '{client} {status}'"),
    ('access_log = { format = "$remote_addr $nonsense" }', 'expected "combined", "json", or a text with fields'),
    ('access_log = { format = "{status" }', 'a field is enclosed in braces, as in "{client} {status}"'),
    ('access_log = { format = "{remote_addr}" }', 'there is no field "remote_addr" (in rsp: client)'),
    ('access_log = { when = "$status > 500" }', "when: column 1: unexpected `$`; write the field's name alone"),
    ('access_log = { when = "request_time > 1s" }', 'column 1: there is no field "request_time" (in rsp: duration)'),
    ("access_log = { when = function() end }", "access_log: when: a function is not expected here"),
    ('access_log = { format = "json", fields = { "status" } }', 'got a list; write { name = "status" }'),
    ('access_log = { format = "json", fields = { bytes = false } }', 'got false; write bytes = "" to leave it out'),
    ('access_log = { format = "json", fields = { stauts = "" } }', '"json" has no such key to remove (did you mean "status"?)'),
    ("tracing = true", "got true; write tracing = { " + ENDPOINT + " }"),
    ('tracing = "http://h:1/v1/traces"', '; write tracing = { endpoint = "http://h:1/v1/traces" }'),
    ('tracing = { url = "http://h:1/v1/traces" }', 'unknown key "url" (in rsp: tracing = { endpoint ='),
    ("tracing = { " + ENDPOINT + ', sample = "10%" }', 'sample: expected a number, got "10%"; write 0.1'),
    ('route { to = "app", name = "removed" }', 'route: name: metrics count routes that a reload has removed as "removed"'),
    ("timeouts = { head = function() end }", "timeouts: head: a function is not expected here"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_what_is_said(tmp_path, text, expected):
    file = tmp_path / "site.lua"
    file.write_text(SITE + text)
    with pytest.raises(ConfigError) as error:
        evaluate(str(file))
    assert expected in str(error.value)
    assert str(error.value).startswith(f"{file}:3: ")


def test_names_of_other_programs_lead_to_fields_that_there_are():
    assert set(_SAID.values()) <= set(FIELDS) and not set(_SAID) & set(FIELDS)
    for name in ("http_x_foo", "$http_x_foo", "request.headers.X-Foo", "headers.x-foo", "req_header.x-foo"):
        assert said(name) == "request.header.x-foo" and field(said(name))
    assert said("sent_http_x_foo") == said("resp_headers.x-foo") == "response.header.x-foo"
    assert said("arg_page") == "query.page" and said("cookie_sid") == "cookie.sid"
    assert said("nonsense") == "" and said("") == ""


def test_a_template_of_nginx_is_translated_only_as_a_whole():
    assert template("$remote_addr - [$time_local] ${status}") == "{client} - [{time_local}] {status}"
    assert template("$remote_addr $nonsense") == template("combined") == ""


def test_fields_have_the_order_of_their_names(tmp_path):
    """What broke: the order of a Lua table, which is that of its hashes."""
    file = tmp_path / "site.lua"
    given = ("zone", "agent", "user", "host", "bytes_received", "wait", "connect", "first_byte", "retries")
    fields = ", ".join(f'{name} = "status"' for name in given)
    file.write_text(SITE + f'access_log = {{ format = "json", fields = {{ {fields} }} }}')
    assert list(evaluate(str(file))[0].settings.access_log.fields) == sorted(given)
