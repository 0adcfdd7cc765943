"""Which variables the file asks for, and neither gives a value nor finds in nginx.

Another file sets them (``elsewhere.py``), or they are placeholders of a template (``environment.py``).
"""

import re
from collections.abc import Iterator
from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.syntax.words import KNOWN
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import is_known, pieces

MAPPING: Final = ("map", "geo", "split_clients")
_SETTING: Final = ("set", "auth_request_set")
_SETS: Final = re.compile(r"(?:^|_)set(?:_|$)|^js_var$|^keyval$|^\$")  # of modules, such as js_set and geoip2
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


def unset(block: list[Statement]) -> frozenset[str]:
    """Variables that something asks for, and that nothing here gives a value."""
    asked = {name for each in every(block) for word in each.args for _, name in pieces(word) if name}
    return frozenset(name for name in asked - set(_given(block)) if not is_of_nginx(name))


def _given(block: list[Statement]) -> Iterator[str]:
    """Names of variables that a directive of the file sets, as far as their names say it."""
    for statement in block:
        words = [statement.name, *statement.args]
        yield from (name for word in words for name in re.findall(r"\(\?P?<([A-Za-z_]\w*)>", word))
        if statement.name in MAPPING:
            yield words[-1].lstrip("$")
        elif statement.name in _SETTING:
            yield "".join(words[1:2]).lstrip("$")
        elif _SETS.search(statement.name) and statement.name not in KNOWN:
            yield from (word[1:] for word in words if word.startswith("$"))
        if statement.name not in MAPPING:
            yield from _given(statement.block or [])


def is_of_nginx(name: str) -> bool:
    """Whether nginx or a module of it has such a variable; ``True`` for what is no name."""
    is_named = re.fullmatch(r"[A-Za-z_]\w*", name) is not None and not name.isupper()
    name = name.lower()  # nginx takes both for one
    return not is_named or is_known(name) or name in _OF_NGINX or _FAMILIES.match(name) is not None
