"""rsp import: a configuration with more expressions than Lua has local variables for."""

from rsp.importing.check import checked
from rsp.importing.crowds import as_fields, crowd
from rsp.importing.nginx.reader import read


def imported(tmp_path, lines):
    path = tmp_path / "site.conf"
    path.write_text("\n".join(lines))
    site = read(path, path.read_text())
    return site, checked(site, str(tmp_path)).text


def test_three_hundred_redirects(tmp_path):
    moved = [f"rewrite ^/old{number}/(.*)$ /new{number}/$1 permanent;" for number in range(300)]
    site, text = imported(tmp_path, ["server {", *moved, "location / { return 200 ok; } }"])
    assert site.whole
    assert "own.server_1_before_300 = regex(" in text


def test_few_are_local_variables(tmp_path):
    site, text = imported(tmp_path, ["server { rewrite ^/a/(.*)$ /b/$1 permanent; location / { return 200 ok; } }"])
    assert site.whole
    assert "local server_1_before_1 = regex(" in text


def test_only_names_are_changed():
    text = """local a = regex("a")  -- of a
local b = { "a", 'a', [[ a ]], req.a, c.a(a), aa, "\\"", a }
local function c(req)
  return a.test(req.path) and c
end"""
    assert (
        as_fields(text, frozenset("ac"))
        == """own.a = regex("a")  -- of a
local b = { "a", 'a', [[ a ]], req.a, own.c.a(own.a), aa, "\\"", own.a }
function own.c(req)
  return own.a.test(req.path) and own.c
end"""
    )


def test_what_is_a_crowd():
    many = [f"local a{number} = regex('x')" for number in range(151)]
    assert len(crowd(many)) == 151
    assert not crowd(many[:150])
    assert len(crowd([*many[:51], f"return {{ {', '.join(f'a{number}' for number in range(51))} }}"])) == 51
    assert not crowd([*many[:50], f"return {{ {', '.join(f'a{number}' for number in range(51))} }}"])
