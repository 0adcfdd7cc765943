"""Field names: what is one name to a backend is one name to rsp; what tells of a client is dropped or known."""

from pathlib import Path

import pytest

from rsp.http import lines, names
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\n"
TOLD = sorted(names.TOLD | names.OWN | {prefix + b"x" for prefix in names.TOLD_PREFIXES} | {b"x-forwarded"})
ALWAYS = [name for name, meaning in names.MEANING.items() if meaning == names.DROPPED]


def parsed(line: bytes):
    return parse_request(PLAIN + line + b"\r\n\r\n")


def spellings(name: bytes) -> list[bytes]:
    """Others than ``name`` that CGI-like backends take for it."""
    odd = [name.replace(b"-", other) for other in (b"_", b".", b"~", b"!")]
    return [one for one in (*odd, name.replace(b"-", b"_", 1), name.upper().replace(b"-", b"_")) if b"-" in name]


@pytest.mark.parametrize("name", TOLD)
def test_what_tells_of_a_client_is_kept_apart(name):
    for spelling in (name, name.upper(), name.title()):
        head = parsed(spelling + b": evil")
        assert (head.fields, head.forwarded) == (b"X-Kept: 1\r\n", [spelling + b": evil"])


@pytest.mark.parametrize("name", [name for name in TOLD if name not in names.OWN])
def test_other_spellings_of_what_tells_of_a_client_are_dropped(name):
    for spelling in spellings(name):
        head = parsed(spelling + b": evil")
        assert (head.fields, head.forwarded) == (b"X-Kept: 1\r\n", [])


@pytest.mark.parametrize("name", ALWAYS)
def test_certificates_of_others_and_proxy_are_always_dropped(name):
    for spelling in (name, name.title(), *spellings(name)):
        head = parsed(spelling + b": evil")
        assert (head.fields, head.forwarded) == (b"X-Kept: 1\r\n", [])


@pytest.mark.parametrize(
    "name",
    [name for name, one in names.MEANING.items() if one not in (names.FORWARDED, names.DROPPED, names.CHALLENGE)]
    + sorted(names.OWN),
)
def test_other_spellings_of_what_rsp_understands_are_refused(name):
    for spelling in spellings(name):
        with pytest.raises(ProtocolError):
            parsed(spelling + b": evil")


@pytest.mark.parametrize("first", [b"X-A-B", b"X_A_B", b"X.A.B", b"x-A_b"])
@pytest.mark.parametrize("second", [b"X-A-B", b"X_A_B", b"X.A.B", b"x-A_b"])
def test_two_spellings_of_one_name_are_refused(first, second):
    line = first + b": 1\r\n" + second + b": 2"
    if first.lower() == second.lower():
        assert parsed(line).count == 4
    else:
        with pytest.raises(ProtocolError):
            parsed(line)


@pytest.mark.parametrize("name", [b"x-user", b"X_User", b"X.User"])
def test_dropping_a_name_drops_all_spellings(name):
    block = b"X_User: 1\r\nX-Users: 2\r\nx.uSER: 3\r\nX-User: 4\r\nXUser: 5\r\nX-User\x80: 6\r\n"
    kept = b"X-Users: 2\r\nXUser: 5\r\nX-User\x80: 6\r\n"
    assert lines.drop(block, name) == kept
    assert lines.without(block, {names.fold(name)}) == kept
    assert lines.get(block, b"x-user") == b"4"


def test_the_documentation_lists_the_table():
    text = (Path(__file__).parents[2] / "docs" / "http.md").read_text().lower()
    for name in (*names.TOLD, *names.OWN, *ALWAYS):
        assert f"`{name.decode()}`" in text, name
    for prefix in names.TOLD_PREFIXES:
        assert f"`{prefix.decode()}*`" in text, prefix
