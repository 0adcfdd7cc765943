"""What an import makes: the parts of a site.lua in their order, and what could not be translated, at its place.

Readers fill a :class:`Site`; ``lua.py`` writes it.  This file knows neither a source format nor Lua's syntax.

Rules for readers: what is not understood is never left out silently, it becomes an :class:`Untranslated`.  Where that
would open what the source keeps closed (a denied path, a password), a refusing route takes its place.  What rsp does
in another way, with the same effect for clients and peers, is a :class:`Note`: it does not make a result less than
whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

Value: TypeAlias = "bool | int | float | str | Code | Table | Sequence[Value] | Mapping[str, Value] | None"


class Origin(Struct, frozen=True):
    """Where in the source something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Code(Struct, frozen=True):
    """An expression or statements of Lua, written as they are: ``function(req) ... end``."""

    text: str


class Table(Struct):
    """A table with values without keys, and then with keys: ``{ "10.0.0.2:80", weight = 2 }``."""

    items: list[Value] = field(default_factory=list)
    keys: dict[str, Value] = field(default_factory=dict)


class Setting(Struct):
    """``name = value``, a global variable of the file."""

    name: str
    value: Value
    origin: Origin | None = None
    comments: list[str] = field(default_factory=list)


class Declaration(Struct):
    """``word "name" { items, keys }``: a listen, certificate, upstream, store, route, page or test.

    ``comments``: lines that stand above it, without ``--``.
    """

    word: str
    name: str = ""
    items: list[Value] = field(default_factory=list)
    keys: dict[str, Value] = field(default_factory=dict)
    origin: Origin | None = None
    comments: list[str] = field(default_factory=list)


class Script(Struct):
    """Lua that stands by itself, such as ``function on_request(req) ... end`` or ``local x = ...``."""

    text: str
    origin: Origin | None = None
    comments: list[str] = field(default_factory=list)


class Heading(Struct):
    """A comment of its own, such as the name of the part that follows."""

    text: str


class Note(Struct, frozen=True):
    """What the user should know, without which the result is whole nevertheless."""

    text: str
    origin: Origin | None = None


class Untranslated(Struct, frozen=True):
    """``text``: as it stands in the source, one line; ``reason``: why not, as half a sentence without a full stop."""

    reason: str
    text: str
    origin: Origin | None = None


Part = Setting | Declaration | Script | Heading | Note | Untranslated
_RANKS: Final = {"listen": 1, "certificate": 2, "upstream": 3, "route": 5}
_REMARK: Final = 4


class Site(Struct):
    """``format``: ``nginx`` and so on; ``source``: the file; ``dropped``: names of what has no meaning here."""

    format: str
    source: str
    parts: list[Part] = field(default_factory=list)
    dropped: dict[str, None] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Notes that are said already, and the same part of the source reported for the same reason, are left out."""
        if isinstance(part, Note):
            if any(isinstance(said, Note) and said.text == part.text for said in self.parts):
                return
        elif isinstance(part, Untranslated) and part in self.parts:
            return
        self.parts.append(part)

    def drop(self, name: str) -> None:
        """A directive that tunes what rsp does by itself."""
        self.dropped[name] = None

    def sort(self) -> None:
        """Settings, listeners, certificates, upstreams, remarks, routes."""

        def place(part: Part) -> tuple[int, int]:
            if isinstance(part, Setting):
                return 0, 0
            if isinstance(part, Declaration):
                return _RANKS.get(part.word, _REMARK), 0
            return _REMARK, part.origin.line if isinstance(part, (Note, Untranslated)) and part.origin else 0

        self.parts.sort(key=place)

    @property
    def untranslated(self) -> Iterator[Untranslated]:
        return (part for part in self.parts if isinstance(part, Untranslated))

    @property
    def notes(self) -> Iterator[Note]:
        return (part for part in self.parts if isinstance(part, Note))

    @property
    def whole(self) -> bool:
        """Whether everything in the source was translated."""
        return next(self.untranslated, None) is None


class Unreadable(Exception):
    """The source cannot be read at all; the message says why, with file and line."""
