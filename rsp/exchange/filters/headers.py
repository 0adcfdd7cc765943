"""Rules for header fields, of the configuration as bytes: what is removed, what is set, what is added; and Via."""

from rsp.config.placeholders import IN_FIELDS, IN_HOST, IN_TLS, Source, Template
from rsp.config.schema import HeaderRules, ResponseRules
from rsp.config.tls import Hsts
from rsp.config.units import Duration
from rsp.http.credentials import binds_connection
from rsp.http.names import OURS, fold, without

_VERSIONS = (b"1.0", b"1.1", b"2.0")


class Rules:
    """Field rules as bytes: drop the names in ``remove`` (folded), then append what is added.

    ``ours``: some of the names are of fields that rsp writes itself; ``host``: what Host is set to.
    """

    __slots__ = ("_added", "_optional", "_template", "connection_bound", "host", "ours", "remove")

    def __init__(self, *layers: HeaderRules) -> None:
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
        self.ours = not self.remove.isdisjoint(OURS)
        optional = [line for _, line in added if Template(line, IN_TLS).names]
        self._optional = tuple(_OptionalLine(line) for line in optional)
        lines = [line for _, line in added if line not in optional]
        template = Template("".join(lines), IN_FIELDS)
        templates = [Template(line, IN_FIELDS) for line in lines]
        self._added = b"".join(each.fill() for each in templates if not each.names)
        self._template = template if template.names else None
        self.connection_bound = binds_connection(template.fill())

    def apply(self, fields: bytes, source: Source | None) -> bytes:
        """``source`` knows what placeholders stand for; without it, fields that have some are left out."""
        added = self._added if self._template is None or source is None else self._template.fill(source)
        if source is not None:
            for line in self._optional:
                added += line.fill(source)
        return (without(fields, self.remove) if self.remove else fields) + added


class _OptionalLine:
    """A field with placeholders of the client's TLS: left out where they all stand for nothing."""

    __slots__ = ("_line", "_of_tls")

    def __init__(self, line: str) -> None:
        self._line = Template(line, IN_FIELDS)
        self._of_tls = self._line.names.intersection(IN_TLS)

    def fill(self, source: Source) -> bytes:
        return self._line.fill(source) if any(map(source.placeholder, self._of_tls)) else b""


def response_rules(*layers: ResponseRules | None) -> tuple[Rules | None, Rules | None]:
    """For what peers answer, and for rsp's own answers."""
    given = [rules for rules in layers if rules is not None]
    own = [rules for rules in given if rules.own]
    return Rules(*given) if given else None, Rules(*own) if own else None


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
