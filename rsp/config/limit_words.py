"""Words for access and limits that people bring from nginx, Apache, Caddy, Traefik, HAProxy and Envoy."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from rsp.config.filters import Bandwidth, Concurrency, Country, Fault, RateLimit
from rsp.config.routes import Route
from rsp.config.units import show

_ALLOW: Final = 'allow = { "10.0.0.0/8" } in a route; all others get 403'
_DENY: Final = 'deny = { "192.0.2.0/24" } in a route'
_COUNTRY: Final = 'country = { allow = { "DE" }, file = "GeoLite2-Country.mmdb" } in a route'
_RATE: Final = 'rate_limit = { rate = "10r/s", burst = 20 } in a route'
_SEVERAL: Final = 'rate_limit = { rate = "10r/s", cluster = "main" } in a route, of a store "main" { "redis://..." }'
_CONCURRENCY: Final = "concurrency = { max = 10 } in a route, or limits = { per_client = 100 } for connections"
_BANDWIDTH: Final = 'bandwidth = { down = "1MB" } in a route, bytes a second'
_MAINTENANCE: Final = 'maintenance = "file:/run/maintenance" in a route'
_FAULT: Final = 'fault = { delay = "2s", abort = 503, share = 0.01 } in a route'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("allow", "ipallowlist", "ipwhitelist", "whitelist", "allowlist", "allowfrom"), _ALLOW),
    **dict.fromkeys(("requireip", "remoteip", "clientip", "whitelistsourcerange", "sourcerange"), _ALLOW),
    **dict.fromkeys(("deny", "denyfrom", "blacklist", "blocklist", "denylist", "ipblacklist", "block"), _DENY),
    **dict.fromkeys(("geoip", "geoip2", "geoipcountry", "maxmind", "maxminddb", "maxmindgeolocation", "geo"), _COUNTRY),
    **dict.fromkeys(("limitreq", "limitreqzone", "ratelimit", "ratelimits", "limitrps", "throttle"), _RATE),
    **dict.fromkeys(("ratelimiting", "localratelimit", "sticktable", "httpreqrate"), _RATE),
    **dict.fromkeys(("ratelimitservice", "globalratelimit", "ratelimitquota", "distributedratelimit"), _SEVERAL),
    **dict.fromkeys(("limitconn", "limitconnzone", "inflightreq", "limitconnections", "maxconcurrent"), _CONCURRENCY),
    **dict.fromkeys(("limitrate", "limitrateafter", "bwlim", "bandwidthlimit", "proxylimitrate"), _BANDWIDTH),
    **dict.fromkeys(("maintenancemode", "down503"), _MAINTENANCE),
    **dict.fromkeys(("faultinjection", "chaos", "delay", "httpfault"), _FAULT),
}

_KEY: Final = 'in rsp: key = "{client}"'
_MOST: Final = "in rsp: max = 10"
_RATED: Final = 'in rsp: rate = "10r/s"'
_STATUS: Final = "in rsp: status = 429"
_CLUSTER: Final = 'in rsp: cluster = "main", the name of a store'
_NO_DELAY: Final = "requests within burst never wait in rsp, as with nodelay"
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    RateLimit: {
        **dict.fromkeys(("average", "limit", "requests", "count", "events", "rps", "quota", "max"), _RATED),
        **dict.fromkeys(("period", "window", "interval", "per", "unit"), f"{_RATED}; others are r/m, r/h, r/d"),
        **dict.fromkeys(("by", "zone", "sourcecriterion", "ip", "client", "name", "variable"), _KEY),
        **dict.fromkeys(("code", "statuscode", "limitreqstatus", "rejectedcode"), _STATUS),
        **dict.fromkeys(("nodelay", "delay"), _NO_DELAY),
        **dict.fromkeys(("redis", "store", "distributed", "peers", "shared", "storage", "backend", "global"), _CLUSTER),
    },
    Concurrency: {
        **dict.fromkeys(("amount", "limit", "count", "connections", "requests", "most", "conn"), _MOST),
        **dict.fromkeys(("by", "zone", "sourcecriterion", "ip", "client", "name"), _KEY),
        **dict.fromkeys(("code", "statuscode", "limitconnstatus"), "in rsp: status = 503"),
    },
    Bandwidth: {
        **dict.fromkeys(("rate", "limit", "download", "response", "limitrate", "out"), 'in rsp: down = "1MB"'),
        **dict.fromkeys(("upload", "request", "in"), 'in rsp: up = "1MB"'),
    },
    Country: {
        **dict.fromkeys(("database", "db", "dbpath", "mmdb", "path"), 'in rsp: file = "GeoLite2-Country.mmdb"'),
        **dict.fromkeys(("countries", "codes", "allowcountries", "allowed", "only"), 'in rsp: allow = { "DE" }'),
        **dict.fromkeys(("denycountries", "blocked", "block", "denied", "except"), 'in rsp: deny = { "DE" }'),
    },
    Fault: {
        **dict.fromkeys(("percent", "percentage", "probability", "rate"), "in rsp: share = 0.01"),
        **dict.fromkeys(("status", "error", "httpstatus", "code"), "in rsp: abort = 503"),
        **dict.fromkeys(("latency", "sleep", "wait", "fixeddelay"), 'in rsp: delay = "2s"'),
    },
    Route: {
        **dict.fromkeys(("ipallowlist", "ipwhitelist", "whitelist", "allowlist"), 'in rsp: allow = { "10.0.0.0/8" }'),
        **dict.fromkeys(("blacklist", "blocklist", "denylist", "block"), 'in rsp: deny = { "192.0.2.0/24" }'),
    },
}


def _rate_limit(given: Any) -> str:
    rate = given if isinstance(given, str) and re.search(r"/\s*[smhd]", given) else None
    if isinstance(given, int) and not isinstance(given, bool):
        rate = f"{given}r/s"
    return f"; write rate_limit = {{ rate = {show(rate or '10r/s')} }}"


def _rate(given: Any) -> str:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return f'; write rate = "{given:g}r/s"' if number else ""


def _concurrency(given: Any) -> str:
    number = isinstance(given, int) and not isinstance(given, bool)
    return f"; write concurrency = {{ max = {given if number else 10} }}"


def _bandwidth(given: Any) -> str:
    size = show(given) if isinstance(given, str) or type(given) is int else '"1MB"'
    return f"; write bandwidth = {{ down = {size} }}"


def _country(given: Any) -> str:
    code = given if isinstance(given, str) and len(given) == 2 else "DE"
    return f'; write country = {{ allow = {{ "{code.upper()}" }}, file = "GeoLite2-Country.mmdb" }}'


def _codes(given: Any) -> str:
    if isinstance(given, str) and re.fullmatch("[A-Za-z]{2}", given):
        return f'; write "{given.upper()}"'
    return ""


def _fault(given: Any) -> str:
    return f"; write fault = {{ abort = {given if isinstance(given, int) and 400 <= given <= 599 else 503} }}"


_INSTEAD: Final[dict[str, Callable[[Any], str]]] = {
    "rate_limit": _rate_limit, "rate": _rate, "concurrency": _concurrency, "bandwidth": _bandwidth,
    "country": _country, "fault": _fault,
}  # fmt: skip


def instead(key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``."""
    return _INSTEAD[key](given) if key in _INSTEAD else ""
