"""The schema of observability: logs, metrics, dashboard, traces.  Part of ``schema``."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta
from msgspec.structs import force_setattr

from rsp.config.struct import Struct, Text
from rsp.config.units import Duration, Listen, Secret

_HOSTS = (
    "Names that the Host of a request may have, in addition to loopback IP addresses, `localhost` and the host in "
    '`address`; `"*"`: any. Requests with another Host get 421, which protects against DNS rebinding.'
)


_BRACES: Final = re.compile(r"\A\{([^{}]+)\}\Z")


class AccessLog(Struct, frozen=True):
    """An access log: one line for each request."""

    path: Annotated[
        Text,
        Meta(
            description='Where lines are written: `"stdout"`; the path of a file, relative to the directory in which '
            'rsp was started; `"syslog:/dev/log"` or `"syslog:192.0.2.1:514"` (RFC 5424); or '
            '`"journald"`.'
        ),
    ] = "stdout"
    format: Annotated[
        Text,
        Meta(
            description='Format of a line: `"combined"`, `"json"`, or a text with [fields](logs.md#fields) such as '
            '`"{client} {status} {request.header.user-agent}"`.'
        ),
    ] = "combined"
    fields: Annotated[
        dict[str, str],
        Meta(
            description='With `"json"`: additional keys and their [fields](logs.md#fields), such as `{ agent = '
            '"request.header.user-agent" }`. `""` removes a default key.'
        ),
    ] = {}
    when: Annotated[
        Text | None,
        Meta(
            description="[Condition](logs.md#conditions) that a request must match to be logged: `'status >= 500'`. "
            "Default: all requests."
        ),
    ] = None
    sample: Annotated[
        float, Meta(gt=0, le=1, description="Share of these requests that are logged, chosen at random. 0.01 is 1 %.")
    ] = 1.0

    def __post_init__(self) -> None:
        """A table of Lua has no order, so keys have that of their names: lines look the same after each start.

        A field may stand in braces, as in ``format``.
        """
        if self.fields:
            named = {key: _BRACES.sub(r"\1", name) for key, name in sorted(self.fields.items())}
            force_setattr(self, "fields", named)


class Metrics(Struct, frozen=True):
    """A listener for Prometheus, which serves `/metrics`, `/live` and `/ready`."""

    address: Annotated[
        Listen, Meta(description='Address to listen on: `"127.0.0.1:9145"` or `"unix:/run/rsp/metrics.sock"`.')
    ]
    hosts: Annotated[tuple[Text, ...], Meta(description=_HOSTS)] = ()


class Dashboard(Struct, frozen=True):
    """A web page with the live state of rsp."""

    address: Annotated[
        Listen,
        Meta(description='Address to listen on: `"127.0.0.1:9146"`. An address that is not loopback requires `users`.'),
    ]
    hosts: Annotated[tuple[Text, ...], Meta(description=_HOSTS)] = ()
    actions: Annotated[
        bool, Meta(description="Whether peers can be drained, enabled and weighted on the page. Requires `users`.")
    ] = False
    users: Annotated[
        Text | None,
        Meta(description="File with user names and hashed passwords, as written by `htpasswd -B`. Default: no login."),
    ] = None


class Tracing(Struct, frozen=True):
    """Tracing: spans are sent as OTLP over HTTP."""

    endpoint: Annotated[Text, Meta(description='URL of the collector: `"http://127.0.0.1:4318/v1/traces"`.')]
    sample: Annotated[float, Meta(ge=0, le=1, description="Share of the requests that are traced, from 0 to 1.")] = 0.01
    slow: Annotated[
        Duration | None,
        Meta(
            description="Requests that take longer than this are always traced, as are failed ones. `0`: no "
            "requests are traced for their duration."
        ),
    ] = Duration(1)
    service: Annotated[Text, Meta(description="Value of the attribute `service.name` of the spans.")] = "rsp"
    headers: Annotated[
        dict[str, Secret],
        Meta(
            description="Header fields of the requests to the collector, such as Authorization. "
            "`rsp -T` hides their values."
        ),
    ] = {}


LogLevel = Literal["error", "warning", "info"]
LogFormat = Literal["text", "json"]
