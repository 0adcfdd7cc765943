"""The schema as Markdown: ``docs/configuration.md`` is this module's output (``make docs``)."""

from textwrap import fill
from typing import Any, NamedTuple

import msgspec

from rsp.config import (
    answers,
    content,
    engines,
    failure,
    filters,
    instance,
    limits,
    observe,
    routes,
    schema,
    tls,
    upstreams,
    value_match,
)
from rsp.config.cpus import CpuSet
from rsp.config.units import Duration, Function, Listen, Network, Peer, Secret, Size, show

_INTRO = """\
# Configuration

*Generated from `rsp/config` by `make docs`; do not edit.*

A configuration is a Lua program (LuaJIT, sandboxed). It runs once when rsp starts and once at every
reload, in a separate process with limits on time and memory. `rsp -t site.lua` checks it and
reports every error with file, line and key. `rsp -T site.lua` also prints the configuration with
all defaults.

```lua
listen "0.0.0.0:8080"
upstream "app" { "10.0.0.1:8000", { "10.0.0.2:8000", weight = 2 }, "unix:/run/app.sock" }
upstream "api" { "10.0.0.3:9000" }
route { host = "api.example.com", to = "api" }
route { path = "/static/", to = "api" }
route { to = "app" }
```

The three settings of rsp's predecessor are a complete configuration, too:

```lua
listenPort = "8000"
backendAddress = "127.0.0.1"
backendPort = "80"
```

A configuration file can use:

- `require "lib.peers"` and `dofile "more.lua"`, relative to the file;
- `os.getenv`, `os.time`, `os.date`, `os.clock`;
- `print`, which writes to rsp's log;
- Lua's `string`, `table`, `math`, `coroutine` and `bit`.

There is no `io`, `os.execute`, `debug` or `ffi`. Functions named `on_request`, `on_response` and so
on are hooks, which run for every request ([lua.md](lua.md)). Declare your own variables as `local`:
a global variable that is not a setting is reported as an error, because it may be a misspelt
setting. Functions of your own, and modules loaded with `require`, may be global.

An empty table, `{}`, is a list without items, or a table whose keys have their defaults: `health =
{}` is a health check with all defaults. Where such a list says nothing, rsp refuses it.

A duration is a number of seconds or a string: `"500ms"`, `"5s"`, `"2m"`, `"1h"`. A size is a number
of bytes or a string: `"64KB"`, `"10MB"`, `"1GB"` (powers of 1024).
"""

SECTIONS: tuple[tuple[str, str, type[msgspec.Struct]], ...] = (
    ('`listen "address"` or `listen "address" { key = value }`', "The address may also be the first value in the table.", schema.Listener),
    (
        '`certificate { "file", key = value }`',
        "The declaration may occur several times. An exact name takes precedence over a wildcard; a name may have an ECDSA and an RSA "
        "certificate. rsp watches the files: new handshakes use a changed file within two seconds, without a reload.",
        tls.Certificate,
    ),
    ("`tls = { key = value }`", "Certificates are declared separately, with `certificate`.", tls.Tls),
    ("`hsts = { key = value }`", "A setting for all routes, or a key of a route.", tls.Hsts),
    ('`upstream "name" { peers..., key = value }`', "If a configuration has one upstream and no route, that upstream gets all requests.", upstreams.Upstream),
    ("`tls = { key = value }` of an upstream", "rsp watches these files as well.", tls.UpstreamTls),
    ("Peers of an upstream", 'An address, or `{ "address", key = value }`.', upstreams.UpstreamPeer),
    ("`discover = { key = value }` of an upstream", "A URL alone is enough; see [discovery.md](discovery.md).", engines.Discover),
    ("`sticky = { key = value }`", "", upstreams.Sticky),
    ("`queue = { key = value }`", "", upstreams.Queue),
    ("`failures = { key = value }`", "", failure.Failures),
    ("`outliers = { key = value }`", "", failure.Outliers),
    ("`health = { key = value }`", "", failure.Health),
    ("`retry = { key = value }`", "", failure.Retry),
    ("`hedge = { key = value }`", "", failure.Hedge),
    (
        '`route { key = value }` or `route "path" { key = value }`',
        "A request that no route matches gets 404. A request whose path would match another route after normalisation "
        "(percent-decoding, resolution of dots) gets 400.",
        routes.Route,
    ),
    ('`headers = { ["Name"] = { key = value } }`, the same of `query` and `cookies`', "See [routes.md](routes.md#add-conditions).", value_match.ValueMatch),
    ("`redirect = { key = value }`", "", answers.Redirect),
    ("`respond = { key = value }`", "", answers.Respond),
    (
        "`request_headers = { key = value }`, `response_headers = { key = value }`",
        "Fields that frame a message, Connection and Upgrade cannot be changed. Host can be changed with `set` only, in requests.",
        answers.ResponseRules,
    ),
    ("`auth = { key = value }` of a route", "", filters.Auth),
    ("`jwt = { key = value }` of `auth`", "", filters.Jwt),
    ("`country = { key = value }`", "", filters.Country),
    ("`rate_limit = { key = value }`", "", filters.RateLimit),
    ("`concurrency = { key = value }`", "", filters.Concurrency),
    ("`bandwidth = { key = value }`", "", filters.Bandwidth),
    ("`cors = { key = value }`", "", filters.Cors),
    ("`security_headers = { key = value }`", "A key of a route, or a setting for all routes.", filters.SecurityHeaders),
    ("`mirror = { key = value }`", "", filters.Mirror),
    ("`files = { key = value }`", "See [files.md](files.md).", content.Files),
    ("`compress = { key = value }`", "A key of a route, or a setting for all routes; see [compression.md](compression.md).", content.Compress),
    ("`split = { key = value }`", "", filters.Split),
    ("`failover = { key = value }`", "", filters.Failover),
    ("`fault = { key = value }`", "", filters.Fault),
    ("`page { key = value }`", "", schema.Page),
    (
        '`store "name" { "url", key = value }`',
        "The URL is the first value in the table; see [many-nodes.md](many-nodes.md#connect-to-a-store).",
        engines.Store,
    ),
    ("Settings: global variables", "For example `access_log = \"off\"` or `workers = 4`, anywhere in the file.", schema.Settings),
    ("`access_log = { key = value }`", "A setting for all routes, or a key of a route; a list configures several logs. See [logs.md](logs.md).", observe.AccessLog),
    ("`metrics = { key = value }`", "See [metrics.md](metrics.md).", observe.Metrics),
    ("`dashboard = { key = value }`", "See [dashboard.md](dashboard.md).", observe.Dashboard),
    ("`tracing = { key = value }`", "See [tracing.md](tracing.md).", observe.Tracing),
    ("`reload = { key = value }`", "", instance.Reload),
    ("`discover_routes = { key = value }`", "", engines.DiscoverRoutes),
    ("`dns = { key = value }`", "", instance.Dns),
    ("`lua = { key = value }`", "See [lua.md](lua.md).", instance.Lua),
    ("`every(interval, function, { key = value })`", "See [lua.md](lua.md).", schema.Timer),
    ("`timeouts = { key = value }`", "A setting for all requests, or a key of a listener or a route.", limits.Timeouts),
    ("`limits = { key = value }`", "A setting for all requests, or a key of a listener or a route.", limits.Limits),
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
    CpuSet: "string",
    bool: "boolean",
    float: "number",
}


class Key(NamedTuple):
    """One of a declaration or of a setting, as documents show it."""

    name: str
    type: str
    default: str
    text: str


def reference() -> str:
    parts = [_INTRO]
    for title, remark, struct in SECTIONS:
        meaning = " ".join(f"{struct.__doc__ or ''} {remark}".split())
        parts.append(f"\n## {title}\n\n{fill(meaning, 100, break_long_words=False, break_on_hyphens=False)}\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|")
        parts += [f"| `{key.name}` | {key.type} | {key.default} | {key.text} |" for key in keys(struct)]
    return "\n".join(parts) + "\n"


def keys(struct: type[msgspec.Struct]) -> list[Key]:
    defaults = {limits.Timeouts: limits.DEFAULT_TIMEOUTS, limits.Limits: limits.DEFAULT_LIMITS}.get(struct)
    return [_key(field, defaults) for field in msgspec.structs.fields(struct) if _is_key(struct, field.name)]


def _is_key(struct: type[msgspec.Struct], name: str) -> bool:
    return name != "at" and not (struct in (upstreams.Upstream, engines.Store) and name == "name")


def _key(field: Any, defaults: msgspec.Struct | None) -> Key:
    meta = msgspec.inspect.type_info(field.type)
    description = getattr(meta, "extra_json_schema", None) or {}
    text = description.get("description", "")
    if isinstance(field.default, msgspec.Struct):
        return Key(field.encode_name, "table", "see below", f"See `{field.name}` below.")
    if field.default_factory is not msgspec.NODEFAULT:
        return Key(field.encode_name, _kind(field.type), "none", text)
    default = field.default if defaults is None else getattr(defaults, field.name)
    return Key(field.encode_name, _kind(field.type), _default(default), text)


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
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


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
