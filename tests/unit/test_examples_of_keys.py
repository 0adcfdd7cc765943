"""The examples that messages show: each is Lua that the schema takes."""

import msgspec
import pytest

from rsp.config.errors import ConfigError
from rsp.config.example import example
from rsp.config.keys import parts_of
from rsp.config.schema import Settings, decode_hook
from rsp.lua.evaluate import evaluate
from tests.unit.test_empty_values import KEYS

# Peers stand in the table of their upstream, without a key.
SHOWN = [(struct, field, found) for struct, field in KEYS if field.name != "peers" and (found := example(field))]


def test_most_keys_have_one():
    missing = [
        f"{struct.__name__}.{field.name}"
        for struct, field in KEYS
        if not example(field) and not set(parts_of(field.type)) <= {str, int, float, bool, type(None)}
    ]
    assert len(SHOWN) > 200 and len(missing) < 50, missing


def test_the_schema_takes_them(lua):
    for struct, field, found in SHOWN:
        value = lua(found)
        try:
            msgspec.convert(value, field.type, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            pytest.fail(f"{struct.__name__}.{field.encode_name} = {found}: {error}")


@pytest.fixture
def lua():
    """A value of Lua as data."""
    from rsp.lua.runtime import engine

    runtime = engine().LuaRuntime(unpack_returned_tuples=True)

    def plain(value):
        if not hasattr(value, "items"):
            return value
        items = dict(value.items())
        if items and set(items) == set(range(1, len(items) + 1)):
            return [plain(items[number]) for number in range(1, len(items) + 1)]
        return {str(key): plain(item) for key, item in items.items()}

    return lambda text: plain(runtime.eval(text))


def test_a_setting_of_a_wrong_type_shows_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = [
        field
        for field in msgspec.structs.fields(Settings)
        if not {str, int, bool}.intersection(parts_of(field.type)) and example(field)[:1] == "{"
    ]
    assert len(tables) > 8
    for field in tables:
        (tmp_path / "s.lua").write_text(f'listen "0.0.0.0:80" route {{ respond = {{}} }} {field.encode_name} = 5')
        with pytest.raises(ConfigError) as caught:
            evaluate("s.lua")
        assert "write " in str(caught.value) or f"; for example {field.encode_name} = {{ " in str(caught.value)
