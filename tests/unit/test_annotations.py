"""Annotations for editors: they say what the schema says, and hold the syntax of the Lua language server's."""

import json
import re

import msgspec
import pytest
from lupa.luajit21 import LuaRuntime

from rsp.config.annotations import annotations, luarc
from rsp.config.schema import Settings
from tests.paths import ROOT

FOLDER = ROOT / "rsp" / "lua" / "annotations"
FILES = sorted(FOLDER.glob("*.lua"))
BUILT_IN = {"any", "nil", "true", "false", "boolean", "string", "number", "integer", "table", "function", "userdata"}
TOKEN = re.compile(r"\s*(?:(\.\.\.)|([A-Za-z_][\w.]*)|(\"[^\"]*\"|'[^']*'|-?\d+)|(\[\]|[()<>{}\[\]|?:,]))")


class Reader:
    """Of one type in the language server's syntax; what comes behind it is a comment."""

    def __init__(self, text):
        self.text, self.at, self.names = text, 0, set()

    def peek(self):
        found = TOKEN.match(self.text, self.at)
        return found[0].strip() if found else ""

    def take(self, *wanted):
        found = TOKEN.match(self.text, self.at)
        token = found[0].strip() if found else ""
        assert token and (not wanted or token in wanted), f"{self.text!r}: expected {wanted} at {self.at}"
        self.at = found.end()
        return token

    def maybe(self, token):
        return self.peek() == token and bool(self.take())

    def type(self):
        self.part()
        while self.peek() == "|":
            self.take()
            self.part()

    def part(self):
        token = self.take()
        if token == "(":
            self.type()
            self.take(")")
        elif token == "{":
            self.fields("}")
        elif token == "fun":
            self.function()
        elif token[0] not in "\"'-0123456789":
            assert re.fullmatch(r"[A-Za-z_][\w.]*|\.\.\.", token), f"{self.text!r}: {token!r} is no type"
            self.names.add(token)
            if token == "table" and self.maybe("<"):
                self.type()
                self.take(",")
                self.type()
                self.take(">")
        while self.peek() in ("[]", "?"):
            self.take()

    def fields(self, end):
        while not self.maybe(end):
            if self.maybe("["):
                self.type()
                self.take("]")
            else:
                self.take()
            self.maybe("?")
            if self.maybe(":"):
                self.type()
            if self.peek() != end:
                self.take(",")

    def function(self):
        self.take("(")
        self.fields(")")
        if self.maybe(":"):
            self.type()
            while self.maybe(","):
                self.type()


def read(line):
    """The names of types in a line of annotations, and the name that it defines."""
    kind, _, rest = line.removeprefix("---@").partition(" ")
    if kind == "meta":
        return set(), None
    if kind == "class":
        name, *parents = re.fullmatch(r"([\w.]+)(?:: ([\w.]+))?", rest).groups()
        return {parent for parent in parents if parent}, name
    if kind == "alias":
        name, _, rest = rest.partition(" ")
    elif kind == "field":
        found = re.match(r"(?:\w+\??|\[\d+\]\??|\[(?:integer|string)\]) ", rest)
        assert found, line
        name, rest = None, rest[found.end() :]
    elif kind == "param":
        found = re.match(r"\w+\?? ", rest)
        assert found, line
        name, rest = None, rest[found.end() :]
    else:
        assert kind in ("return", "type", "overload"), line
        name = None
    reader = Reader(rest)
    reader.type()
    if kind == "return":
        while reader.maybe(","):
            reader.type()
    assert rest[reader.at :][:1] in ("", " "), f"{line}: something sticks to the type"
    return reader.names, name


def lines(path):
    return [line for line in path.read_text().splitlines() if line.startswith("---@")]


def test_they_are_what_the_schema_says():
    assert (FOLDER / "configuration.lua").read_text() == annotations(), "run: make docs"


def test_every_type_is_defined_once():
    used, defined = set(), []
    for path in FILES:
        for line in lines(path):
            names, name = read(line)
            used |= names
            defined += [name] if name else []
    assert sorted(defined) == sorted(set(defined))
    assert used - BUILT_IN - {"..."} <= set(defined)


@pytest.mark.parametrize(
    "line",
    ["---@field a table<string", "---@field a (string|number[]", "---@param a fun(b: string", "---@field a string|",
     "---@field a {b: string", '---@field a "x"y', "---@fiel a string", "---@type |string"],
)  # fmt: skip
def test_the_reader_refuses_what_is_no_type(line):
    with pytest.raises(AssertionError):
        read(line)


def test_every_key_of_the_schema_has_a_type():
    """Those of a few structs by name, without the generator."""
    text = (FOLDER / "configuration.lua").read_text()
    for name in set(Settings.__struct_fields__) - {"dns"}:
        assert re.search(rf"^---@type .*\|nil\n{name} = nil$", text, re.MULTILINE), name
    route = text.split("---@class rsp.config.Route\n")[1].split("\n\n")[0]
    for key in ("to", "host", "path", "rate_limit", "on_request", "timeouts"):
        assert f"---@field {key}? " in route, key
    listener = text.split("---@class rsp.config.Listener\n")[1].split("\n\n")[0]
    assert "---@field tls? boolean " in listener
    assert '---@field http2? boolean|"prior-knowledge" ' in listener


def test_they_are_lua():
    for path in FILES:
        assert LuaRuntime().eval("load")(path.read_text()), path


def test_settings_for_editors_lead_to_them():
    text = (ROOT / ".luarc.json").read_text()
    assert text == luarc("rsp/lua/annotations")
    (library,) = json.loads(text)["workspace.library"]
    assert (ROOT / library / "rsp.lua").is_file()
    assert msgspec.json.decode(text)["runtime.version"] == "LuaJIT"
