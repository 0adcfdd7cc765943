"""The schema of answers that rsp itself generates, and of changes to header fields.

Part of ``schema``: the same rules hold.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rsp.config.struct import Struct, Text


class HeaderRules(Struct, frozen=True):
    """Changes to the header fields of a request or response: first `remove`, then `set`, then `add`."""

    remove: Annotated[tuple[str, ...], Meta(description='Names of fields to remove: `{ "Cookie", "X-Debug" }`.')] = ()
    set: Annotated[
        dict[str, str],
        Meta(
            description='Fields to set. Existing fields with the same name are replaced: `{ ["X-Env"] = "live", '
            '["X-Client"] = "{client}" }`. See [values](values.md).'
        ),
    ] = msgspec.field(default_factory=dict)
    add: Annotated[dict[str, str], Meta(description="Fields to add. Existing fields with the same name stay.")] = (
        msgspec.field(default_factory=dict)
    )


class ResponseRules(HeaderRules, frozen=True):
    """Changes to the header fields of a request or response: first `remove`, then `set`, then `add`."""

    own: Annotated[
        bool,
        Meta(
            description="With `response_headers`: whether the rules also apply to responses that rsp itself "
            "generates, including errors."
        ),
    ] = True


class Redirect(Struct, frozen=True):
    """A redirect."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            description="URL, or path on the same host, with [placeholders](values.md): "
            "`https://www.example.com{path}`. The query of the request is appended unless `to` contains "
            "`?`, `{query}` or `{uri}`.",
        ),
    ]
    status: Annotated[
        Literal[301, 302, 303, 307, 308],
        Meta(description="Status code. 301 and 308 are permanent, 302, 303 and 307 temporary."),
    ] = 302


class Respond(Struct, frozen=True):
    """A response that rsp itself generates."""

    status: Annotated[int, Meta(ge=200, le=599, description="Status code.")] = 200
    body: Annotated[str, Meta(description="Body, with [placeholders](values.md).")] = ""
    type: Annotated[Text, Meta(description="Content-Type.")] = "text/plain; charset=utf-8"
    headers: Annotated[
        dict[str, str], Meta(description="Further header fields; values may contain [placeholders](values.md).")
    ] = msgspec.field(default_factory=dict)
