"""How a reload or an upgrade ended, for the operator who waits for it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rsp.terminal.caret import point
from rsp.terminal.plain import plain

_SOON: Final = 2.0  # seconds: no trial has been that short


@contextmanager
def patience(path: str) -> Iterator[None]:
    """Says in a terminal why there is no answer to a POST to ``path`` yet."""
    said = "Waiting for the result: with reload.canary, one worker tries the configuration first."
    timer = threading.Timer(_SOON, lambda: print(said, file=sys.stderr))
    timer.daemon = True
    if path == "/reload" and sys.stderr.isatty():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_refusal(data: dict[str, Any]) -> None:
    """With the line of the file that it is about, and what workers have warned of meanwhile."""
    for line in data["message"].split("\n"):
        print(line, file=sys.stderr)
        point(line, data.get("directory", ""))  # an instance that was started before an upgrade does not say it
    warnings = data.get("warnings", [])
    if warnings:
        print("Meanwhile, the log says:", file=sys.stderr)
    for line in warnings:
        print(f"  {plain(line)}", file=sys.stderr)
        point(line, data.get("directory", ""))
