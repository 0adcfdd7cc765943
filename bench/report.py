"""Medians, spreads, ratios; the tables that people read and the JSON that machines read."""

import json
import platform
import re
import shutil
import ssl
import statistics
import subprocess
import textwrap
from importlib import metadata
from pathlib import Path

from bench.scenarios import Sample, Scenario
from bench.sections import replace_section

Samples = dict[str, dict[str, list[Sample]]]  # scenario -> peer -> one for each repeat

# scenario, figure, compared with, what has to be reached
TARGETS = [
    ("headline", "rate", "best", ">= 1.00"),
    ("headline", "user", "nginx", "<= 1.00"),
    ("json", "rate", "best", ">= 1.00"),
    ("json", "user", "rsp lines", "<= 1.08"),
    ("busy", "rate", "best", ">= 1.00"),
    ("1m", "rate", "nginx", ">= 1.50"),
    ("1m", "rate", "haproxy", ">= 1.00"),
    ("100m", "rate", "nginx", ">= 1.50"),
    ("100m", "rate", "haproxy", ">= 1.00"),
    ("upload", "rate", "best", ">= 1.00"),
    ("close", "rate", "nginx", ">= 0.95"),
    ("half", "p99", "nginx", "<= 1.20"),
    ("idle", "each", "nginx", "<= 2.00"),
    ("workers", "rate", "nginx", ">= 1.00"),
    ("workers", "efficiency", "nginx", ">= 1.00"),
    ("tls-headline", "rate", "best", ">= 1.10"),
    ("tls-full-1.3", "cpu", "best", "<= 1.00"),
    ("tls-full-1.2", "cpu", "best", "<= 1.00"),
    ("tls-resumed-1.3", "cpu", "best", "<= 1.00"),
    ("tls-resumed-1.2", "cpu", "best", "<= 1.00"),
    ("tls-close", "rate", "best", ">= 1.00"),
    ("tls-1m", "rate", "best", ">= 1.00"),
    ("tls-100m", "rate", "best", ">= 1.00"),
    ("tls-upload", "rate", "best", ">= 1.00"),
    ("tls-idle", "each", "nginx", "<= 1.00"),
    ("tls-flood", "p99", "nginx", "<= 1.00"),
    ("h2-headline", "rate", "best", ">= 1.00"),
    ("h2-headline", "user", "rsp h1", "<= 1.30"),
    ("h2-single", "rate", "best", ">= 1.00"),
    ("h2-single", "user", "rsp h1", "<= 1.30"),
    ("h2-wide", "rate", "best", ">= 1.00"),
    ("h2-post", "rate", "best", ">= 1.00"),
    ("h2-1m", "rate", "best", ">= 1.00"),
    ("h2-100m", "rate", "best", ">= 1.00"),
    ("h2-upload", "rate", "best", ">= 1.00"),
    ("h2-far", "rate", "rsp h1", ">= 1.00"),
    ("h2-far", "rate", "best", ">= 1.00"),
    ("h2-far-upload", "rate", "rsp h1", ">= 1.00"),
    ("h2-far-upload", "rate", "best", ">= 1.00"),
    ("h2-grpc", "rate", "best", ">= 1.00"),
    ("h2-grpc", "rate", "nghttpx", ">= 1.00"),
    ("h2-idle", "each", "best", "<= 1.00"),
]
BEST = ("nginx", "haproxy", "h2o")  # that is, the best of those that take part
# What a document has in front of its tables, and the groups of scenarios in them.
SECTIONS = {
    "<!-- make bench writes this -->": ("plain",),
    "<!-- make bench writes this about logs in JSON -->": ("json",),
    "<!-- make bench writes this about busy_poll -->": ("busy",),
    "<!-- make bench writes this, too -->": ("tls",),
    "<!-- make bench-http2 writes this -->": ("http2",),
}
NAMES = {
    "rate": "requests/s", "cpu": "CPU per connection", "user": "user CPU per request", "p99": "p99",
    "each": "memory per connection", "efficiency": "CPU per request, one worker over two",
}  # fmt: skip


def efficiency(samples: dict[str, list[Sample]], name: str) -> list[float]:
    """One for each repeat: CPU a request of one worker, over that of two."""
    return [one["cpu"] / two["cpu"] for one, two in zip(samples[f"{name} one"], samples[f"{name} two"], strict=True)]


def median(samples: list[Sample], figure: str) -> float | None:
    values = [one[figure] for one in samples if figure in one]
    return statistics.median(values) if values else None


def plain(name: str) -> str:
    """The proxy's own name: ``nginx json`` and ``nginx tls`` are nginx, where a scenario has no other nginx."""
    return name.removesuffix(" tls").removesuffix(" json").removesuffix(" h2")


def ratios(samples: dict[str, list[Sample]], figure: str, against: str, mine: str = "rsp") -> list[float]:
    """One for each repeat: ``mine`` over ``against``, which may be ``best``: the one of :data:`BEST` with the best median.

    The best of each repeat would be the luckiest of several, which no single one of them is.
    """
    samples = {plain(name): values for name, values in samples.items()}
    if against == "best":
        medians = {median(samples[name], figure) or 0.0: name for name in BEST if name in samples}
        if not medians:
            return []
        against = medians[max(medians) if figure == "rate" else min(medians)]
    pairs = zip(samples.get(mine, ()), samples.get(against, ()), strict=False)
    return [one[figure] / theirs[figure] for one, theirs in pairs if theirs[figure] > 0]


def spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def scenario_table(scenario: Scenario, samples: dict[str, list[Sample]], calls: dict[str, float]) -> str:
    """One scenario, a row for each peer; ratios are the row's over the best of the others."""
    quiet = " quiet" if any(name.endswith("quiet") for name in samples) else ""
    lines = [
        textwrap.fill(f"**{scenario.name}**: {scenario.title}", 100), "",
        "| | requests/s | ratio to the best | user us | system us | of its core | p50 ms | p99 ms | p99.9 ms | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    base = {name.removesuffix(quiet): values for name, values in samples.items()} if quiet else samples
    for name, values in samples.items():
        cells = [
            f"{median(values, 'rate'):,.{0 if (median(values, 'rate') or 0) > 100 else 1}f}",
            spread(ratios(base, "rate", "best", plain(name.removesuffix(quiet)))) if name != "direct" else "",
            *(f"{median(values, one):,.1f}" if name != "direct" else "" for one in ("user", "system")),
            f"{statistics.median(one['cpu'] * one['rate'] for one in values) / 1e6:.0%}" if name != "direct" else "",
            *(
                f"{value / 1000:.2f}" if (value := median(values, one)) is not None else ""
                for one in ("p50", "p99", "p999")
            ),
            f"{(median(values, 'rss') or 0) / 1e6:.0f}" if name != "direct" else "",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    counted = [f"{name} {calls[name]:.2f}" for name in samples if name in calls]
    if scenario.name in ("headline", "h2-headline") and counted:
        lines += ["", f"System calls per request: {', '.join(counted)}."]
    if scenario.name.endswith("idle"):
        each = ", ".join(f"{name} {median(values, 'each') / 1000:.2f} KB" for name, values in samples.items())
        lines += ["", f"Memory for each idle connection: {each}."]
    if scenario.name == "ab":
        direct = median(samples.get("direct", []), "mean") or 0.0
        added = ", ".join(
            f"{name} {(median(values, 'mean') - direct) / 1000:.3f} ms"
            for name, values in samples.items()
            if name != "direct"
        )
        grown = {name: (median(values, "grown") or 0) / 1e6 for name, values in samples.items() if name != "direct"}
        text = ", ".join(f"{name} {size:+.1f} MB" for name, size in grown.items())
        across = (
            f"Mean time per request, across all connections, added to the direct one's {direct / 1000:.3f} ms: {added}."
        )
        lines += ["", textwrap.fill(across, 100), "", f"Memory over the run: {text}."]
    return "\n".join(lines)


def targets_table(samples: Samples) -> str:
    """How far each target is reached."""
    lines = ["| scenario | figure | compared with | target | median (spread) | |", "|---|---|---|---|---|---|"]
    for scenario, figure, against, bound in TARGETS:
        found = samples.get(scenario, {})
        if figure == "efficiency" and len(found) == 4:
            pairs = zip(efficiency(found, "rsp"), efficiency(found, against), strict=True)
            values = [mine / theirs for mine, theirs in pairs]
        else:
            values = ratios({name.removesuffix(" two"): one for name, one in found.items()}, figure, against)
        if not values:
            continue
        middle, limit = statistics.median(values), float(bound[3:])
        reached = middle >= limit if bound.startswith(">=") else middle <= limit
        other = "the best" if against == "best" else against
        lines.append(
            f"| {scenario} | {NAMES[figure]} | {other} | {bound} | {spread(values)} | {'yes' if reached else '**no**'} |"
        )
    return "\n".join(lines)


def environment() -> dict[str, str]:
    def output(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    found = {
        "kernel": platform.release(),
        "processor": re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1],
        "python": platform.python_version(),
        "uvloop": metadata.version("uvloop"),
        "nginx": output("nginx", "-v").rpartition("/")[2],
        "haproxy": output("haproxy", "-v").split()[2],
        "wrk": output("wrk", "-v").split()[1],
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
    }
    more = {"h2load": "nghttp2/", "nghttpx": "nghttp2/", "h2o": "version "}
    return found | {
        name: output(name, "--version").partition(before)[2] for name, before in more.items() if shutil.which(name)
    }


def write(
    samples: Samples, scenarios: list[Scenario], calls: dict[str, float], target: Path, document: Path | None
) -> None:
    """JSON to ``target``, tables to the screen and, between the markers of each section, to ``document``."""
    around = environment()
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"environment": around, "syscalls": calls, "samples": samples}, indent=1))
    for marker, groups in SECTIONS.items():
        chosen = [one for one in scenarios if one.name in samples and one.group in groups]
        if not chosen:
            continue
        text = "\n\n".join([
            textwrap.fill(", ".join(f"{name} {value}" for name, value in around.items()) + ".", 100),
            targets_table({one.name: samples[one.name] for one in chosen}),
            *(scenario_table(one, samples[one.name], calls) for one in chosen),
        ])  # fmt: skip
        print(text)
        if document is not None:
            replace_section(document, marker, text, "<!-- until here -->")
