"""Arguments that more than one command takes, checked before anything is started."""

import argparse

from rsp.config.units import MOST_WORKERS
from rsp.system import quota


def worker_count(text: str) -> int:
    """Of ``-w``.  Raises :class:`argparse.ArgumentTypeError`."""
    if text == "auto":
        return quota.workers()
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f'expected a number from 1 to {MOST_WORKERS}, or "auto", got "{text}"')
    return int(text)


def file_name(text: str) -> str:
    """Of a file or directory, which Python would take for the current directory if it were empty.

    Raises :class:`argparse.ArgumentTypeError`.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or directory, got an empty one")
    return text
