"""What every part of a configuration is made of."""

from typing import Annotated

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1)]
UrlPath = Annotated[str, Meta(pattern="^/")]
Count = Annotated[int, Meta(ge=0)]


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """What every part of a configuration is: immutable, strict about unknown keys."""
