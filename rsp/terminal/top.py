"""``rspctl top``: an instance live in a terminal, made anew every second or so."""

import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rsp.terminal.instance import Failure, ask
from rsp.terminal.plain import plain
from rsp.terminal.rates import Loads, Rates, Row

_TONES: Final = {"up": "green", "down": "bold red", "ejected": "bold red"}
_SILENT: Final = 3.0  # seconds without a turn of a worker's loop
_LONGEST: Final = 60  # characters of a name
_LEAST: Final = 5  # rows of a table
_NAME: Final = 30  # columns of the terminal for a name, at least
_CELL: Final = 11  # for each other cell
_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e4, "k"))


def show_top(where: str, interval: float, *, once: bool) -> int:
    """Until ``q`` or Ctrl-C; ``once``: one interval.  Raises :class:`rsp.terminal.instance.Failure`."""
    console = Console(highlight=False)
    loads, before = Loads(), ask(where, "GET", "/figures")
    loads.note(before)
    if once or not console.is_terminal:
        time.sleep(interval)
        after = ask(where, "GET", "/figures")
        loads.note(after)
        console.print(screen(Rates(before, after), loads, console.width, console.height))
        return 0
    with keys() as pressed, Live(Text("..."), console=console, screen=True, auto_refresh=False) as live:
        while not pressed(interval):
            try:
                after = ask(where, "GET", "/figures")
            except Failure as error:  # the control process may be on its way back
                live.update(Text(f"{plain(error)}; trying again, press q to quit", "bold red"), refresh=True)
                continue
            loads.note(after)
            live.update(screen(Rates(before, after), loads, console.width, console.height), refresh=True)
            before = after
    return 0


@contextmanager
def keys() -> Iterator[Any]:
    """A function that waits for seconds, and says whether to end then."""
    if not sys.stdin.isatty():
        yield _sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _key_within
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _key_within(seconds: float) -> bool:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0] and sys.stdin.read(1) in ("q", "Q", "\x1b", ""):
            return True
    return False


# -- what is on the screen


def screen(rates: Rates, loads: Loads, width: int, height: int) -> Group:
    """As much as fits: all upstreams first, then the busiest routes."""
    processes = _processes(rates, loads)
    room = max(2 * _LEAST, height - 15 - len(processes.rows))
    upstreams = _upstreams(rates, max(_LEAST, room * 3 // 5))
    routes = _routes(rates, max(_LEAST, room - len(upstreams.rows)))
    tables = (table.made(width) for table in (upstreams, routes, processes))
    return Group(_head(rates), *tables, *_last_words(rates))


def _head(rates: Rates) -> Group:
    status = rates.after["status"]
    configuration, now = status["configuration"], status["now"]
    requests, wrong = rates.total("requests"), rates.total("status_5xx")
    first = Text.assemble(
        (f"rsp {plain(status['rsp'])}", "bold"),
        f"   configuration {configuration['version']} ({plain(configuration['digest'])[:12]})",
        f"   {plain(', '.join(status['listeners']), 200)}   {time.strftime('%H:%M:%S')}",
    )
    second = Text.assemble(
        (number(requests), "bold"), " requests/s   ",
        (f"{share(wrong, requests)} 5xx", "bold red" if wrong else ""),
        f"   {share(rates.total('status_4xx'), requests)} 4xx   median {duration(rates.percentile(0.5))}",
        f"   99 % below {duration(rates.percentile(0.99))}   {size(rates.total('bytes_sent'))}/s sent",
    )  # fmt: skip
    third = Text.assemble(
        f"{now['connections']} connections   {now['in_flight']} running   ",
        (f"{now['queued']} queued", "yellow" if now["queued"] else ""),
        f"   {number(rates.total('retries'))} retries/s   {number(rates.total('hedges'))} hedges/s",
        f"   {number(rates.total('handshakes'))} TLS handshakes/s",
    )
    return Group(first, second, third, Text())


class _Table:
    """The first cell of a row is a name; the last ones are left out where the terminal is narrow."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self.rows: list[tuple[str | Text, ...]] = []

    def add(self, *cells: str | Text) -> None:
        self.rows.append(cells)

    def made(self, width: int) -> Table:
        shown = 1 + max(2, (width - _NAME) // _CELL)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=True, header_style="dim")
        table.add_column(self._columns[0], no_wrap=True, overflow="ellipsis", ratio=1)
        for column in self._columns[1:shown]:
            table.add_column(column, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row[:shown])
        return table


def _upstreams(rates: Rates, most: int) -> _Table:
    """Peers below their upstreams; where there are too many, those that are up are left out first."""
    table = _Table("upstream, peer", "state", "req/s", "5xx/s", "median", "99 %", "running", "failures", "retries")
    rows = rates.upstreams()
    peers = rates.peers()
    if len(rows) + len(peers) > most:
        peers = sorted(peers, key=lambda one: (one[0]["state"] == "up", -one[1]))[: max(0, most - len(rows))]
    for row in rows[:most]:
        own = [one for one in rates.after["peers"] if one["upstream"] == row.name]
        up = sum(one["state"] == "up" for one in own)
        tone = "green" if up == len(own) else "yellow" if up else "bold red"
        table.add(
            Text(plain(row.name, _LONGEST), "bold"), Text(f"{up} of {len(own)} up", tone), number(row.requests),
            _wrong(row.status_5xx), duration(row.median), duration(row.slow),
            str(sum(one["in_flight"] for one in own)), "", "",
        )  # fmt: skip
        for peer, requests, errors in peers:
            if peer["upstream"] == row.name:
                table.add(*_peer(peer, requests, errors))
    return table


def _peer(peer: Any, requests: float, errors: float) -> list[Any]:
    state = peer["state"] + (f" ({peer['reason']})" if peer["reason"] not in (None, "operator") else "")
    name = f"{peer['name']} ({peer['peer']})" if peer["name"] else peer["peer"]
    return [
        Text(f"  {plain(name, _LONGEST)}"), Text(plain(state), _TONES.get(peer["state"], "yellow")), number(requests),
        _wrong(errors), duration(peer["latency_now_ms"] / 1000 or None), "", str(peer["in_flight"]),
        str(peer["failures"]), str(peer["retries"]),
    ]  # fmt: skip


def _routes(rates: Rates, most: int) -> _Table:
    rows = rates.routes()
    left = f", the busiest {most} of {len(rows)}" if len(rows) > most else ""
    table = _Table(f"route{left}", "req/s", "5xx/s", "4xx/s", "upstream", "sent/s", "requests")
    for row in rows[:most]:
        table.add(*_route(row))
    return table


def _route(row: Row) -> list[Any]:
    return [
        Text(plain(row.name, _LONGEST) or "(no route)"), number(row.requests), _wrong(row.status_5xx),
        Text(number(row.status_4xx), "yellow" if row.status_4xx else "dim"), Text(plain(row.upstream, 20)),
        size(row.bytes_sent), number(row.total),
    ]  # fmt: skip


def _processes(rates: Rates, loads: Loads) -> _Table:
    table = _Table("process", "processor", "memory", "running", "connections", "requests", "up", "pid", "version")
    status = rates.after["status"]
    for one in status["workers"]:
        hangs = one["silent"] >= _SILENT
        name = Text(f"worker {one['slot']}" + (f", silent for {one['silent']:.0f} s" if hangs else ""), "red" * hangs)
        table.add(name, *_process(loads, one))
    table.add("control", *_process(loads, status["control"]))
    return table


def _process(loads: Loads, one: Any) -> list[str]:
    load = loads.share(one["pid"])
    counts = [str(one["in_flight"]), str(one["connections"]), number(one["requests"])] if "slot" in one else [""] * 3
    used = ["-" if load is None else f"{load:.0%}", size(one["memory"])]
    return [*used, *counts, f"{one['uptime']:.0f} s", str(one["pid"]), str(one["version"])]


def _last_words(rates: Rates) -> list[Text]:
    """The last line of the log that is a warning or an error."""
    errors = rates.after["errors"]
    if not errors:
        return []
    last = errors[0]
    when = time.strftime("%H:%M:%S", time.localtime(last["at"]))
    return [
        Text(f"{when}  {plain(last['text'].partition(chr(10))[0], 300)}", "red" if last["level"] <= 3 else "yellow")
    ]


def _wrong(value: float) -> Text:
    return Text(number(value), "bold red" if value else "dim")


def number(value: float) -> str:
    """``12.3k``."""
    for least, unit in _UNITS:
        if value >= least:
            return f"{value / (1e3 if unit == 'k' else least):.3g}{unit}"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def size(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.3g} TB"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "-"
