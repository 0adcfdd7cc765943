"""What a file may say, but hardly means: variables of other programs, redirects in a circle, twice one name."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.schema import Redirect, Route
from rsp.config.units import show
from rsp.http.names import fold
from rsp.http.routing import Router, match, normalise_host, normalise_path

# nginx's $name and ${name}, HAProxy's %[fetch].
_VARIABLE: Final = re.compile(r"%\[[^\]]*\]|\$\{?[a-z][a-z0-9_]*\}?")
_OURS: Final = {
    "$remote_addr": "{client}", "$realip_remote_addr": "{client}", "%[src]": "{client}", "$host": "{host}",
    "$http_host": "{authority}", "$scheme": "{scheme}", "$request_id": "{request_id}", "$request_uri": "{path}",
    "$uri": "{path}", "$document_uri": "{path}", "$args": "{query}", "$query_string": "{query}",
    "%[path]": "{path}", "%[query]": "{query}",
    "$ssl_protocol": "{tls_version}", "$ssl_cipher": "{tls_cipher}", "$ssl_server_name": "{sni}",
    "$ssl_client_cert": "{client_cert}", "$ssl_client_escaped_cert": "{client_cert}",
    "$ssl_client_s_dn": "{client_cert_subject}", "$ssl_client_fingerprint": "{client_cert_fingerprint}",
    "%[ssl_fc_protocol]": "{tls_version}", "%[ssl_fc_cipher]": "{tls_cipher}", "%[ssl_fc_sni]": "{sni}",
    "%[ssl_c_s_dn]": "{client_cert_subject}",
}  # fmt: skip
_KNOWN: Final = re.compile(
    r"%\[|\$\{?(?:arg_|cookie_|http_|sent_http_|upstream_|proxy_|ssl_|server_|remote_|request|connection|hostname"
    r"|binary_remote_addr|msec|time_|content_|body_bytes|bytes_sent|is_args)"
)
_TARGET: Final = re.compile(r"[/{?#.]|[A-Za-z][A-Za-z0-9+.\-]*:(?!\d)")


def variable(value: str) -> str | None:
    """What is wrong with ``value`` if it has another program's variable in it."""
    for found in _VARIABLE.finditer(value):
        name = found[0].replace("{", "").replace("}", "")
        if name in _OURS:
            return f"{show(found[0])} is sent as it stands; say {_OURS[name]}"
        if _KNOWN.match(found[0]):
            return f"{show(found[0])} is sent as it stands; there are placeholders such as {{client}}, and hooks"
    return None


def host_of(url: str) -> str:
    """The host in a URL or in what begins like one."""
    authority = re.split(r"[/?#]", url.partition("://")[2] if "://" in url else url)[0].rpartition("@")[2]
    return re.sub(r":\d*$", "", authority)


def field_names(key: str, part: str, names: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Of a rule for fields: names that are one, and patterns."""
    seen: dict[bytes, str] = {}
    for name in names:
        other = seen.setdefault(fold(name.encode()), name)
        if other != name:
            yield (key, part, name), f'{key}: {part}: "{other}" and "{name}" are one name to backends'
        if "*" in name:
            yield (key, part, name), f'{key}: {part}: {show(name)}: "*" stands for nothing here; name each field'


def target_mistake(target: str) -> str | None:
    """Why a redirect to ``target`` does not lead where it seems to."""
    if _TARGET.match(target) is None:
        return (
            f"{show(target)} would be a path beside that of the request; say {show('https://' + target)}, "
            f"or {show('/' + target)}"
        )
    return variable(target)


def circles(routes: Iterable[Route]) -> Iterator[tuple[int, str]]:
    """The number of each route that redirects to itself, and what is wrong."""
    listed = list(routes)
    router = Router((route.host, route.path, number) for number, route in enumerate(listed))
    for number, route in enumerate(listed):
        redirect = route.redirect
        if redirect is None or route.on_request is not None:
            continue
        target = redirect.to if isinstance(redirect, Redirect) else redirect
        path = re.split(r"[?#]", target, maxsplit=1)[0].encode()
        if target[:1] != "/" or target[:2] == "//" or "{" in target:
            continue
        host = normalise_host(b"x" if route.host in (None, "*") else route.host.replace("*", "x", 1).encode())
        if match(router.entries(host), normalise_path(path), True) == number:
            yield (
                number,
                f"redirect: {show(target)} is answered by this route as well, for ever; it needs a route of its own",
            )
