"""What the writer of `rsp import` makes of a model, and what its check makes of parts that do not load."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.importing.check import checked
from rsp.importing.lua import WIDTH, comment, quoted, write
from rsp.importing.site import Code, Declaration, Note, Origin, Script, Setting, Site, Table, Untranslated
from rsp.lua.evaluate import evaluate

_SERVED = [Declaration("listen", "127.0.0.1:8080"), Declaration("upstream", "app", ["127.0.0.1:9000"])]


def _site(*parts):
    return Site("nginx", "nginx.conf", [*_SERVED, *parts])


def test_a_short_part_has_one_line_and_a_long_one_a_line_for_each_key():
    long = {"path": "/x", "to": "app", "request_headers": {"set": {"X-" + "a" * 20: "b" * 30}}}
    text = write(_site(Declaration("route", keys={"to": "app"}), Declaration("route", keys=long))).text
    assert 'listen "127.0.0.1:8080"\n' in text
    assert 'upstream "app" { "127.0.0.1:9000" }\n' in text
    assert 'route { to = "app" }\n' in text
    assert 'route {\n  path = "/x",\n  to = "app",\n  request_headers = { set = { ["X-' in text


def test_values_without_keys_come_first():
    part = Declaration("upstream", "b", ["10.0.0.1:80", Table(["10.0.0.2:80"], {"weight": 2})], {"policy": "hash"})
    assert write(_site(part)).text.endswith(
        'upstream "b" { "10.0.0.1:80", { "10.0.0.2:80", weight = 2 }, policy = "hash" }\n'
    )


def test_functions_keep_their_lines():
    part = Declaration("route", keys={"to": "app", "on_request": Code("function(req)\n  return respond(403)\nend")})
    assert "  on_request = function(req)\n    return respond(403)\n  end,\n}" in write(_site(part)).text


def test_what_is_missing_stands_at_its_place_and_counts_in_the_header():
    lost = Untranslated("rsp has no such thing", "mail { }", Origin("nginx.conf", 7))
    site = _site(lost, Declaration("route", keys={"to": "app"}))
    text = write(site).text
    assert "1 thing was not translated" in text
    assert text.index("NOT TRANSLATED (nginx.conf:7): rsp has no such thing:\n--   mail { }") < text.index("route {")
    assert not site.whole


def test_notes_and_dropped_directives_leave_a_result_whole():
    site = _site(Note("a note", Origin("nginx.conf", 3)), Declaration("route", keys={"to": "app"}))
    site.drop("sendfile")
    assert site.whole
    assert "sendfile" in write(site).text
    assert "-- Note (nginx.conf:3): a note" in write(site).text


def test_a_note_is_told_once():
    site = _site()
    site.add(Note("the same", Origin("a", 1)))
    site.add(Note("the same", Origin("a", 2)))
    assert len(list(site.notes)) == 1


@given(st.text(max_size=200))
def test_no_text_leaves_its_comment(text):
    lines = comment(text)
    assert all(re.fullmatch(r"--(?: .*)?", line) and line.isprintable() for line in lines)


@given(st.text(max_size=60))
def test_texts_are_one_literal(text):
    import lupa.luajit21 as lua

    runtime = lua.LuaRuntime(encoding=None)
    value = runtime.eval(("return " + quoted(text))[7:].encode("utf-8", "surrogateescape"))
    assert value == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", ["a]]b\\c", "\\", "]\\]", 'a"b\\"', "a\nb\\c", "]=]\\"])
def test_backslashes_and_brackets_stay_in_a_literal(text):
    import lupa.luajit21 as lua

    assert lua.LuaRuntime().eval(quoted(text)) == text


def test_keys_that_are_words_of_lua_are_quoted():
    assert '["end"] = "x"' in write(_site(Declaration("route", keys={"headers": {"end": "x"}}))).text
    assert '[ [[\\x]] ] = "x"' in write(_site(Declaration("route", keys={"headers": {"\\x": "x"}}))).text


def test_lines_stay_below_the_width():
    site = _site(Note("word " * 60), Untranslated("reason " * 20, "text " * 60))
    assert max(map(len, write(site).text.split("\n"))) <= WIDTH


def test_what_does_not_load_becomes_untranslated_and_its_route_refuses(tmp_path):
    site = _site(
        Declaration("route", keys={"path": "/bad", "to": "nobody"}, origin=Origin("nginx.conf", 9)),
        Declaration("route", keys={"to": "app"}),
    )
    text = checked(site, str(tmp_path)).text
    assert [str(lost.origin) for lost in site.untranslated] == ["nginx.conf:9"]
    assert 'route { path = "/bad", respond = { status = 503 } }' in text
    (tmp_path / "site.lua").write_text(text)
    evaluate(str(tmp_path / "site.lua"))


def test_a_script_that_does_not_compile_is_taken_out(tmp_path):
    site = _site(Script("local function x( return end"), Declaration("route", keys={"to": "app"}))
    (tmp_path / "site.lua").write_text(checked(site, str(tmp_path)).text)
    evaluate(str(tmp_path / "site.lua"))
    assert [lost.text for lost in site.untranslated] == ["local function x( return end"]


def test_a_setting_that_rsp_refuses_is_reported(tmp_path):
    site = _site(Setting("workers", 4000, Origin("nginx.conf", 1)), Declaration("route", keys={"to": "app"}))
    checked(site, str(tmp_path))
    assert [lost.origin.line for lost in site.untranslated] == [1]
