"""What every part of a configuration is made of."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # names of fields, methods (RFC 9110 section 5.6.2)

Text = Annotated[str, Meta(min_length=1)]
UrlPath = Annotated[str, Meta(pattern="^/")]
Items = Meta(min_length=1)  # of a list that says nothing when it is empty
Count = Annotated[int, Meta(ge=0)]


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """What every part of a configuration is: immutable, strict about unknown keys."""
