"""Words for FastCGI and uwsgi that people bring from other programs, and what says the same in rsp."""

from typing import Any, Final

import msgspec

from rsp.config.units import show
from rsp.config.upstreams import Upstream

_OWN: Final = 'in rsp: params = { APP_ENV = "live" }'
_PHP: Final = (
    'upstream "php" { "unix:/run/php-fpm.sock", protocol = "fastcgi", root = "/srv/www" } and route { to = "php" }'
)
_SPLIT: Final = 'split = ".php" in an upstream with protocol = "fastcgi"'
_KEPT: Final = 'keepalive = 4 in an upstream with protocol = "fastcgi"'
_PARAM: Final = 'rsp sets the variables of CGI by itself; params = { APP_ENV = "live" } in an upstream sets others'

# By the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("fastcgi", "fastcgipass", "phpfastcgi", "php", "phpfpm", "usefcgiapp", "fcgiapp"), _PHP),
    **dict.fromkeys(("fastcgisplitpathinfo", "splitpath", "pathinfo"), _SPLIT),
    **dict.fromkeys(("fastcgikeepconn", "fastcgikeepalive"), _KEPT),
    **dict.fromkeys(("fastcgiparam", "fastcgiparams", "uwsgiparam", "scriptfilename"), _PARAM),
    "fastcgiindex": 'index = "index.php" in an upstream with protocol = "fastcgi"',
    **dict.fromkeys(("uwsgi", "uwsgipass"), 'upstream "app" { "unix:/run/uwsgi.sock", protocol = "uwsgi" }'),
    **dict.fromkeys(("fastcgiconnecttimeout", "uwsgiconnecttimeout"), 'timeouts = { connect = "3s" }'),
    **dict.fromkeys(("fastcgireadtimeout", "uwsgireadtimeout"), 'timeouts = { response = "60s", read = "60s" }'),
    "fastcgisendtimeout": 'timeouts = { response = "60s" }',
    "fastcgirequestbuffering": "rsp does not buffer requests; request_buffering = true in a route buffers them",
    "fastcgibuffering": "rsp does not buffer responses",
    "fastcginextupstream": "retry = { on = { 502, 503, 504 } } in an upstream",
    "fastcgihideheader": 'response_headers = { remove = { "X-Powered-By" } } in a route',
    "fastcgiinterceptederrors": 'page { status = { 502, 503 }, file = "down.html" }',
    "fastcgicache": "rsp has no cache yet",
    "scgi": "rsp does not speak SCGI",
    "scgipass": "rsp does not speak SCGI",
    "cgi": "rsp does not start programs; use FastCGI for programs that run already",
}

_OF_UPSTREAM: Final = {
    **dict.fromkeys(("env", "param", "variables", "vars", "fastcgiparams"), _OWN),
    **dict.fromkeys(("resolverootsymlink", "rootsymlink"), "in rsp: links are followed; root is passed on as it is"),
    **dict.fromkeys(("tryfiles", "try"), 'in rsp: index = "index.php": a path that names no script is for it'),
    **dict.fromkeys(("scriptpath", "scripts", "dir", "directory", "path"), 'in rsp: root = "/srv/www"'),
}
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {Upstream: _OF_UPSTREAM}


def one_index(given: list[Any]) -> str:
    """Instead of several values of ``index``."""
    names = [name for name in given if isinstance(name, str)]
    scripts = [name for name in names if name.endswith(".php")]
    return f"; there can be one; write index = {show((scripts or names)[0])}" if names else ""
