"""Variables whose values the file does not have: those that another file sets, and those that rsp has in another way.

A part of a configuration asks for what ``set``, ``map`` or ``geo`` of another file gives a value: nginx would not start
otherwise.  A function of Lua stands for such a variable; until it is filled in, the variable is empty, or where it
decides which clients are refused, requests fail.
"""

import re
from collections.abc import Iterator
from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.syntax.words import KNOWN
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import is_known, pieces
from rsp.importing.site import Script

_MAPPING: Final = ("map", "geo", "split_clients")
_SETTING: Final = ("set", "auth_request_set")
_SETS: Final = re.compile(r"(?:^|_)set(?:_|$)|^js_var$|^keyval$|^\$")  # of modules, such as js_set and geoip2
_CLOSING: Final = ("limit_req_zone", "limit_conn_zone", "auth_basic", "auth_basic_user_file")
_IS_ERROR: Final = re.compile("(?!425)[45][0-9][0-9]").fullmatch  # 425 is for early data, of which rsp accepts none
# Of nginx itself or of its modules, beside those that variables.py knows.
_OF_NGINX: Final = frozenset(
    """
    ancient_browser body_bytes_sent bytes_received bytes_sent connection connection_requests connection_time date_gmt
    date_local document_root fastcgi_path_info gzip_ratio hostname http2 http3 invalid_referer limit_conn_status
    limit_rate limit_req_status memcached_key modern_browser msie nginx_version pid pipe protocol proxy_host proxy_port
    proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port quic_connection realip_remote_addr
    realip_remote_port realpath_root remote_port secure_link secure_link_expires server_addr slice_range spdy time_local
    ssl_alpn_protocol ssl_server_name uid_got uid_reset uid_set upstream_last_server_name
    """.split()  # noqa: SIM905 - a list of words
)
_FAMILIES: Final = re.compile(
    r"(?:connections|geoip2?|jwt|memc|njs|oidc|otel|opentracing|proxy_protocol_tlv|sent_trailer|session_log|srcache|"
    r"tcpinfo|uid|upload|upstream_trailer|vts)_"
)
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
        self._names = _unknown(block) if is_part else frozenset[str]()
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


def _unknown(block: list[Statement]) -> frozenset[str]:
    """Variables that something asks for, and that nothing here gives a value."""
    asked = {name for each in every(block) for word in each.args for _, name in pieces(word) if name}
    return frozenset(name for name in asked - set(_given(block)) if not _is_of_nginx(name))


def _given(block: list[Statement]) -> Iterator[str]:
    """Names of variables that a directive of the file sets, as far as their names say it."""
    for statement in block:
        words = [statement.name, *statement.args]
        yield from (name for word in words for name in re.findall(r"\(\?P?<([A-Za-z_]\w*)>", word))
        if statement.name in _MAPPING:
            yield words[-1].lstrip("$")
        elif statement.name in _SETTING:
            yield "".join(words[1:2]).lstrip("$")
        elif _SETS.search(statement.name) and statement.name not in KNOWN:
            yield from (word[1:] for word in words if word.startswith("$"))
        if statement.name not in _MAPPING:
            yield from _given(statement.block or [])


def _is_of_nginx(name: str) -> bool:
    is_named = re.fullmatch(r"[a-z_]\w*", name) is not None
    return not is_named or is_known(name) or name in _OF_NGINX or _FAMILIES.match(name) is not None


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
            elif statement.name in _MAPPING and statement.args:
                words = [word for inner in statement.block or [] for word in inner.args]
                if _asks([*statement.args[:-1], *words], found):
                    found.add(statement.args[-1].lstrip("$"))
    return found


def _asks(words: list[str], names: set[str]) -> bool:
    return any(name in names for word in words for _, name in pieces(word))
