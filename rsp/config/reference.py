"""The schema as Markdown: ``docs/configuration.md`` is this module's output (``make docs``)."""

from typing import Any

import msgspec

from rsp.config import content, filters, limits, observe, routes, schema, tls, upstreams
from rsp.config.units import Duration, Function, Listen, Network, Peer, Secret, Size, show

_INTRO = """\
# Configuration

*Generated from `rsp/config/schema.py` by `make docs`; do not edit.*

A configuration is a Lua program (LuaJIT, sandboxed). It runs once when rsp starts and once for every reload, in a
process of its own, with limits on time and memory. What it declares is checked as a whole: `rsp -t site.lua` names
every mistake by file, line and key; `rsp -T site.lua` also prints the configuration with all defaults filled in.

```lua
listen "0.0.0.0:8080"
upstream "app" { "10.0.0.1:8000", { "10.0.0.2:8000", weight = 2 }, "unix:/run/app.sock" }
upstream "api" { "10.0.0.3:9000" }
route { host = "api.example.com", to = "api" }
route { path = "/static/", to = "api" }
route { to = "app" }
```

The three lines of rsp's ancestor are a whole configuration, too:

```lua
listenPort = "8000"
backendAddress = "127.0.0.1"
backendPort = "80"
```

What a file can use: `require "lib.peers"` and `dofile "more.lua"`, relative to the file; `os.getenv`, `os.time`,
`os.date`, `os.clock`; `print`, which writes to rsp's log; Lua's `string`, `table`, `math`, `coroutine` and `bit`. There is
no `io`, no `os.execute`, no `debug`, no `ffi`. Functions named `on_request`, `on_response` and so on are hooks, which see
every request: [lua.md](lua.md). Variables of your own are `local`: a global variable that is not a setting is an error,
because it could be a misspelt one. Functions of your own, and modules that you `require`, may be global.

Durations are numbers of seconds or strings: `"500ms"`, `"5s"`, `"2m"`, `"1h"`. Sizes are numbers of bytes or strings:
`"64KB"`, `"10MB"`, `"1GB"` (powers of 1024).
"""

_SECTIONS: tuple[tuple[str, str, type[msgspec.Struct]], ...] = (
    ('`listen "address"` or `listen "address" { key = value }`', "The address may also be the first in the table.", schema.Listener),
    (
        '`certificate { "file", key = value }`',
        "As many as there are; an exact name goes before a wildcard, and an ECDSA and an RSA certificate may be for the same "
        "name. Files are watched: a change is in use for new handshakes within two seconds, without a reload.",
        tls.Certificate,
    ),
    ("`tls = { key = value }`", "Certificates are declared by themselves.", tls.Tls),
    ("`hsts = { key = value }`", "For all, or for a route.", tls.Hsts),
    ('`upstream "name" { peers..., key = value }`', "One upstream without any route gets all requests.", upstreams.Upstream),
    ("`tls = { key = value }` of an upstream", "Certificates that are named here are watched, too.", tls.UpstreamTls),
    ("Peers of an upstream", 'An address, or `{ "address", key = value }`.', upstreams.UpstreamPeer),
    ("`sticky = { key = value }`", "", upstreams.Sticky),
    ("`queue = { key = value }`", "", upstreams.Queue),
    ("`failures = { key = value }`", "", upstreams.Failures),
    ("`outliers = { key = value }`", "", upstreams.Outliers),
    ("`health = { key = value }`", "", upstreams.Health),
    ("`retry = { key = value }`", "", upstreams.Retry),
    ("`hedge = { key = value }`", "", upstreams.Hedge),
    (
        '`route { key = value }` or `route "path" { key = value }`',
        "A path whose normalised form (percent-decoded, dots resolved) would take another route than its raw form is "
        "refused with 400; a request that no route matches with 404.",
        routes.Route,
    ),
    ("`redirect = { key = value }`", "", routes.Redirect),
    ("`respond = { key = value }`", "", routes.Respond),
    (
        "`request_headers = { key = value }`, `response_headers = { key = value }`",
        "Framing, Connection and Upgrade are rsp's own. Host can only be `set`, in requests.",
        routes.ResponseRules,
    ),
    ("`auth = { key = value }` of a route", "", filters.Auth),
    ("`jwt = { key = value }` of `auth`", "", filters.Jwt),
    ("`country = { key = value }`", "", filters.Country),
    ("`rate_limit = { key = value }`", "", filters.RateLimit),
    ("`concurrency = { key = value }`", "", filters.Concurrency),
    ("`bandwidth = { key = value }`", "", filters.Bandwidth),
    ("`cors = { key = value }`", "", filters.Cors),
    ("`security_headers = { key = value }`", "Of a route, or a setting for all.", filters.SecurityHeaders),
    ("`mirror = { key = value }`", "", filters.Mirror),
    ("`files = { key = value }`", "See [files.md](files.md).", content.Files),
    ("`compress = { key = value }`", "Of a route, or a setting for all; see [compression.md](compression.md).", content.Compress),
    ("`split = { key = value }`", "", filters.Split),
    ("`failover = { key = value }`", "", filters.Failover),
    ("`fault = { key = value }`", "", filters.Fault),
    ("`page { key = value }`", "", schema.Page),
    ("Settings: global variables", "`access_log = \"off\"`, `workers = 4` and so on, anywhere in the file.", schema.Settings),
    ("`access_log = { key = value }`", "Several in a list, for all or for a route; see [logs.md](logs.md).", observe.AccessLog),
    ("`metrics = { key = value }`", "See [metrics.md](metrics.md).", observe.Metrics),
    ("`dashboard = { key = value }`", "See [dashboard.md](dashboard.md).", observe.Dashboard),
    ("`tracing = { key = value }`", "See [tracing.md](tracing.md).", observe.Tracing),
    ("`reload = { key = value }`", "", schema.Reload),
    ("`dns = { key = value }`", "", schema.Dns),
    ("`lua = { key = value }`", "For hooks; see [lua.md](lua.md).", schema.Lua),
    ("`every(interval, function, { key = value })`", "See [lua.md](lua.md).", schema.Timer),
    ("`metrics = { key = value }`", "See [metrics.md](metrics.md).", observe.Metrics),
    ("`dashboard = { key = value }`", "See [dashboard.md](dashboard.md).", observe.Dashboard),
    ("`timeouts = { key = value }`", "For all, for a listener, or for a route.", limits.Timeouts),
    ("`limits = { key = value }`", "For all, for a listener, or for a route.", limits.Limits),
)  # fmt: skip

_KINDS = {
    Duration: "duration",
    Function: "function",
    Secret: "string",
    Size: "size",
    Listen: "address",
    Peer: "address",
    str: "string",
    int: "number",
    Network: "network",
    bool: "boolean",
    float: "number",
}


def reference() -> str:
    parts = [_INTRO]
    for title, remark, struct in _SECTIONS:
        parts.append(f"\n## {title}\n\n{' '.join((struct.__doc__ or '').split())}{' ' + remark if remark else ''}\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|")
        defaults = {limits.Timeouts: limits.DEFAULT_TIMEOUTS, limits.Limits: limits.DEFAULT_LIMITS}.get(struct)
        parts += [_row(field, defaults) for field in msgspec.structs.fields(struct) if _is_key(struct, field.name)]
    return "\n".join(parts) + "\n"


def _is_key(struct: type[msgspec.Struct], name: str) -> bool:
    return name != "at" and not (struct is upstreams.Upstream and name == "name")


def _row(field: Any, defaults: msgspec.Struct | None) -> str:
    meta = msgspec.inspect.type_info(field.type)
    description = getattr(meta, "extra_json_schema", None) or {}
    text = description.get("description", "")
    if isinstance(field.default, msgspec.Struct):
        return f"| `{field.name}` | table | see below | See `{field.name}` below. |"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"| `{field.name}` | {_kind(field.type)} | none | {text} |"
    default = field.default if defaults is None else getattr(defaults, field.name)
    return f"| `{field.name}` | {_kind(field.type)} | {_default(default)} | {text} |"


def _kind(annotation: Any) -> str:
    if getattr(annotation, "__metadata__", None):
        annotation = annotation.__origin__
    if annotation in _KINDS:
        return _KINDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return "table"
    origin = getattr(annotation, "__origin__", None)
    if origin is tuple or origin is dict:
        return (
            "list of peers" if upstreams.UpstreamPeer in annotation.__args__ else "list" if origin is tuple else "table"
        )
    names: list[str] = []
    for part in getattr(annotation, "__args__", ()):
        if part is type(None) or part is Ellipsis:
            continue
        names.append(f'`"{part}"`' if isinstance(part, str) else f"`{part}`" if isinstance(part, int) else _kind(part))
    return " or ".join(names)


def _default(value: Any) -> str:
    if value is None or value in ((), msgspec.NODEFAULT):
        return "required" if value is msgspec.NODEFAULT else "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{{ {', '.join(map(show, value))} }}`"
    return f'`"{value}"`' if isinstance(value, str | Duration | Size) else f"`{value}`"


if __name__ == "__main__":
    print(reference(), end="")
