"""Variables whose values the file does not have: those that another file sets, and those that rsp has in another way.

A part of a configuration asks for what ``set``, ``map`` or ``geo`` of another file gives a value: nginx would not start
otherwise.  A function of Lua stands for such a variable; until it is filled in, the variable is empty, or where it
decides which clients are refused, requests fail.
"""

import re
from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.unset import MAPPING, unset
from rsp.importing.nginx.values.variables import pieces
from rsp.importing.site import Script

_CLOSING: Final = ("limit_req_zone", "limit_conn_zone", "auth_basic", "auth_basic_user_file")
_IS_ERROR: Final = re.compile("(?!425)[45][0-9][0-9]").fullmatch  # 425 is for early data, of which rsp accepts none
# An expression of Lua, and what a note says of it.
_APPROXIMATE: Final = {
    "hostname": (
        '(os.getenv("HOSTNAME") or "localhost")',
        "$hostname is HOSTNAME of rsp's environment; where there is none, write the name of the machine in its place",
    ),
    "server_protocol": (
        '(req.tls and req.tls.alpn == "h2" and "HTTP/2.0" or "HTTP/1.1")',
        "$server_protocol: rsp's hooks do not tell HTTP/1.0 from HTTP/1.1",
    ),
    "upstream_cache_status": ('""', "rsp has no response cache, so $upstream_cache_status is empty"),
}


class Elsewhere:
    """``is_part``: the file is a part of a configuration, so that another file may set variables."""

    def __init__(self, result: Result, block: list[Statement], *, is_part: bool) -> None:
        self._result = result
        self._block = block
        self._names = unset(block) if is_part else frozenset[str]()
        self._written: list[str] = []

    def call(self, name: str) -> str | None:
        """An expression with ``req``; ``None``: the variable is of neither kind."""
        known = _APPROXIMATE.get(name)
        if known is not None:
            self._result.settings.note(None, known[1])
            return known[0]
        if name not in self._names:
            return None
        function = f"elsewhere_{name}".lower()
        if name not in self._written:
            self._written.append(name)
            self._write(name, function)
        return f"{function}(req)"

    def _write(self, name: str, function: str) -> None:
        refuses = _refuses(self._block, name)
        inside = f'error("put the value of ${name} here")' if refuses else 'return ""'
        text = f"local function {function}(req)\n  {inside}\nend"
        self._result.scripts.append(Script(text, comments=[f"Another file sets ${name}: return its value here."]))
        until = "until then, requests that it decides about fail" if refuses else "there it is empty"
        said = f"another file of the configuration sets ${name}: put its value into {function}; {until}"
        self._result.settings.note(None, said)


def _refuses(block: list[Statement], name: str) -> bool:
    """Whether it decides which clients are refused."""
    found = _depending(block, name)
    for statement in every(block):
        inside = statement.block or []
        refuses = statement.name == "if" and any(each.name == "return" and _IS_ERROR(each.value) for each in inside)
        if (refuses or statement.name in _CLOSING) and _asks(statement.args, found):
            return True
    return False


def _depending(block: list[Statement], name: str) -> set[str]:
    """``name``, and the variables whose values depend on it."""
    found = {name}
    count = 0
    while len(found) > count:
        count = len(found)
        for statement in every(block):
            if statement.name == "if" and _asks(statement.args, found):
                sets = [inner for inner in statement.block or [] if inner.name == "set" and inner.args]
                found.update(inner.value.lstrip("$") for inner in sets)
            elif statement.name == "set" and _asks(statement.args[1:], found):
                found.add(statement.value.lstrip("$"))
            elif statement.name in MAPPING and statement.args:
                words = [word for inner in statement.block or [] for word in inner.args]
                if _asks([*statement.args[:-1], *words], found):
                    found.add(statement.args[-1].lstrip("$"))
    return found


def _asks(words: list[str], names: set[str]) -> bool:
    return any(name in names for word in words for _, name in pieces(word))
