"""What is wrong with ``dashboard`` in a configuration: where, and what to write."""

import pytest

from rsp.config.dashboard_rules import is_local
from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.config.units import Listen
from rsp.lua.evaluate import evaluate

HASH = "$2y$05$" + "a" * 53
SITE = 'listen "127.0.0.1:8000"\nupstream "app" { "127.0.0.1:8001" }\n'


def config(directory, text):
    file = directory / "site.lua"
    file.write_text(SITE + text)
    return evaluate(str(file))[0]


def message(directory, text):
    with pytest.raises(ConfigError) as error:
        config(directory, text)
    return str(error.value)


@pytest.mark.parametrize("address", ["127.0.0.1:9146", "[::1]:9146", "localhost:9146", "unix:/run/rsp/page.sock"])
def test_an_address_that_only_this_machine_reaches_needs_nothing(tmp_path, address):
    assert config(tmp_path, f'dashboard = "{address}"').operators == b""


@pytest.mark.parametrize("address", ["0.0.0.0:9146", "9146", "10.0.0.1:9146", "[::]:9146", "example.com:9146"])
def test_others_need_users(tmp_path, address):
    said = message(tmp_path, f'dashboard = "{address}"')
    assert said.startswith(f"{tmp_path}/site.lua:3: dashboard: ") and 'users = "htpasswd"' in said
    assert '"127.0.0.1:9146"' in said


def test_actions_need_users(tmp_path):
    said = message(tmp_path, 'dashboard = { address = "127.0.0.1:9146",\n  actions = true }')
    assert said.startswith(f"{tmp_path}/site.lua:4: dashboard: actions = true needs users")


def test_users_are_read_beside_the_configuration_and_shown_nowhere(tmp_path):
    (tmp_path / "htpasswd").write_text(f"# operators\nada:{HASH}\n")
    found = config(tmp_path, 'dashboard = { address = "0.0.0.0:9146", actions = true, users = "htpasswd" }')
    assert HASH.encode() in found.operators
    assert HASH not in to_lua(found)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot open"),
        ("", "has no user"),
        ("# none\n\n", "has no user"),
        ("ada:secret\n", "htpasswd:1: the password is not hashed; htpasswd -B FILE NAME  creates one"),
        (f"ada:{HASH}\nbob\n", "htpasswd:2: expected NAME:HASH"),
        (f":{HASH}\n", "htpasswd:1: expected NAME:HASH"),
    ],
)
def test_a_file_of_users_that_cannot_be_used(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "htpasswd").write_text(content)
    said = message(tmp_path, 'dashboard = { address = "127.0.0.1:9146", users = "htpasswd" }')
    assert f"{tmp_path}/site.lua:3: dashboard: users: " in said and expected in said and "secret" not in said


def test_an_address_that_is_none(tmp_path):
    assert f"{tmp_path}/site.lua:3: dashboard: " in message(tmp_path, 'dashboard = "nonsense"')


def test_passed_sockets_may_listen_anywhere():
    assert not is_local(Listen.parse("systemd:page"))
