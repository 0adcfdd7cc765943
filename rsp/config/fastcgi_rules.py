"""What can be wrong with an upstream whose peers speak FastCGI or uwsgi, and with one that has the keys of these."""

import re
from collections.abc import Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.placeholders import IN_FIELDS, unknown
from rsp.config.units import show
from rsp.config.upstreams import Upstream

_NAMES: Final = {"fastcgi": "FastCGI", "uwsgi": "uwsgi"}
_ENDING: Final = re.compile(r"[A-Za-z0-9_.\-]*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")  # nginx takes X-Real-IP, and PHP has it so
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # PHP_VALUE has a line for each setting
# What a peer runs and how much it reads is never another than rsp has looked at; HTTP_PROXY is CVE-2016-5385.
_RSP_S: Final = frozenset(
    (
        "SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED", "CONTENT_LENGTH", "REQUEST_METHOD",
        "GATEWAY_INTERFACE", "HTTP_PROXY",
    )
)  # fmt: skip
_SCRIPT: Final = re.compile(r"/?(?:[A-Za-z0-9_\-][A-Za-z0-9_.\-]*/)*[A-Za-z0-9_\-][A-Za-z0-9_.\-]*")
_PAGE: Final = re.compile(r"(?:/[A-Za-z0-9_\-~][A-Za-z0-9_.\-~]*)+")
# What other programs call a protocol, and how rsp has it.
_PROTOCOLS: Final = {
    **dict.fromkeys(("fcgi", "php", "php-fpm", "php_fpm", "phpfpm", "fpm", "fast_cgi", "cgi"), 'protocol = "fastcgi"'),
    **dict.fromkeys(("https", "tls", "ssl"), "tls = true"),
    **dict.fromkeys(("h2", "h2c", "http2", "http/2", "grpc"), "http = 2"),
    **dict.fromkeys(("grpcs", "h2s"), "http = 2, tls = true"),
    **dict.fromkeys(("http1", "http/1.1", "http/1.0", "ws"), 'protocol = "http", which is the default'),
}


def mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``upstream``: the path to it, and what is wrong."""
    if upstream.protocol == "http":
        yield from _of_scripts(
            upstream, '"%s" is for protocol "fastcgi"; files are served by a route: files = "/srv/www"'
        )
        if upstream.params:
            way = 'request_headers = { set = { ["X-Env"] = "live" } }'
            yield ("params",), f'"params" is for protocol "fastcgi" or "uwsgi"; peers that speak HTTP get fields: {way}'
        return
    yield from _of_http(upstream, _NAMES[upstream.protocol])
    yield from _of_params(upstream)
    if upstream.warm and not upstream.idle_kept:
        yield ("warm",), f'"warm" requires idle connections; {_kept(upstream)}'
    if upstream.protocol == "uwsgi":
        yield from _of_scripts(upstream, '"%s" is for protocol "fastcgi"; a uwsgi peer has one application')
        if upstream.keepalive:
            yield ("keepalive",), "keepalive: a connection of uwsgi carries one request"
    elif upstream.split:
        yield from _root_mistakes(upstream)
        yield from _script_mistakes(upstream)
    else:
        yield from _of_scripts(upstream, '"%s" is for scripts; with split = "" there are none')


def _kept(upstream: Upstream) -> str:
    return "add keepalive = 4" if upstream.protocol == "fastcgi" else "a connection of uwsgi carries one request"


def _of_scripts(upstream: Upstream, said: str) -> Iterator[tuple[Path, str]]:
    """Keys that mean nothing where no script is looked for."""
    for key in ("root", "split", "index", "pages"):
        if getattr(upstream, key) not in (getattr(_PLAIN, key), ""):
            yield (key,), said % key


def _of_params(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    for name, value in upstream.params.items():
        if _VARIABLE.fullmatch(name) is None:
            yield ("params", name), f"params: {show(name)} is not the name of a variable, such as APP_ENV"
        elif name in _RSP_S:
            yield ("params", name), f'params: "{name}" is set by rsp itself'
        elif _CONTROL.search(value) is not None:
            yield ("params", name), f"params: {name}: the value contains a control character"
        for wrong in unknown(value, IN_FIELDS):
            yield ("params", name), f"params: {name}: {wrong}"


def _of_http(upstream: Upstream, name: str) -> Iterator[tuple[Path, str]]:
    """Keys that mean nothing where peers do not speak HTTP."""
    if upstream.secure is not None:
        yield ("tls",), f"tls: rsp has no TLS for {name}; connect to the peers by a unix socket or a private network"
    if upstream.http != 1:
        yield ("http",), f"http: the peers speak {name}, not HTTP"
    if upstream.retry.on_grpc:
        yield ("retry", "on_grpc"), f"retry: on_grpc: the peers speak {name}, not gRPC"
    health = upstream.checks
    if health is not None and health.type == "grpc":
        yield ("health",), f'health: the peers speak {name}, not gRPC; write health = "tcp" or health = "/ping"'
    if health is not None and health.tls:
        yield ("health", "tls"), f"health: tls: rsp has no TLS for {name}"


def _root_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    root = upstream.root
    if root is None:
        yield (
            (),
            'protocol = "fastcgi" needs "root", the directory of the scripts as the peers see it: add '
            'root = "/srv/www" (or split = "" for peers that run no scripts)',
        )
    elif root[:1] != "/":
        way = f'; write root = "{root[7:]}"' if root.startswith("file://") else ""
        yield ("root",), f'root = {show(root)}: expected an absolute path such as "/srv/www"{way}'
    elif ".." in root.split("/") or "$" in root or "{" in root:
        yield ("root",), f"root = {show(root)}: expected a path as it is, without variables and .."


def _script_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    split, index = upstream.split, upstream.index
    for number, page in enumerate(upstream.pages):
        if _PAGE.fullmatch(page) is None:
            yield ("pages", number), f'pages: {show(page)}: expected a path as PHP-FPM has it, such as "/status"'
        elif split in page:
            yield ("pages", number), f"pages: {show(page)} names a script; rsp looks whether scripts exist"
    if _ENDING.fullmatch(split) is None:
        yield (
            ("split",),
            f'split = {show(split)}: expected the extension of scripts, such as ".php", not a pattern',
        )
    elif _SCRIPT.fullmatch(index) is None:
        first = re.split(r"[\s,]+", index.strip())[0]
        way = f"; there can be one index: write index = {show(first)}" if first != index and first else ""
        yield ("index",), f'index = {show(index)}: expected the name of a script such as "index{split}"{way}'
    elif not index.endswith(split):
        yield (
            ("index",),
            f"index = {show(index)}: not a script, because it does not end in {show(split)}; serve other files with "
            "another route",
        )


def protocol_of(given: object) -> str:
    """``"; write ..."`` for the value of ``protocol`` in the words of another program, or ``""``."""
    written = _PROTOCOLS.get(str(given).lower())
    if written is not None:
        return f"; write {written}"
    return "; rsp proxies HTTP only" if given in ("tcp", "udp", "scgi", "ajp") else ""


class _Plain:
    """What the keys for scripts are where they are not given."""

    root = None
    split = ".php"
    index = "index.php"
    pages: Final[tuple[str, ...]] = ()


_PLAIN: Final = _Plain()
