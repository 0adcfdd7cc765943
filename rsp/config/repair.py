"""Puts aside what a mistake was found in, so that the next mistake of the same declaration is found as well."""

from copy import deepcopy
from typing import Any

import msgspec

from rsp.config import keys
from rsp.config.errors import Path
from rsp.config.filters import Split

# What stands in for a key that cannot be left out; never used, because a file with a mistake is refused.
_STAND_INS: dict[str, Any] = {
    "address": "127.0.0.1:1", "to": "/", "status": 404, "interval": 1, "name": "x",
    "peers": [{"address": "127.0.0.1:1"}], "from": ["unix:"],
    "rate": "1r/s", "max": 1, "origins": ["*"], "jwks": "https://a/",
}  # fmt: skip
_SHARES: dict[str, Any] = {"to": {"a": 1}}  # of `split`


def put_aside(wanted: type, value: Any, path: Path) -> Any:
    """A copy of ``value`` without what is at ``path``, with a stand-in there if the key is required.

    None if that cannot be done.
    """
    if not path:
        return None
    copy = parent = deepcopy(value)
    *steps, last = path
    struct = keys.struct_at(wanted, tuple(steps))
    required = [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
    stand_ins = _SHARES if struct is Split else _STAND_INS
    try:
        for step in steps:
            parent = parent[step]
        if last == "address" and steps and isinstance(steps[-1], int):
            parent[last] = f"192.0.2.1:{steps[-1] % 65535 + 1}"  # of peers, each has another
        elif last in required and last in stand_ins:
            parent[last] = deepcopy(stand_ins[str(last)])
        else:
            del parent[last]
    except (KeyError, IndexError, TypeError):
        return None
    return copy


def original(path: Path, gone: list[Path]) -> Path:
    """``path`` with the positions that items had before those at ``gone`` were put aside."""
    found: Path = ()
    for step in path:
        if isinstance(step, int):
            for index in sorted(path[-1] for path in gone if path[:-1] == found and isinstance(path[-1], int)):
                step += index <= step
        found = (*found, step)
    return found
