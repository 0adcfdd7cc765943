"""Placeholders: ``{name}`` in a text of the configuration stands for something of the request.

A name consists of letters, digits, ``_``, ``.`` and ``-``; other braces are text, and ``{{name}}`` is the text
``{name}``.  Texts are compiled when a configuration is loaded.  What is put in never has a line break or a NUL.

``exchange/told.py`` says where each comes from; ``docs/values.md`` has them all.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, Protocol

from rsp.config.errors import suggest
from rsp.config.routes import Route
from rsp.config.value_words import ALIASES, said
from rsp.http.lines import one_line
from rsp.http.regex import Pattern

_PIECE: Final = re.compile(r"\{\{([A-Za-z0-9_.\-]+)\}\}|\{([A-Za-z0-9_.\-]+)\}")
# Of families: what stands behind the dot is a name of the user's.
FAMILIES: Final = ("header.", "cookie.")
CAPTURE: Final = "capture."  # before the names of groups, once a text is compiled
_LATER: Final = {
    "user": "no user is known yet", "upstream": "no upstream is chosen yet", "peer": "no peer is chosen yet",
}  # fmt: skip


class Names(Collection[str]):
    """Names that placeholders may have at one place.

    ``groups``: those of the route's regular expression; ``families``: whether there are fields and cookies;
    ``strict``: all others are mistakes, not text.
    """

    __slots__ = ("_all", "_names", "families", "groups", "strict")

    def __init__(
        self, names: Iterable[str], groups: Iterable[str] = (), *, families: bool = True, strict: bool = True
    ) -> None:
        self._names = tuple(names)
        self.groups = tuple(groups)
        self.families = families
        self.strict = strict
        self._all = frozenset((*self._names, *self.groups, *(CAPTURE + group for group in self.groups)))

    def __contains__(self, name: object) -> bool:
        return name in self._all or (self.families and isinstance(name, str) and _family(name) != "")

    def __iter__(self) -> Iterator[str]:
        return iter((*self._names, *self.groups))

    def __len__(self) -> int:
        return len(self._names) + len(self.groups)

    def of(self, route: Route) -> "Names":
        """With the groups of the route's ``regex``, if it has one.  Raises :class:`ValueError` where that is wrong."""
        if route.regex is None:
            return self
        return Names(self._names, Pattern(route.regex).names, families=self.families, strict=self.strict)


# Of the client's TLS.
IN_TLS: Final = ("tls_version", "tls_cipher", "sni", "client_cert", "client_cert_subject", "client_cert_fingerprint")
# Of a PROXY header.
IN_PROXY: Final = tuple(
    f"proxy.{name}"
    for name in (
        "address", "source", "destination", "alpn", "authority", "unique_id", "ssl_version", "ssl_cipher", "ssl_cn",
        "ssl_verified", *(f"tlv_0x{number:02x}" for number in range(0xE0, 0xF0)),
    )
)  # fmt: skip
# What every request has; all else may stand for nothing.
CERTAIN: Final = frozenset(("client", "host", "authority", "scheme", "path", "query", "uri", "request_id", "time"))
_REQUEST: Final = (
    "client",
    "host",
    "authority",
    "scheme",
    "path",
    "query",
    "uri",
    "request_id",
    "time",
    *IN_TLS,
    *IN_PROXY,
)
IN_FIELDS: Final = Names((*_REQUEST, *_LATER))  # of a message to a peer, or of a response
IN_KEYS: Final = Names(_REQUEST)  # of limits, and in all else before a peer is asked
IN_HOST: Final = Names(("host", "authority"), families=False)  # whatever they stand for is a valid Host
IN_PAGES: Final = Names(("status", "request_id"), families=False, strict=False)


def groups_of(route: Route) -> tuple[str, ...]:
    """Those of its ``regex``, by number and name; none where that is wrong."""
    try:
        return IN_KEYS.of(route).groups
    except ValueError:
        return ()


class Source(Protocol):
    """Knows what placeholders stand for."""

    def placeholder(self, name: str) -> bytes: ...


class Template:
    """``text``, compiled.  ``known``: the names that are placeholders; others are text.  ``escape``: of values.

    ``parts``: names (text, of groups with ``CAPTURE``) and what stands between them (bytes); ``names``: the former.
    """

    __slots__ = ("_escape", "_uncertain", "names", "parts")

    def __init__(self, text: str, known: Collection[str], escape: Callable[[bytes], bytes] | None = None) -> None:
        parts: list[str | bytes] = []
        plain, end = "", 0
        strict = known.strict if isinstance(known, Names) else bool(known)
        for match in _PIECE.finditer(text):
            plain += text[end : match.start()]
            end = match.end()
            name, literal = _canonical_of(match[2] or "", known), match[1]
            if name in known:
                parts += (plain.encode(), name)
                plain = ""
            elif literal is not None and (strict or literal in known):
                plain += match[0][1:-1]
            else:
                plain += match[0]
        parts.append((plain + text[end:]).encode())
        self.parts = tuple(part for part in parts if part)
        self.names = frozenset(part for part in parts if isinstance(part, str))
        self._uncertain = self.names - CERTAIN
        self._escape = escape

    @property
    def start(self) -> bytes:
        """The text before the first placeholder."""
        first = self.parts[0] if self.parts else b""
        return first if isinstance(first, bytes) else b""

    def fill(self, source: "Source | None" = None) -> bytes:
        """Without ``source``: what stands between the placeholders."""
        pieces = []
        for part in self.parts:
            if isinstance(part, bytes):
                pieces.append(part)
            elif source is not None:
                value = one_line(source.placeholder(part))
                pieces.append(value if self._escape is None else self._escape(value))
        return b"".join(pieces)

    def fill_some(self, source: "Source") -> bytes:
        """As :meth:`fill`; empty if there are placeholders that may be empty, and all of them are."""
        pieces = []
        found = not self._uncertain
        for part in self.parts:
            if isinstance(part, bytes):
                pieces.append(part)
            else:
                value = one_line(source.placeholder(part))
                pieces.append(value)
                found = found or (value != b"" and part in self._uncertain)
        return b"".join(pieces) if found else b""


def canonical(name: str) -> str:
    """The name that all spellings of it stand for; fields are known by their names in lower case."""
    name = ALIASES.get(name, name)
    return name.lower() if name.startswith("header.") else name


def _canonical_of(name: str, known: Collection[str]) -> str:
    """A group goes before what else has its name: the route that has the one chose it."""
    return CAPTURE + name if isinstance(known, Names) and name in known.groups else canonical(name)


def _family(name: str) -> str:
    return next((family for family in FAMILIES if name.startswith(family) and name != family), "")


def names(text: str) -> list[str]:
    """Those of all placeholders in ``text``, known or not, each once."""
    return list(dict.fromkeys(canonical(match[2]) for match in _PIECE.finditer(text) if match[2] is not None))


def unknown(text: str, known: Collection[str]) -> Iterator[str]:
    """What is wrong with each placeholder of ``text`` that is not in ``known``."""
    for match in _PIECE.finditer(text):
        name = match[2]
        if name is not None and _canonical_of(name, known) not in known:
            yield f"{_wrong(name, known)}; as text: {{{{{name}}}}}"


def _wrong(name: str, known: Collection[str]) -> str:
    groups = known.groups if isinstance(known, Names) else ()
    if name in _LATER and isinstance(known, Names) and known.families:
        return f'placeholder "{{{name}}}" is not available here: {_LATER[name]}'
    if name.isdigit() and groups:
        return f'unknown placeholder "{{{name}}}": the last group of "regex" is {{{_last(groups)}}}'
    if name.isdigit():
        return f'unknown placeholder "{{{name}}}": the route\'s "regex" has no group'
    listed = ", ".join(dict.fromkeys(f"{{{_in_brief(each)}}}" for each in known))
    more = ", {header.NAME}, {cookie.NAME}" if isinstance(known, Names) and known.families else ""
    return f'unknown placeholder "{{{name}}}"{_near(name, known)}; known: {listed}{more}'


def _in_brief(name: str) -> str:
    """Families with many names are one word in messages."""
    return "proxy.NAME" if name.startswith("proxy.") else name


def _last(groups: Iterable[str]) -> str:
    return max((group for group in groups if group.isdigit()), key=int)


def _near(name: str, known: Collection[str]) -> str:
    own = said(name)
    if own and canonical(own) in known:
        return f" (in rsp: {{{own}}})"
    return suggest(name, (*known, *(alias for alias in ALIASES if canonical(alias) in known)))
