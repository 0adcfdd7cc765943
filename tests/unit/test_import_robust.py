"""Whatever a file has in it, `rsp import` reads it or says why not; the text that it writes is Lua."""

import cProfile
import re
import tempfile
from pathlib import Path

import lupa.luajit21 as luajit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsp.commands.importing import main
from rsp.importing.check import checked
from rsp.importing.haproxy.reader import read as read_haproxy
from rsp.importing.lua import write
from rsp.importing.nginx.reader import read
from rsp.importing.site import Declaration, Site, Unreadable, Untranslated
from tests.soak import examples

THEMES = sorted((Path(__file__).parents[1] / "interop" / "nginx").glob("*.conf"))
_PIECES = st.sampled_from(
    ["$", "{", "}", ";", '"', "'", "~", "(", ")", "\\", "${", "?", "*", "\0", "é", " ", "\n", "]]"]
)


@st.composite
def _changed(draw):
    """A theme with words taken out, doubled, or replaced."""
    words = re.split(r"(\s+)", draw(st.sampled_from(THEMES)).read_text())
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(words) - 1))
        way = draw(st.integers(0, 3))
        if way == 0:
            del words[at]
        elif way == 1:
            words[at] += draw(_PIECES)
        elif way == 2:
            words[at] = words[draw(st.integers(0, len(words) - 1))]
        else:
            words.insert(at, draw(_PIECES))
    return "".join(words)


@given(text=_changed())
@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_files_are_read_or_refused(text, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    try:
        written = write(read(path, text)).text
    except Unreadable as error:
        assert "nginx.conf" in str(error)
        return
    loaded = luajit.LuaRuntime(encoding=None).execute(
        b"return loadstring(...) ~= nil", written.encode("utf-8", "surrogateescape")
    )
    assert loaded, written


def _calls(text, path, name):
    """How often functions of a file, or a method, are called to read the text."""
    path.write_text(text)
    profile = cProfile.Profile()
    profile.runcall(read, path, text)
    return sum(e.callcount for e in profile.getstats() if name in getattr(e.code, "co_filename", e.code))


@pytest.mark.parametrize(
    ("one", "around", "name"),
    [
        ("server {{ listen 80; server_name s{}.t; location / {{ proxy_pass http://a; }} }}\n", "{}", "'get' of 'dict'"),
        ("location /l{}/ {{ proxy_pass http://a; }}\n", "server {{ listen 80; {} }}", "nginx/locations.py"),
    ],
    ids=["servers", "locations"],
)
def test_ten_times_as_many_parts_are_about_ten_times_as_much_work(one, around, name, tmp_path):
    few, many = (
        _calls(around.format("".join(map(one.format, range(count)))), tmp_path / "nginx.conf", name)
        for count in (20, 200)
    )
    assert few < many < 12 * few


_CODE = ("404) x() --", "503) end x() --", "404\n x()", "4040) x(", "\u00b2\u00b2\u00b2", "404\u00b2", "99999999999")


@pytest.mark.parametrize("code", _CODE)
@pytest.mark.parametrize(
    "body",
    [
        "root /srv; index index.php index.html; location ~ [.]php$ {{ return {}; }}",
        "location / {{ limit_req zone=a; limit_req_status {}; proxy_pass http://a; }}",
        "location / {{ limit_conn b 1; limit_conn_status {}; proxy_pass http://a; }}",
        "location / {{ error_page 404 ={} @a; root /srv; }} location @a {{ return 404; }}",
        "error_page {} /x.html; location / {{ root /srv; }}",
        "if ($http_x) {{ return {}; }} location / {{ proxy_pass http://a; }}",
    ],
    ids=["index", "limit_req_status", "limit_conn_status", "=", "error_page", "if"],
)
def test_what_stands_for_a_status_never_becomes_code(body, code, tmp_path):
    zones = "limit_req_zone $http_x zone=a:1m rate=1r/s; limit_conn_zone $http_x zone=b:1m;"
    text = "http {{ {} server {{ listen 80; {} }} }}"
    path = tmp_path / "nginx.conf"
    for status in ("404", f"'{code}'"):
        argument = f"'={code}'" if "={}" in body and status != "404" else status
        path.write_text(text.format(zones, body.replace("={}", "{}" if argument != status else "={}").format(argument)))
        if status == "404":
            write(read(path, path.read_text()))
        else:
            with pytest.raises(Unreadable, match=r"nginx.conf:\d+: \w+: expected a status such as 404"):
                read(path, path.read_text())


@pytest.mark.parametrize(
    "lines",
    [
        ("", "use_backend"), ("server a 127.0.0.1:1 check inter 1x", ""), ("server a 127.0.0.1:1 check\n timeout check 1x", ""),
    ],
)  # fmt: skip
def test_lines_of_haproxy_that_are_wrong_are_reported(lines, tmp_path):
    backend, frontend = lines
    path = tmp_path / "haproxy.cfg"
    path.write_text(
        f"frontend f\n mode http\n bind :80\n {frontend}\n default_backend b\n"
        f"backend b\n mode http\n {backend or 'server a 127.0.0.1:1'}\n"
    )
    site = read_haproxy(path, path.read_text())
    assert any(isinstance(part, Untranslated) for part in site.parts)


def test_the_name_of_a_cookie_never_becomes_code(tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(
        "http { server { listen 80; location / { proxy_pass http://a;"
        """ proxy_cookie_flags 'x") then y() end --' secure; } } }"""
    )
    written = write(read(path, path.read_text())).text
    assert "cookie:match(" in written
    assert not re.search(r"\by\b", re.sub(r'--[^\n]*|"(?:\\.|[^"\\\n])*"', "", written))


def test_a_placeholder_in_an_expression_of_a_hook_is_no_text(tmp_path):
    """With backslashes, the literal is in long brackets: its code was text, and ``if`` refused nothing."""
    path = tmp_path / "nginx.conf"
    path.write_text(
        r'server { listen 80; location / { if ($uri ~ "^/\.x/__APP__/\.y") { return 403; } proxy_pass http://a; } }'
    )
    assert r'regex("^/\\.x/" .. (os.getenv("APP") or "app") .. "/\\.y")' in write(read(path, path.read_text())).text


def test_a_terminal_does_not_obey_what_a_file_has_in_it(tmp_path, capfd):
    path = tmp_path / "nginx.conf"
    path.write_text('server { listen 80; unknown "\x1b[31m\x07"; location / { return 200 x; } }')
    assert main([str(path)]) == 1
    said = capfd.readouterr().err
    assert r"unknown" in said and r"\x1b[31m\x07" in said and "\x1b" not in said


def test_what_the_loader_refuses_is_said_of_the_result_and_not_of_the_file_that_it_was_tried_in():
    keys = [{"path": "/", "client_ca": "ca.pem"}, {"path": "/open/"}]
    routes = [Declaration("route", keys=each | {"respond": {"status": 204}}) for each in keys]
    listen = Declaration("listen", "127.0.0.1:8443", keys={"tls": True})
    text = checked(Site("x.conf", "", [listen, Declaration("certificate", items=["c.pem"]), *routes]), ".").text
    assert "missing client_ca" in text
    assert tempfile.gettempdir() not in text
