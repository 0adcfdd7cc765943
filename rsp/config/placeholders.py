"""Placeholders: ``{name}`` in a text of the configuration stands for something of the request.

A name consists of letters, digits, ``_``, ``.`` and ``-``; other braces are text, and ``{{name}}`` is the text
``{name}``.  Texts are compiled when a configuration is loaded.  What is put in never has a line break or a NUL.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final, Protocol

from rsp.config.errors import suggest

_PIECE: Final = re.compile(r"\{\{([A-Za-z0-9_.\-]+)\}\}|\{([A-Za-z0-9_.\-]+)\}")

# Of the client's TLS.  A field is left out where all of these in it stand for nothing.
IN_TLS: Final = ("tls_version", "tls_cipher", "sni", "client_cert", "client_cert_subject", "client_cert_fingerprint")
IN_FIELDS: Final = ("client", "host", "authority", "scheme", "request_id", "upstream", *IN_TLS)
IN_HOST: Final = ("host", "authority")  # whatever they stand for is a valid Host
IN_REDIRECTS: Final = ("client", "host", "authority", "scheme", "request_id", "path", "query")
IN_PAGES: Final = ("status", "request_id")


class Source(Protocol):
    """Knows what placeholders stand for."""

    def placeholder(self, name: str) -> bytes: ...


class Template:
    """``text``, compiled.  ``known``: the names that are placeholders; others are text."""

    __slots__ = ("_parts", "names")

    def __init__(self, text: str, known: Collection[str]) -> None:
        parts: list[str | bytes] = []  # names and texts in turn
        names: set[str] = set()
        plain, end = "", 0
        strict = bool(known) and known is not IN_PAGES  # unknown names are errors there, so that they need another form
        for match in _PIECE.finditer(text):
            plain += text[end : match.start()]
            end = match.end()
            if match[2] in known:
                parts += (plain.encode(), match[2])
                names.add(match[2])
                plain = ""
            elif match[1] in known or (match[1] is not None and strict):
                plain += match[0][1:-1]
            else:
                plain += match[0]
        parts.append((plain + text[end:]).encode())
        self._parts = parts
        self.names = frozenset(names)

    @property
    def start(self) -> bytes:
        """The text before the first placeholder."""
        first = self._parts[0]
        return first if isinstance(first, bytes) else b""

    @property
    def parts(self) -> list[str | bytes]:
        """Names (text) and what stands between them (bytes)."""
        return self._parts

    def fill(self, source: "Source | None" = None) -> bytes:
        if source is None or len(self._parts) == 1:
            return b"".join(part for part in self._parts if isinstance(part, bytes))
        return b"".join(
            part if isinstance(part, bytes) else source.placeholder(part).translate(None, b"\r\n\0")
            for part in self._parts
        )


def names(text: str) -> list[str]:
    """Those of all placeholders in ``text``, known or not, each once."""
    return list(dict.fromkeys(match[2] for match in _PIECE.finditer(text) if match[2] is not None))


def unknown(text: str, known: Collection[str]) -> Iterator[str]:
    """What is wrong with each placeholder of ``text`` that is none of ``known``."""
    for match in _PIECE.finditer(text):
        name = match[2]
        if name is not None and name not in known:
            listed = ", ".join(f"{{{each}}}" for each in known)
            yield f'unknown placeholder "{{{name}}}"{suggest(name, known)}; there is {listed}; as text: {{{{{name}}}}}'
