"""The schema of settings that are tables and apply to the whole instance: DNS, reloads, Lua.

Part of ``schema``: the same rules hold.
"""

from typing import Annotated

from msgspec import Meta

from rsp.config.struct import Struct
from rsp.config.units import Duration, Listen, Size


class Dns(Struct, frozen=True):
    """DNS lookups of the names of peers, made by the control process. `/etc/hosts` is used before DNS."""

    servers: Annotated[
        tuple[Listen, ...],
        Meta(description='DNS servers: `{ "10.0.0.53:53" }`. Default: those in `/etc/resolv.conf`.'),
    ] = ()
    timeout: Annotated[Duration, Meta(description="Timeout for one lookup, for all servers together.")] = Duration(5)
    min_ttl: Annotated[
        Duration, Meta(description="Shortest time for which a result is cached. It raises a lower TTL.")
    ] = Duration(1)
    max_ttl: Annotated[
        Duration, Meta(description="Longest time for which a result is cached. It lowers a higher TTL.")
    ] = Duration(30)
    retry: Annotated[
        Duration,
        Meta(
            description="Time until the next lookup after a failed one. Meanwhile the previous addresses stay in use."
        ),
    ] = Duration(2)


class Reload(Struct, frozen=True):
    """How a reload applies a new configuration: to one worker first (the canary), then to all.

    The canary's requests can be compared with those of the other workers.
    """

    canary: Annotated[
        Duration,
        Meta(
            description="How long the canary alone runs the new configuration before the other workers "
            "follow. `0`: they follow as soon as the canary serves requests."
        ),
    ] = Duration(0)
    max_error_increase: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Reject the new configuration if the canary's share of responses with status "
            "500 or above exceeds that of the other workers by more than this. 0.01 is one "
            "percentage point.",
        ),
    ] = 0.01
    max_latency_increase: Annotated[
        float,
        Meta(
            ge=0,
            description="Reject the new configuration if the latency of peers exceeds that of the other "
            "workers by more than this factor: 1 means twice as long. `0`: do not compare latency.",
        ),
    ] = 1.0
    requests: Annotated[
        int,
        Meta(
            ge=1,
            description="With fewer requests than this during `canary`, no comparison is made and the "
            "other workers follow.",
        ),
    ] = 20


class Lua(Struct, frozen=True):
    """Resources that hooks may use."""

    instructions: Annotated[
        int,
        Meta(
            ge=10_000,
            le=10_000_000_000,
            description="Largest number of Lua instructions for one call of a hook. A million instructions take one "
            "or two milliseconds.",
        ),
    ] = 300_000
    memory: Annotated[
        Size,
        Meta(description="Memory for all hooks of one worker together, including what they keep between requests."),
    ] = Size(32 << 20)
    timeout: Annotated[
        Duration,
        Meta(
            description="Time for which one call of a hook may wait in total. Running code "
            "is limited by `instructions`."
        ),
    ] = Duration(30)
    body: Annotated[
        Size,
        Meta(
            description="Largest body that `req.body()` and `res.body` read. A larger body raises an error in the hook."
        ),
    ] = Size(1 << 20)
    shared: Annotated[
        Size | None,
        Meta(
            description="Memory for `shared(...)` and `limit`, shared by all workers and allocated on use. A reload "
            "does not change it. Default: 64 MB, but at most an eighth of the memory limit of the "
            "container."
        ),
    ] = None
    fail_open: Annotated[
        bool, Meta(description="Whether a request continues when its hook fails. `false`: it gets 500.")
    ] = False
