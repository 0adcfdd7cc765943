"""The schema of what a value has to be like: a header field, a parameter of the query or a cookie of a request.

Part of ``schema``: the same rules hold.  ``http/matching.py`` compares.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from rsp.config.struct import Struct, Text
from rsp.config.units import show

Texts = Text | Annotated[tuple[Text, ...], Meta(min_length=1)]


class ValuePattern(Struct, frozen=True):
    """What a value must be like: all keys must match the same value. A list matches if one of its strings does."""

    prefix: Annotated[Texts | None, Meta(description="Beginning of the value.")] = None
    suffix: Annotated[Texts | None, Meta(description="End of the value.")] = None
    contains: Annotated[Texts | None, Meta(description="Part of the value.")] = None
    regex: Annotated[
        Texts | None,
        Meta(
            description="Regular expression (RE2 syntax), which may match anywhere in the value; `(?i)` ignores case."
        ),
    ] = None


class ValueMatch(ValuePattern, frozen=True):
    """A condition on a header field, a query parameter or a cookie.

    All keys but `except` must match the same value; a list matches if one of its strings does.
    """

    except_: Annotated[
        str | Annotated[tuple[Text, ...], Meta(min_length=1)] | ValuePattern | None,
        Meta(
            description="What no value may match: a string, a list of strings, or a table with the keys above. "
            "Alone, it also holds for requests without a value."
        ),
    ] = msgspec.field(name="except", default=None)


Plain = str | tuple[str, ...]
Wanted = bool | Plain | ValueMatch
Wanteds = dict[str, str | bool | Annotated[tuple[Text, ...], Meta(min_length=1)] | ValueMatch]


def texts_of(value: Plain | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value


def regexes_of(wanted: Wanted | ValuePattern) -> Iterator[str]:
    """All of its regular expressions, those of ``except`` as well."""
    if isinstance(wanted, ValuePattern):
        yield from texts_of(wanted.regex)
    if isinstance(wanted, ValueMatch) and isinstance(wanted.except_, ValuePattern):
        yield from texts_of(wanted.except_.regex)


def literals_of(wanted: Wanted | ValuePattern) -> Iterator[str]:
    """All of its texts that are compared as they are."""
    if isinstance(wanted, ValuePattern):
        for value in (wanted.prefix, wanted.suffix, wanted.contains):
            yield from texts_of(value)
        if isinstance(wanted, ValueMatch) and wanted.except_ is not None:
            yield from literals_of(wanted.except_)
    elif not isinstance(wanted, bool):
        yield from texts_of(wanted)


def written(wanted: Wanted | ValuePattern) -> str:
    """As a configuration has it."""
    if isinstance(wanted, bool | str):
        return show(wanted)
    if isinstance(wanted, tuple):
        return f"{{ {', '.join(map(show, wanted))} }}"
    fields = ((field.encode_name, getattr(wanted, field.name)) for field in msgspec.structs.fields(wanted))
    return f"{{ {', '.join(f'{name} = {written(value)}' for name, value in fields if value is not None)} }}"
