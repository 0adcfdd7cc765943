"""Pictures of measured data, as SVG without any library."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path

_COLOURS = ("#c0392b", "#2471a3", "#b9770e", "#1e8449", "#6c3483")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 400, 64, 48, 24, 56
_STYLE = "text { font: 13px sans-serif; fill: #333 } .grid { stroke: #ddd } .axis { stroke: #888 } .line { fill: none; stroke-width: 2 }"


def distributions(path: Path, title: str, series: Mapping[str, Sequence[float]]) -> None:
    """For each series of seconds: what share takes longer than x.  Both axes are logarithmic."""
    lowest = min(min(values) for values in series.values())
    highest = max(max(values) for values in series.values())
    first, last = _decade(lowest, down=True), _decade(highest, down=False)

    def x(seconds: float) -> float:
        return _LEFT + (log10(seconds) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:  # 1 .. 0.001
        return _TOP - log10(max(share, 0.001)) / 3 * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text x="{_LEFT}" y="24" font-weight="bold">{escape(title)}</text>']
    for step in range(4):
        at = y(10.0**-step)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{100 / 10**step:g} %</text>')
    for decade in range(first, last + 1):
        for factor in (1, 2, 5) if decade < last else (1,):
            at = x(factor * 10.0**decade)
            parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
            label = f"{factor * 10.0**decade * 1000:g}"
            parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{label}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">milliseconds</text>')
    for number, (name, values) in enumerate(series.items()):
        ordered = sorted(values)
        picked = sorted(
            {*range(0, len(ordered), max(1, len(ordered) // 400)), *range(max(0, len(ordered) - 200), len(ordered))}
        )
        points = " ".join(f"{x(ordered[index]):.1f},{y(1 - index / len(ordered)):.1f}" for index in picked)
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<polyline class="line" stroke="{colour}" points="{points}"/>')
        parts.append(
            f'<rect x="{_LEFT + 12}" y="{_HEIGHT - _BOTTOM - 24 - 20 * number}" width="14" height="4" fill="{colour}"/>'
        )
        parts.append(f'<text x="{_LEFT + 32}" y="{_HEIGHT - _BOTTOM - 18 - 20 * number}">{escape(name)}</text>')
    body = "\n".join(parts)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"><style>{_STYLE}</style>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _decade(seconds: float, *, down: bool) -> int:
    whole = int(log10(seconds) // 1)
    return whole if down else whole + 1
