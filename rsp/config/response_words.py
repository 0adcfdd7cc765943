"""Words for CORS, fields for browsers, buffering and readiness that people bring from other programs, by where they
stand, and what says the same in rsp.
"""

from typing import Any, Final

import msgspec

from rsp.config.filters import Cors, SecurityHeaders
from rsp.config.routes import Route
from rsp.config.units import show

_CORS: Final = 'cors = { origins = { "https://app.example.com" } } in a route'
_SECURITY: Final = "security_headers = true, for all or in a route"
_REQUESTS: Final = "request_buffering = true in a route"
_RESPONSES: Final = 'response_buffering = "64MB" in a route; nothing is delayed by it'
_BUFFER: Final = 'limits = { buffer = "64KB" }'
_READY: Final = 'ready = "/readyz"'
_DELAY: Final = 'drain_delay = "10s"'
_TEMP: Final = 'limits = { temp = "1GB" }; the environment\'s TMPDIR says where'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "accesscontrolalloworigin", "accesscontrolalloworiginlist", "accesscontrolallowmethods",
            "accesscontrolallowheaders", "accesscontrolallowcredentials", "accesscontrolmaxage", "alloworigin",
            "alloworigins", "allowedorigins", "allowcors", "enablecors", "corsallowedorigins",
        ),
        _CORS,
    ),
    **dict.fromkeys(
        (
            "securityheader", "secureheaders", "xframeoptions", "xcontenttypeoptions", "referrerpolicy",
            "contentsecuritypolicy", "permissionspolicy", "framedeny", "customframeoptionsvalue", "contenttypenosniff",
            "browserxssfilter", "nosniff", "helmet",
        ),
        _SECURITY,
    ),
    **dict.fromkeys(
        ("proxyrequestbuffering", "bufferrequests", "requestbuffers", "httpbufferrequest", "bufferrequest"), _REQUESTS
    ),
    **dict.fromkeys(("proxybuffering", "responsebuffers", "bufferresponses", "proxymaxtempfilesize"), _RESPONSES),
    "buffering": f"{_REQUESTS}; {_RESPONSES}",
    **dict.fromkeys(("clientbodybuffersize", "proxybuffersize", "proxybuffers", "proxybusybufferssize"), _BUFFER),
    **dict.fromkeys(("clientbodytemppath", "proxytemppath", "tempdir", "tmpdir", "temppath"), _TEMP),
    **dict.fromkeys(("monitoruri", "readiness", "readinessprobe", "readyz", "healthz", "ping", "livez"), _READY),
    **dict.fromkeys(
        ("shutdowndelay", "requestacceptgracetimeout", "drain", "draintime", "prestop", "predrain", "drainwait"), _DELAY
    ),
    **dict.fromkeys(("hardstopafter", "gracetimeout", "graceperiod"), 'timeouts = { shutdown = "30s" }'),
}  # fmt: skip

WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Cors: {
        **dict.fromkeys(
            (
                "origin", "alloworigin", "alloworigins", "allowedorigins", "allowedorigin", "domains", "hosts",
                "accesscontrolalloworigin", "accesscontrolalloworiginlist", "alloworiginlist",
            ),
            'in rsp: origins = { "https://app.example.com" }',
        ),
        **dict.fromkeys(
            ("alloworiginregex", "originregex", "accesscontrolalloworiginlistregex", "regex", "pattern"),
            'in rsp: origins = { "https://*.example.com" }; there are no regular expressions',
        ),
        **dict.fromkeys(
            ("allowmethods", "allowedmethods", "method", "accesscontrolallowmethods"), 'in rsp: methods = { "PUT" }'
        ),
        **dict.fromkeys(
            ("allowheaders", "allowedheaders", "header", "accesscontrolallowheaders"),
            'in rsp: headers = { "Authorization" }',
        ),
        **dict.fromkeys(
            ("exposeheaders", "exposedheaders", "accesscontrolexposeheaders"), 'in rsp: expose = { "ETag" }'
        ),
        **dict.fromkeys(
            ("allowcredentials", "supportscredentials", "accesscontrolallowcredentials", "cookies"),
            "in rsp: credentials = true",
        ),
        **dict.fromkeys(("maxage", "accesscontrolmaxage", "preflightmaxage", "ttl"), 'in rsp: max_age = "10m"'),
        **dict.fromkeys(("addvaryheader", "vary"), "rsp writes Vary where it is needed"),
    },
    SecurityHeaders: {
        **dict.fromkeys(("xframeoptions", "frame", "framedeny", "frames"), 'in rsp: frame_options = "DENY"'),
        **dict.fromkeys(
            ("xcontenttypeoptions", "nosniff", "contenttypenosniff"), 'in rsp: content_type_options = "nosniff"'
        ),
        **dict.fromkeys(("referrer", "referer", "refererpolicy"), 'in rsp: referrer_policy = "no-referrer"'),
        **dict.fromkeys(("csp",), "in rsp: content_security_policy = \"default-src 'self'\""),
        **dict.fromkeys(("featurepolicy", "permissions"), 'in rsp: permissions_policy = "camera=()"'),
        **dict.fromkeys(("crossoriginopenerpolicy", "coop"), 'in rsp: opener_policy = "same-origin"'),
        **dict.fromkeys(
            ("stricttransportsecurity", "sts", "stsseconds", "stsincludesubdomains", "stspreload"),
            'in rsp: hsts = true, "30d" or { max_age = "365d", subdomains = true }',
        ),
        **dict.fromkeys(("xssprotection", "xxssprotection", "browserxssfilter"), "browsers no longer support it"),
    },
    Route: {
        **dict.fromkeys(("buffering", "buffer", "proxybuffering"), f"in rsp: {_REQUESTS.removesuffix(' in a route')}"),
        **dict.fromkeys(("ready", "readyz"), f"a separate setting: {_READY}"),
    },
}  # fmt: skip


def instead(key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``."""
    if key != "cors" or given is False:
        return ""
    listed = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]
    origins = ", ".join(map(show, listed or ["https://app.example.com"]))
    return f"; write cors = {{ origins = {{ {origins} }} }}"
