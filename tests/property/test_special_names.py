"""What stands outside of the table of special names, held to it: the compiled scanner, Lua, what hooks read."""

from itertools import product

import pytest

from rsp.commands.rehearsal import Rehearsal
from rsp.http import names
from rsp.http.h1 import codec, head
from rsp.lua.evaluate import evaluate
from tests.property.test_twins import REQUEST, RESPONSE, understood

NAMES = sorted({
    *names.MEANING, *names.RESERVED, *names.PROTECTED, *names.APART, *names.OURS, *names.AUTHORIZATION,
    *names._NOT_IN_TRAILERS, *(prefix + b"a" for prefix in names.TOLD_PREFIXES),
})  # fmt: skip
VALUES = [
    b"",
    b"0",
    b"close",
    b"chunked",
    b"keep-alive",
    b"a",
    b"NTLM a",
    b"Basic a",
    b"x-a",
    b"trailers",
    b"100-continue",
]
SITE = """
listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }
lua = { instructions = 100000000 }
trusted = { "127.0.0.1" }
route { to = "app" }
local names = { %s }
"""


def spellings(name: bytes) -> set[bytes]:
    """Names that are the same, or the same to some backend, and one that is neither."""
    cases = {name, name.upper(), name.title(), name.swapcase()}
    return {
        *cases,
        *(case.replace(b"-", dash) for case in cases for dash in (b"_", b".")),
        name + b"s",
        b"x" + name[1:],
    }


@pytest.mark.parametrize("name", NAMES)
def test_both_twins_understand_every_spelling_of_a_special_name(name):
    for spelling, value in product(spellings(name), VALUES):
        field = b"%b: %b\r\nX-A: 1\r\n" % (spelling, value)
        for rest in (field + b"\r\n", field + field + b"\r\n", b"Connection: %b\r\n%b\r\n" % (name, field)):
            request = b"GET / HTTP/1.1\r\nHost: a\r\n" + rest
            assert understood(codec.parse_request, REQUEST, request) == understood(
                head.parse_request, REQUEST, request
            ), request
            response = b"HTTP/1.1 200 OK\r\n" + rest
            assert understood(codec.parse_response, RESPONSE, response, b"GET") == understood(
                head.parse_response, RESPONSE, response, b"GET"
            ), response


def played(tmp_path, hook: str, rest: bytes = b"\r\n") -> list[bytes]:
    """The lines that ``hook`` answers, which knows all names."""
    path = tmp_path / "site.lua"
    known = [b'"%b"' % spelling for name in NAMES for spelling in sorted({name, name.replace(b"-", b"_")})]
    path.write_text(SITE % b", ".join(known).decode() + hook)
    config, files = evaluate(str(path))
    rehearsal = Rehearsal(config, str(path), files)
    result = rehearsal.ask(
        b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close, upgrade\r\n%b" % rest, b"127.0.0.1"
    )
    rehearsal.close()
    assert result.status == 200, result.log
    return result.body.splitlines()


@pytest.mark.parametrize("which", ["req", "res"])
def test_hooks_may_write_every_name_that_is_not_reserved(tmp_path, which):
    refused = played(tmp_path, f"""
    local function try(headers)
      local refused = {{}}
      for _, name in ipairs(names) do
        for _, write in ipairs {{ function() headers[name] = "a" end, function() headers:add(name, "a") end }} do
          local good, why = pcall(write)
          if good and name ~= "host" then headers[name] = nil end
          if not good and tostring(why):find("set by rsp itself", 1, true) then refused[#refused + 1] = name end
        end
      end
      return table.concat(refused, "\\n")
    end
    function on_request(req)
      if "{which}" == "req" then return respond(200, try(req.headers)) end
      return respond(200, "none")
    end
    function on_response(req, res)
      if "{which}" == "res" then res.body = try(res.headers) end
    end
    """)  # fmt: skip
    expected = {spelling for name in names.RESERVED for spelling in (name, name.replace(b"-", b"_"))}
    assert sorted(refused) == sorted([*expected, *expected])


def test_hooks_read_the_fields_that_are_kept_apart(tmp_path):
    given = {
        b"upgrade": b"websocket", b"expect": b"100-continue", b"x-request-id": b"id-1",
        **dict.fromkeys(names.OWN, b"for=10.0.0.1"),
    }  # fmt: skip
    for framing, body in (((b"content-length", b"5"), b"12345"), ((b"transfer-encoding", b"chunked"), b"0\r\n\r\n")):
        sent = dict([*given.items(), framing])
        lines = b"".join(b"%b: %b\r\n" % field for field in sent.items())
        found = played(tmp_path, """
        function on_request(req)
          local found = {}
          for _, name in ipairs(names) do
            if req.headers[name] then found[#found + 1] = name .. ": " .. req.headers[name] end
          end
          return respond(200, table.concat(found, "\\n"))
        end
        """, lines + b"\r\n" + body)  # fmt: skip
        expected = {**sent, b"host": b"a.example"}
        assert {*names.APART} - expected.keys() <= names.FRAMING
        assert dict(line.split(b": ", 1) for line in found) == expected
