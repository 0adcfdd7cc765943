"""What is wrong with ``metrics`` in a configuration: where, and what to write."""

import pytest

from rsp.commands.writable import problems
from rsp.config.errors import ConfigError
from rsp.config.metrics_rules import metrics_of
from rsp.lua.evaluate import evaluate

SITE = 'listen "0.0.0.0:8000"\nupstream "app" { "127.0.0.1:8001" }\n'


def config(directory, text):
    file = directory / "site.lua"
    file.write_text(SITE + text)
    return evaluate(str(file))[0]


@pytest.mark.parametrize(
    ("text", "address", "hosts"),
    [
        ('metrics = "127.0.0.1:9145"', "127.0.0.1:9145", ()),
        ('metrics = "9145"', "0.0.0.0:9145", ()),
        ('metrics = "[::1]:8000"', "[::1]:8000", ()),  # of another family than the listener's
        ('metrics = { address = "unix:/run/m.sock" }', "unix:/run/m.sock", ()),
        ('metrics = { address = "10.0.0.5:9145", hosts = { "a.example" } }', "10.0.0.5:9145", ("a.example",)),
    ],
)
def test_what_it_means(tmp_path, text, address, hosts):
    metrics = metrics_of(config(tmp_path, text).settings)
    assert (metrics.address, metrics.hosts) == (address, hosts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('metrics = "127.0.0.1"', 'metrics: "127.0.0.1": expected an address with a port, "127.0.0.1:9145"'),
        ('metrics = "127.0.0.1:0"', 'metrics: "127.0.0.1:0": expected an address with a port, "127.0.0.1:9145"'),
        ('metrics = { address = "systemd:m" }', 'metrics: "systemd:m": expected an address with a port'),
        ('dashboard = "127.0.0.1:0"', 'dashboard: "127.0.0.1:0": expected an address with a port, "127.0.0.1:9146"'),
        ('metrics = { adress = "127.0.0.1:9145" }', 'metrics: unknown key "adress" (did you mean "address"?)'),
        ("metrics = 9145", 'metrics: expected a string or a table, got 9145; write metrics = "127.0.0.1:9145"'),
        (
            'metrics = "127.0.0.1:8000"',
            'metrics: "127.0.0.1:8000": this address is already used by listen "0.0.0.0:8000"',
        ),
        (
            'metrics = "127.0.0.1:9145" dashboard = "127.0.0.1:9145"',
            'dashboard: "127.0.0.1:9145": this address is already used by metrics',
        ),
    ],
)
def test_mistakes(tmp_path, text, message):
    with pytest.raises(ConfigError) as error:
        config(tmp_path, text)
    assert f"{tmp_path}/site.lua:3: {message}" in str(error.value)


def test_a_directory_that_there_is_not(tmp_path):
    said = problems(config(tmp_path, 'access_log = "off" metrics = "unix:/nowhere/m.sock"'))
    assert said == ["metrics: /nowhere/m.sock cannot be written: there is no directory /nowhere"]
