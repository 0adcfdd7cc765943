"""Metrics as text: Prometheus's format 0.0.4 and OpenMetrics 1.0.

What is measured does not belong here, only how it is written.  Values of labels may be any text, a peer's or a
file's name included; they are escaped.  Names are the same in both formats, and so are the bounds of histograms, so
that a Prometheus that changes from one to the other goes on with its series.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_LINES: Final = 500  # in a piece, some 60 KB: half a millisecond's work

Kind = Literal["counter", "gauge", "histogram", "summary"]
Number = int | float


@dataclass(slots=True)
class Family:
    """``name``: with its unit, and without ``_total``.

    ``series``      values of counters and gauges, by labels as :func:`labels` writes them; ``many``: more of them
    ``summaries``   labels, count, sum
    ``histograms``  labels, bounds, how many are in each bucket (one more than there are bounds), sum
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    series: list[tuple[str, Number]] = field(default_factory=list)
    many: Iterable[tuple[str, Number]] = ()
    summaries: list[tuple[str, Number, Number]] = field(default_factory=list)
    histograms: Iterable[tuple[str, Sequence[Number], Sequence[int], Number]] = ()


_SPECIAL: Final = re.compile(r'[\\"\n]')
_ESCAPES: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}


def labels(*pairs: tuple[str, str]) -> str:
    """``a="b",c="d"``, without braces.  Half a character (a surrogate) becomes a question mark."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value).encode("utf-8", "replace").decode()


def number(value: Number) -> str:
    """As Go writes it, which both formats ask for in the bounds of buckets."""
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    whole, _, rest = text.partition(".")
    if len(whole) <= 6 or "e" in text or not whole.isdigit():
        return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)
    mantissa = f"{whole[0]}.{whole[1:]}{rest}".rstrip("0").rstrip(".")
    return f"{mantissa}e+{len(whole) - 1:02d}"


def pieces(families: Iterable[Family], *, openmetrics: bool) -> Iterator[bytes]:
    """The whole text, in pieces of bounded size.  Families without series are left out."""
    lines: list[str] = []
    for family in families:
        samples = _samples(family)
        first = next(samples, None)
        if first is None:
            continue
        lines += (*_head(family, openmetrics=openmetrics), first)
        for line in samples:
            lines.append(line)
            if len(lines) >= _LINES:
                yield "".join(lines).encode()
                lines.clear()
    if openmetrics:
        lines.append("# EOF\n")
    yield "".join(lines).encode()


def _head(family: Family, *, openmetrics: bool) -> list[str]:
    about = _SPECIAL.sub(lambda found: _ESCAPES[found[0]] if openmetrics or found[0] != '"' else '"', family.help)
    name = family.name if openmetrics or family.kind != "counter" else f"{family.name}_total"
    lines = [f"# HELP {name} {about}\n", f"# TYPE {name} {family.kind}\n"]
    if openmetrics and family.unit:
        lines.append(f"# UNIT {name} {family.unit}\n")
    return lines


def _samples(family: Family) -> Iterator[str]:
    name = family.name
    suffix = "_total" if family.kind == "counter" else ""
    for given, value in chain(family.series, family.many):
        yield f"{name}{suffix}{{{given}}} {number(value)}\n" if given else f"{name}{suffix} {number(value)}\n"
    for given, count, total in family.summaries:
        yield f"{name}_sum{{{given}}} {number(total)}\n"
        yield f"{name}_count{{{given}}} {number(count)}\n"
    for given, bounds, buckets, total in family.histograms:
        comma = "," if given else ""
        so_far = 0
        for bound, count in zip((*map(float, bounds), float("inf")), buckets, strict=True):
            so_far += count
            yield f'{name}_bucket{{{given}{comma}le="{number(bound)}"}} {so_far}\n'
        braces = f"{{{given}}}" if given else ""
        yield f"{name}_sum{braces} {number(total)}\n"
        yield f"{name}_count{braces} {so_far}\n"


def wants_openmetrics(accept: str) -> bool:
    """Whether a client that sends this Accept (RFC 9110 section 12.5.1) prefers OpenMetrics to the plain text."""
    best = {True: 0.0, False: 0.0}
    for part in accept.lower().split(",")[:50]:
        media, *parameters = [item.strip() for item in part.split(";")]
        given = dict(item.split("=", 1) for item in parameters if "=" in item)
        ours = media == "application/openmetrics-text" and given.get("version", "1.0.0").strip('"') == "1.0.0"
        if ours or media in ("text/plain", "text/*", "*/*"):
            best[ours] = max(best[ours], _quality(given.get("q", "1")))
    return best[True] > 0 and best[True] >= best[False]


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text) else 0.0
