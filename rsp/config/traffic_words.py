"""Words for forward authentication, splits, failover and mirrors that people bring from other programs."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from rsp.config.errors import Path
from rsp.config.filters import Auth, Failover, Mirror, Split
from rsp.config.units import show

_AUTH: Final = 'auth = { forward = "authelia", path = "/api/authz/forward-auth", copy = { "Remote-User" } } in a route'
_AUTH_REQUEST: Final = 'auth = { forward = "auth", path = "/verify", style = "auth_request" } in a route'
_SPLIT: Final = "split = { to = { blue = 90, green = 10 } } in a route"
_MIRROR: Final = 'mirror = { to = "shadow", share = 0.1 } in a route'
_FAILOVER: Final = 'failover = { to = "other", on = { 502, 503 } } in a route'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("forwardauth", "extauthz", "externalauth", "authurl"), _AUTH),
    **dict.fromkeys(("authrequest", "authrequestset", "vouch"), _AUTH_REQUEST),
    **dict.fromkeys(("splitclients", "weighted", "trafficsplit", "weightedclusters", "canaryweight"), _SPLIT),
    **dict.fromkeys(("mirroring", "mirrorrequestbody", "requestmirror", "shadow", "requestmirrorpolicies"), _MIRROR),
    **dict.fromkeys(("errorsservice",), _FAILOVER),
}

_COPY: Final = 'in rsp: copy = { "Remote-User" }'
_ASKED: Final = 'in rsp: forward = "authelia", the name of an upstream, and path = "/api/authz/forward-auth"'
_TO: Final = 'in rsp: to = "other", the name of an upstream'
_SHARE: Final = "in rsp: share = 0.1"
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Auth: {
        **dict.fromkeys(
            ("authresponseheaders", "copyheaders", "responseheaders", "authresponseheadersregex", "headers"), _COPY
        ),
        **dict.fromkeys(("address", "url", "uri", "server", "upstream", "service", "to", "verify"), _ASKED),
        "trustforwardheader": 'in rsp: trusted = { "10.0.0.0/8" }, a setting',
        "authrequestheaders": "rsp sends the service all fields of the request",
    },
    Failover: {
        **dict.fromkeys(("upstream", "backup", "fallback", "service", "server", "other"), _TO),
        **dict.fromkeys(("status", "statuses", "codes", "errors", "when"), "in rsp: on = { 502, 503 }"),
    },
    Mirror: {
        **dict.fromkeys(("upstream", "service", "services", "target", "server", "name", "mirrors"), _TO),
        **dict.fromkeys(("percent", "percentage", "fraction", "sample", "rate", "weight"), _SHARE),
        **dict.fromkeys(("maxbodysize", "mirrorbody", "limit"), 'in rsp: body = "1MB"'),
    },
}


def _share(given: Any) -> str:
    """``10%``, or 10, as a number."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return f"; write {given / 100:g}" if 1 < given <= 100 else ""
    number = given.strip().removesuffix("%").strip() if isinstance(given, str) else ""
    return f"; write {float(number) / 100:g}" if number != given and number.replace(".", "", 1).isdecimal() else ""


def _to(key: str) -> Callable[[Any], str]:
    return lambda given: f"; write {key} = {{ to = {show(given)} }}" if isinstance(given, str) and given else ""


_INSTEAD: Final[dict[str, Callable[[Any], str]]] = {
    "share": _share, "mirror": _to("mirror"), "failover": _to("failover"),
}  # fmt: skip


def instead(key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``."""
    return _INSTEAD[key](given) if key in _INSTEAD else ""


def weights(struct: type[msgspec.Struct], path: Path, given: Any) -> str:
    """The same for the shares of `split`."""
    if struct is not Split or "to" not in path[-2:]:
        return ""
    if path[-1] != "to":
        return "; shares are whole numbers, as in { blue = 90, green = 10 }"
    names = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]
    return f"; write to = {{ {', '.join(f'{as_key(name)} = 1' for name in names)} }}" if names else ""


def as_key(name: str) -> str:
    """In a table of Lua."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else f"[{show(name)}]"
