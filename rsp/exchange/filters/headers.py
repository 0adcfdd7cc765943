"""Rules for header fields, of the configuration as bytes: what is removed, what is set, what is added; and Via."""

from itertools import groupby

from rsp.config.answers import HeaderRules, ResponseRules
from rsp.config.placeholders import CERTAIN, IN_FIELDS, IN_HOST, Names, Source, Template
from rsp.config.tls import Hsts
from rsp.config.units import Duration
from rsp.http.credentials import binds_connection
from rsp.http.lines import without
from rsp.http.names import OURS, fold

_VERSIONS = (b"1.0", b"1.1", b"2.0")


class Rules:
    """Field rules as bytes: drop the names in ``remove`` (folded), then append what is added.

    ``ours``: some of the names are of fields that rsp writes itself; ``host``: what Host is set to.  ``known``: what
    placeholders may be there.
    """

    __slots__ = ("_added", "_gone", "_lines", "connection_bound", "host", "ours", "remove")

    def __init__(self, *layers: HeaderRules, known: Names = IN_FIELDS) -> None:
        """A later layer has the last word."""
        self.host: Template | None = None
        removed: set[bytes] = set()
        added: list[tuple[bytes, str]] = []
        for rules in layers:
            gone = {fold(name.encode()) for name in (*rules.remove, *rules.set)}
            removed |= gone
            added = [(name, line) for name, line in added if name not in gone]
            for name, value in (*rules.set.items(), *rules.add.items()):
                if name.lower() == "host":
                    self.host = Template(value, IN_HOST)
                else:
                    added.append((fold(name.encode()), f"{name}: {value}\r\n"))
        self.remove = frozenset(removed)
        self._gone = tuple(removed)
        self.ours = not self.remove.isdisjoint(OURS)
        texts = [line for _, line in added]
        lines = [Template(text, known) for text in texts]
        self._added = b"".join(line.fill() for line in lines if not line.names)
        together = tuple(Template(text, known) for text in _together(texts, known))
        self._lines = together if any(line.names for line in lines) else ()
        self.connection_bound = binds_connection(b"".join(line.fill() for line in lines))

    def apply(self, fields: bytes, source: Source | None) -> bytes:
        """``source`` knows what placeholders stand for; without it, fields that have some are left out."""
        if self._gone:
            fields = without(fields, self._gone)
        if not self._lines or source is None:
            return fields + self._added
        for line in self._lines:
            fields += line.fill_some(source)
        return fields


def _together(lines: list[str], known: Names) -> list[str]:
    """Neighbours that are never left out are one text, which is filled in one call."""
    texts: list[str] = []
    for certain, group in groupby(lines, lambda line: Template(line, known).names <= CERTAIN):
        found = list(group)
        texts += ["".join(found)] if certain else found
    return texts


def response_rules(*layers: ResponseRules | None, known: Names = IN_FIELDS) -> tuple[Rules | None, Rules | None]:
    """For what peers answer, and for rsp's own answers."""
    given = [rules for rules in layers if rules is not None]
    own = [rules for rules in given if rules.own]
    return Rules(*given, known=known) if given else None, Rules(*own, known=known) if own else None


def via_lines(name: str) -> dict[bytes, bytes]:
    """The Via line for a message by the version of HTTP in which it came (RFC 9110 section 7.6.3)."""
    return {version: b"Via: %b %b\r\n" % (version, name.encode()) for version in _VERSIONS}


def hsts_line(setting: bool | str | Hsts) -> bytes:
    """Strict-Transport-Security (RFC 6797 section 6.1); empty: rsp says nothing of it.  Raises :class:`ValueError`."""
    if setting is False:
        return b""
    hsts = setting if isinstance(setting, Hsts) else Hsts()
    if isinstance(setting, str):
        hsts = Hsts(max_age=Duration.parse(setting))
    more = "; includeSubDomains" * hsts.subdomains + "; preload" * hsts.preload
    return f"Strict-Transport-Security: max-age={int(hsts.max_age)}{more}\r\n".encode()
