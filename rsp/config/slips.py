"""What a file may say, but hardly means: variables of other programs, redirects in a circle, twice one name."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final

from rsp.config import value_words
from rsp.config.answers import Redirect
from rsp.config.errors import Path
from rsp.config.placeholders import groups_of
from rsp.config.route_rule import is_conditional, rule_of
from rsp.config.routes import Route
from rsp.config.units import show
from rsp.http.hosts import normalise_host
from rsp.http.names import fold
from rsp.http.paths import normalise_path
from rsp.http.routing import Router, Rule, find

# nginx's $name and ${name}, HAProxy's %[fetch].
_VARIABLE: Final = re.compile(r"%\[[^\]]*\]|\$\{?[a-z][a-z0-9_]*\}?")
_KNOWN: Final = re.compile(
    r"%\[|\$\{?(?:arg_|cookie_|http_|sent_http_|upstream_|proxy_|ssl_|server_|remote_|request|connection|hostname"
    r"|binary_remote_addr|msec|time_|content_|body_bytes|bytes_sent|is_args)"
)
_SAME: Final = re.compile(r"(?:\{scheme\}://\{authority\})?\{(?:path|uri)\}(?:[?#].*)?")
_TARGET: Final = re.compile(r"[/?#.]|\{(?:path|uri)\}|(?:[A-Za-z][A-Za-z0-9+.\-]*|\{scheme\}):(?!\d)")


def variable(value: str) -> str | None:
    """What is wrong with ``value`` if it has another program's variable in it."""
    for found in _VARIABLE.finditer(value):
        name = found[0].replace("{", "").replace("}", "")
        if own := value_words.VARIABLES.get(name):
            return f"{show(found[0])} is sent literally; write {own}"
        if own := value_words.variable(name):
            return f"{show(found[0])} is sent literally; use a placeholder: write {own}"
        if _KNOWN.match(found[0]):
            return f"{show(found[0])} is sent literally; use placeholders such as {{client}}, and hooks"
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
            yield (key, part, name), f'{key}: {part}: backends treat "{other}" and "{name}" as the same name'
        if "*" in name:
            yield (key, part, name), f'{key}: {part}: {show(name)}: "*" is not a wildcard here; list each field'


def target_mistake(target: str) -> str | None:
    """Why a redirect to ``target`` does not lead where it seems to."""
    if _TARGET.match(target) is None:
        return (
            f"{show(target)} would be a path relative to that of the request; write {show('https://' + target)}, or "
            f"{show('/' + target)}"
        )
    return variable(target)


def warnings(route: Route) -> Iterator[tuple[Path, str]]:
    """What is allowed, and probably not meant: behind a proxy it may lead elsewhere."""
    target = route.redirect.to if isinstance(route.redirect, Redirect) else route.redirect or ""
    if _SAME.fullmatch(target) and not {"path", "uri"}.intersection(groups_of(route)):
        said = "is the requested address, so clients are redirected in a loop"
        yield ("redirect",), f"redirect: {show(target)} {said}"
    if route.strip and route.path == "/":
        yield ("strip",), 'strip: without a path there is nothing to remove; write path = "/app", or leave it out'


def circles(routes: Iterable[Route]) -> Iterator[tuple[int, str]]:
    """The number of each route that redirects to itself, and what is wrong."""
    listed = list(routes)
    # Other routes that ask for more than host and path may well answer it.
    suspects = [
        (number, route)
        for number, route in enumerate(listed)
        if route.redirect is not None and route.on_request is None and not is_conditional(route)
    ]
    router = Router(_rules(listed) if suspects else ())
    for number, route in suspects:
        redirect = route.redirect
        target = redirect.to if isinstance(redirect, Redirect) else redirect or ""
        path = re.split(r"[?#]", target, maxsplit=1)[0].encode()
        if target[:1] != "/" or target[:2] == "//" or "{" in target:
            continue
        names = [normalise_host(name.replace("*", "x", 1).encode()) for name in route.hosts or ("x",)]
        if any(find(router.levels(name), normalise_path(path), True, None, None) == number for name in names):
            yield (
                number,
                f"redirect: {show(target)} matches this route as well, so clients are redirected in a loop; add a "
                "separate route for it",
            )


def _rules(routes: Iterable[Route]) -> Iterator[tuple[Rule, int]]:
    """Those that can be used, with the numbers of their routes."""
    for number, route in enumerate(routes):
        with suppress(ValueError):
            yield rule_of(route), number
