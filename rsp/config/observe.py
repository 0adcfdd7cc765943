"""The schema of what shows how rsp is doing: logs, metrics, dashboard, traces.  Part of ``schema``."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta
from msgspec.structs import force_setattr

from rsp.config.struct import Struct, Text
from rsp.config.units import Duration, Listen, Secret

_HOSTS = (
    "Names that the Host of a request may have, beside IP addresses of loopback, `localhost` and the address itself; "
    '`"*"`: any. Others get 421 (against DNS rebinding).'
)


_BRACES: Final = re.compile(r"\A\{([^{}]+)\}\Z")


class AccessLog(Struct, frozen=True):
    """A log with a line for each request."""

    path: Annotated[
        Text,
        Meta(
            description='`"stdout"`, a file\'s path, relative to where rsp was started; `"syslog:/dev/log"` or '
            '`"syslog:192.0.2.1:514"` (RFC 5424); `"journald"`.'
        ),
    ] = "stdout"
    format: Annotated[
        Text,
        Meta(
            description='`"combined"`, `"json"`, or a text with [fields](logs.md#fields): '
            '`"{client} {status} {request.header.user-agent}"`.'
        ),
    ] = "combined"
    fields: Annotated[
        dict[str, str],
        Meta(
            description='For `"json"`: further keys, and the field of each: `{ agent = "request.header.user-agent" }`; '
            '`""` leaves a default key out.'
        ),
    ] = {}
    when: Annotated[
        Text | None,
        Meta(description="Log only requests that match this [condition](logs.md#conditions): `'status >= 500'`."),
    ] = None
    sample: Annotated[
        float, Meta(gt=0, le=1, description="Share of these requests that is logged, chosen at random: 0.01 is 1 %.")
    ] = 1.0

    def __post_init__(self) -> None:
        """A table of Lua has no order, so keys have that of their names: lines look the same after each start.

        A field may stand in braces, as in ``format``.
        """
        if self.fields:
            named = {key: _BRACES.sub(r"\1", name) for key, name in sorted(self.fields.items())}
            force_setattr(self, "fields", named)


class Metrics(Struct, frozen=True):
    """Where Prometheus finds the metrics: `/metrics`, `/live` and `/ready`."""

    address: Annotated[Listen, Meta(description='`"127.0.0.1:9145"` or `"unix:/run/rsp/metrics.sock"`.')]
    hosts: Annotated[tuple[Text, ...], Meta(description=_HOSTS)] = ()


class Dashboard(Struct, frozen=True):
    """A page that shows what rsp does."""

    address: Annotated[Listen, Meta(description='`"127.0.0.1:9146"`. One that is not loopback needs `users`.')]
    hosts: Annotated[tuple[Text, ...], Meta(description=_HOSTS)] = ()
    actions: Annotated[
        bool, Meta(description="Whether peers can be drained, enabled and weighted on it; needs `users`.")
    ] = False
    users: Annotated[
        Text | None, Meta(description="File with user names and hashed passwords, as `htpasswd -B` makes it.")
    ] = None


class Tracing(Struct, frozen=True):
    """Where spans are sent, as OTLP over HTTP."""

    endpoint: Annotated[Text, Meta(description='`"http://127.0.0.1:4318/v1/traces"`.')]
    sample: Annotated[float, Meta(ge=0, le=1, description="Share of requests that is traced.")] = 0.01
    slow: Annotated[
        Duration | None,
        Meta(description="Requests that take longer are traced in any case, as are failed ones. 0: none for its time."),
    ] = Duration(1)
    service: Annotated[Text, Meta(description="The `service.name` of the spans.")] = "rsp"
    headers: Annotated[
        dict[str, Secret], Meta(description="Fields to send along, such as Authorization; `rsp -T` hides their values.")
    ] = {}


LogLevel = Literal["error", "warning", "info"]
LogFormat = Literal["text", "json"]
