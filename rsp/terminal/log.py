"""``rspctl log``: the requests of all workers, one line each, as they end."""

import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from rich.console import Console
from rich.text import Text

from rsp.terminal.instance import Failure, stream
from rsp.terminal.plain import plain

_STYLES: Final = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "bold red"}  # by the class of a status
_NICE: Final = 5  # the workers go first
_MOST: Final = 1e12  # seconds
_DELETE: Final = "\x7f"  # the one control character that JSON does not escape


def watch(where: str, kind: str, condition: str, most: int) -> Iterator[dict[str, Any]]:
    """``most`` requests that meet ``condition``, or all; between them, how many were dropped.

    Raises :class:`rsp.terminal.instance.Failure`.
    """
    try:
        condition.encode()
    except UnicodeEncodeError:
        raise Failure("condition: this is not UTF-8 text") from None
    os.nice(_NICE)
    if sys.stderr.isatty():
        print("Waiting for requests; Ctrl-C ends this.", file=sys.stderr)
    shown = 0
    for data in stream(where, "/watch?" + urlencode({"kind": kind, "where": condition, "most": most})):
        yield data
        shown += "dropped" not in data
        if most and shown >= most:
            return


def show_log(where: str, condition: str, most: int, *, as_json: bool) -> int:
    """Raises :class:`rsp.terminal.instance.Failure`."""
    console = open_console()
    for data in watch(where, "line", condition, most):
        if as_json:
            print(as_line(data), flush=True)
        else:
            console.print(missing(data) if "dropped" in data else _line(data))
    return 0


def open_console() -> Console:
    """Of standard output; what its encoding does not have is written as an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False, soft_wrap=True)


def as_line(data: dict[str, Any]) -> str:
    """JSON that a terminal may show."""
    return json.dumps(data).replace(_DELETE, "\\u007f")


def missing(data: dict[str, Any]) -> Text:
    return Text(f"... {plain(data['dropped'])} requests not shown: too many at once ...", "dim")


def status_style(status: object) -> str:
    return _STYLES.get(status // 100, "") if isinstance(status, int) else ""


def time_of(data: dict[str, Any]) -> str:
    """``12:59:00.123``, of a time in UTC."""
    return plain(data.get("time", ""), 40).partition("T")[2].rstrip("Z") or "-"


def milliseconds(seconds: object) -> str:
    if not isinstance(seconds, int | float) or not -_MOST <= seconds <= _MOST:
        return "-"
    return f"{seconds * 1000:,.1f} ms"


def _line(data: dict[str, Any]) -> Text:
    status, upstream = data.get("status"), plain(data.get("upstream") or "-", 200)
    return Text.assemble(
        (time_of(data), "dim"),
        " ",
        (plain(status, 10), status_style(status)),
        f" {milliseconds(data.get('duration')):>12} {plain(data.get('bytes', '-'), 20):>9} ",
        f"{plain(data.get('client', '-'), 60)} ",
        (f"{plain(data.get('method') or '-', 40)} {plain(data.get('target') or '-')}", "bold"),
        f" {upstream}",
        (f" {plain(data.get('route') or '-', 200)}", "dim"),
    )
