"""Whatever a file has in it, `rsp import` reads it or says why not; the text that it writes is Lua."""

import re
from pathlib import Path

import lupa.luajit21 as luajit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsp.importing.lua import write
from rsp.importing.nginx.reader import read
from rsp.importing.site import Unreadable

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
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
