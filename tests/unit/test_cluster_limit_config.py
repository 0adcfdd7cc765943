"""What a user is told of `cluster`, and what becomes of it where there is no store to ask."""

import pytest

from rsp.config.cluster_limits import least_burst, with_slack
from rsp.config.errors import ConfigError
from rsp.lua.evaluate import Evaluation
from rsp.lua.services import Services
from tests.harness import run_rsp

STORE = 'store "main" { "redis://127.0.0.1:6379/0" }\n'


def config_of(text):
    whole = f'listen "127.0.0.1:1"\n{text}'
    return Evaluation("site.lua", Services(), {}, {"site.lua": whole.encode()}).config()


def route(limit):
    return f"route {{ respond = {{ status = 200 }}, rate_limit = {{ {limit} }} }}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (route('rate = "1r/s", cluster = true'), "site.lua:2: route: rate_limit: cluster: the file has no store: add"),
        (
            STORE + 'store "other" { "redis://127.0.0.1:6380/0" }\n' + route('rate = "1r/s", cluster = true'),
            'site.lua:4: route: rate_limit: cluster: the file has several stores ("main", "other"): write the name '
            "of one of them",
        ),
        (
            STORE + route('rate = "1r/s", cluster = "mian"'),
            'site.lua:3: route: rate_limit: cluster: no store "mian" (did you mean "main"?)',
        ),
        (
            STORE + route('\n{ rate = "1r/s" },\n{ rate = "1r/s",\ncluster = "else" }'),
            'site.lua:6: route: rate_limit: cluster: no store "else"; the file has "main"',
        ),
        (route('rate = "1r/s", cluster = "http://x/"'), "rate_limit: cluster: expected a URL that begins with one of"),
        (
            route('rate = "1r/s", cluster = "redis://u:p@127.0.0.1/0"'),
            "rate_limit: cluster: a URL may not contain credentials",
        ),
        (route('rate = "1r/s", cluster = 5'), "rate_limit: cluster"),
        (route('rate = "1r/s", redis = "x"'), 'in rsp: cluster = "main", the name of a store'),
        (STORE + 'rate_limit_service = "x"', 'cluster = "main" } in a route'),
    ],
)
def test_mistakes_say_what_to_write(text, message):
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    assert message in str(caught.value)
    assert ":p@" not in str(caught.value)


def test_what_is_right():
    made = config_of(STORE + route('rate = "1r/s", cluster = "main"') + 'route { path = "/b", respond = { status = 200 }, '
                     'rate_limit = { rate = "1r/s", cluster = "redis://10.0.0.9:6379/2" } }')  # fmt: skip
    assert [each.rate_limit.cluster for each in made.routes] == ["main", "redis://10.0.0.9:6379/2"]


@pytest.mark.parametrize(
    ("rate", "burst", "wanted"),
    [
        ("1r/s", 0, 0),
        ("24r/s", 3, 3),
        ("25r/s", 0, 1),
        ("1000r/s", 0, 40),
        ("1000r/s", 50, 50),
        ("1000000r/s", 0, 40000),
    ],
)
def test_fast_limits_have_a_burst_for_their_leases(rate, burst, wanted):
    made = config_of(STORE + route(f'rate = "{rate}", burst = {burst}, cluster = true'))
    limits = with_slack(made.routes[0]).rate_limit
    assert [limit.burst for limit in limits] == [wanted]
    local = config_of(STORE + route(f'rate = "{rate}", burst = {burst}'))
    assert with_slack(local.routes[0]).rate_limit[0].burst == burst


def test_bursts_of_hooks():
    assert least_burst(0.001, 0) == 40
    assert least_burst(1.0, 2.5) == 2.5


def test_tests_of_a_configuration_ask_no_store(tmp_path):
    """``rsp -t`` counts them as limits of this instance, with the bursts that they have where rsp runs."""
    text = f"""
    listen "127.0.0.1:18080"
    {STORE}
    route {{ path = "/a", respond = {{ status = 200 }}, rate_limit = {{ rate = "1r/h", burst = 1, cluster = true }} }}
    route {{ path = "/c", respond = {{ status = 200 }}, rate_limit = {{ rate = "1000r/s", cluster = true }} }}
    route {{ path = "/b", respond = {{ status = 200 }}, on_request = function(req)
      local good, wait = limit.rate{{ key = "all", rate = "1r/h", cluster = "main" }}
      if not good then return respond(429, tostring(wait > 3500)) end
    end }}
    test("limits", function()
      local function status(path) return simulate{{ path = path }}.status end
      assert(status("/a") == 200 and status("/a") == 200 and status("/a") == 429)
      local left = simulate{{ path = "/c" }}.headers["RateLimit"]
      assert(left == '"default";r=40;t=1', left)
      assert(status("/b") == 200)
      local late = simulate{{ path = "/b" }}
      assert(late.status == 429 and late.body == "true")
    end)
    """
    done = run_rsp(tmp_path, "-t", "site.lua", text=text)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            'store = "main"',
            'limit.rate: unknown key "store"; for one limit of several instances write cluster = "main"',
        ),
        ("cluster = 5", "limit.rate: cluster: expected true, the name of a store, or a URL"),
        ('cluster = ""', "limit.rate: cluster: expected true, the name of a store, or a URL"),
    ],
)
def test_mistakes_in_hooks(tmp_path, options, message):
    text = f"""
    listen "127.0.0.1:18080"
    {STORE}
    route {{ respond = {{ status = 200 }}, on_request = function(req) limit.rate{{ key = "k", rate = "1r/s", {options} }} end }}
    test("it fails", function() assert(simulate{{}}.status == 200) end)
    """
    done = run_rsp(tmp_path, "-t", "site.lua", text=text)
    assert message in done.stdout + done.stderr
