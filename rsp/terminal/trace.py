"""``rspctl trace``: what happened to single requests, moment by moment, with both heads."""

from collections.abc import Iterator
from typing import Any, Final

from rich.text import Text

from rsp.terminal.log import as_line, milliseconds, missing, open_console, status_style, time_of, watch
from rsp.terminal.plain import plain

_PHASES: Final = {
    "accepted": "connection accepted",
    "head": "head of the request complete",
    "queue": "choosing a peer",
    "first_byte": "head of the response",
    "last_byte": "response complete",
}
_MOMENTS: Final = {"connected": "connected", "sent": "sent", "first_byte": "first byte"}  # of a try
_MOST: Final = 200  # lines of a head

Event = tuple[int, str]


def show_traces(where: str, condition: str, most: int, *, as_json: bool) -> int:
    """Raises :class:`rsp.terminal.instance.Failure`."""
    console = open_console()
    for data in watch(where, "trace", condition, most):
        if as_json:
            print(as_line(data), flush=True)
            continue
        for line in [missing(data)] if "dropped" in data else _lines(data):
            console.print(line)
    return 0


def _lines(data: dict[str, Any]) -> Iterator[Text]:
    status = data.get("status")
    yield Text.assemble(
        (time_of(data), "dim"),
        " ",
        (plain(status, 10), status_style(status)),
        f" {milliseconds(data.get('duration'))} ",
        (f"{plain(data.get('method') or '-', 40)} {plain(data.get('target') or '-')}", "bold"),
    )
    known = {name: data.get(name) for name in ("client", "listener", "route", "upstream", "request_id", "worker")}
    yield Text("  " + "  ".join(f"{name} {plain(value, 300)}" for name, value in known.items() if value), "dim")
    for at, what in sorted(_events(data), key=lambda event: event[0]):
        yield Text.assemble((f"{at:>14,} us", "cyan"), f"  {what}")
    yield from _head(data.get("request"), ">")
    yield from _head(data.get("response"), "<")
    yield Text()


def _events(data: dict[str, Any]) -> Iterator[Event]:
    """In microseconds since the request's head."""
    phases = _table(data.get("phases"))
    for name, what in _PHASES.items():
        yield from _event(phases.get(name), what)
    for run in _tables(data.get("hooks")):
        name = plain(run.get("phase", "hook"), 60)
        yield from _event(run.get("started"), f"{name} begins")
        yield from _event(run.get("ended"), f"{name} ends")
    for one in _tables(data.get("tries")):
        yield from _try(one)
    for call in _tables(data.get("calls")):
        asked = f"{plain(call.get('method', '-'), 40)} {plain(call.get('target', '-'), 200)}"
        for one in _tables(call.get("tries")):
            yield from _try(one, f"a hook's {asked}: ")


def _try(one: dict[str, Any], of: str = "") -> Iterator[Event]:
    peer = of + plain(one.get("peer", "-"), 200)
    yield from _event(
        one.get("started"),
        f"{peer} is {'sent the request as well (hedge)' if one.get('hedge') else 'sent the request'}",
    )
    for name, what in _MOMENTS.items():
        yield from _event(one.get(name), f"{peer} {what}")
    failure, status = plain(one.get("failure") or "", 500), plain(one.get("status") or "", 10)
    yield from _event(one.get("ended"), f"{peer} is done: {failure or status or 'no response'}")


def _event(at: object, what: str) -> Iterator[Event]:
    if isinstance(at, int):
        yield at, what


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [_table(one) for one in value] if isinstance(value, list) else []


def _head(head: object, mark: str) -> Iterator[Text]:
    for line in str(head or "").replace("\r\n", "\n").rstrip("\n").split("\n")[:_MOST]:
        if line:
            yield Text.assemble((f"  {mark} ", "dim"), plain(line))
