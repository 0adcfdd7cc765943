"""What nginx takes and rsp refuses: the import writes something that does the same, or leaves it out with a note."""

from pathlib import Path

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read

PEER = "proxy_pass http://127.0.0.1:9000;"


def whole(text: str, folder: Path) -> str:
    """The Lua of a server with ``text``, of which nothing may be lost; notes are in it."""
    path = folder / "nginx.conf"
    path.write_text(f"events {{}} http {{ server {{ listen 8080; {text} }} }}")
    site = read(path, path.read_text())
    written = checked(site, str(folder)).text
    assert [part.reason for part in site.untranslated] == []
    return " ".join(written.replace("\n-- ", " ").split())


@pytest.mark.parametrize(
    ("said", "written", "note"),
    [
        ("add_header X-A: 1;", '["X-A"] = ": 1"', "probably, X-A is meant"),
        ("proxy_set_header X-A: $host;", '["X-A"] = ": {host}"', "probably, X-A is meant"),
        ("proxy_set_header Host: $host;", 'send_host = "127.0.0.1:9000"', "probably, Host is meant"),
        ('add_header "=" 8;', "", '"=" is not the name of a field'),
        ("proxy_set_header X-Ä 8;", "", '"X-Ä" is not the name of a field'),
        ("add_header Host $host;", "", "responses have no field Host"),
        ('add_header X-A "a;\n  b;\n";', '["X-A"] = "a; b;"', "has line breaks"),
        ('proxy_hide_header "X A"; proxy_hide_header Host;', "", ""),
        ("proxy_hide_header X-A; proxy_hide_header x-a;", 'remove = { "X-A" }', ""),
        ("add_header X-A 1; add_header x-a 2;", '["X-A"] = "1, 2"', ""),
        ("add_header X-A 1; add_header X_A 2;", 'res.headers:add("X_A", "2")', ""),
        ("proxy_set_header X-A 1; proxy_set_header X_A 2;", 'req.headers["X_A"] = "2"', ""),
        ('more_clear_headers "X-A $x";', "", ""),
    ],
)
def test_names_and_values_of_fields(said: str, written: str, note: str, tmp_path: Path) -> None:
    lua = whole(f"location / {{ {PEER} {said} }}", tmp_path)
    assert written in lua
    assert note in lua


def test_a_field_that_is_left_out_still_hides_those_of_the_levels_around(tmp_path: Path) -> None:
    lua = whole("root /srv; add_header X-A 1; location /in/ { add_header Host x; }", tmp_path)
    assert lua.count("X-A") == 1
