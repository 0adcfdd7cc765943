"""``rspctl fleet``: its command line.  What the commands need is imported when one of them runs."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from rsp.config.units import Duration
from rsp.nodes.record import DEADLINE, SHORTEST

_EPILOG = """The site is the value of --site or RSP_SITE, otherwise the site of the instance that runs on this host.
Credentials are read from the files in RSP_SITE_PASSWORD_FILE and other variables: see rsp --help.
docs/many-nodes.md describes rollouts."""

_SITE: Final = "such as etcd://10.0.0.5:2379/rsp/site"


def add_fleet(commands: Any, common: argparse.ArgumentParser) -> None:
    """To the subparsers of ``rspctl``."""
    text = "Show the nodes of a site, and roll out configurations."
    fleet = commands.add_parser("fleet", help=text, description=text, parents=[common], epilog=_EPILOG)
    fleet.add_argument("--site", metavar="URL", help=_SITE)
    fleet.set_defaults(run=_list)
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)  # may stand before, too
    shared.add_argument("--site", metavar="URL", help=_SITE)
    shared.add_argument("--json", action="store_true", help="print JSON (not for rollout and fetch)")
    parts = fleet.add_subparsers(metavar="COMMAND")

    def part(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text, parents=[shared])
        made.set_defaults(run=run)
        return made

    part("list", "Show the nodes, their versions and state, and the current rollout.", _list)
    rollout = part("rollout", "Roll out a configuration to all nodes in steps; roll back if errors rise.", _rollout)
    rollout.add_argument(
        "file", metavar="FILE", help="main file of the configuration; the files that it requires are included"
    )
    rollout.add_argument(
        "--step", type=_step, default=0.1, metavar="SHARE", help='"10%%" or a number of nodes (default: 10%%)'
    )
    rollout.add_argument(
        "--watch", type=_time, default=60.0, metavar="TIME", help="how long each step is observed (default: 60s)"
    )
    rollout.add_argument("--first", metavar="NODE", help="the node that runs the version first")
    rollout.add_argument(
        "--deadline", type=_deadline, default=DEADLINE, metavar="TIME",
        help=f"nodes roll back if this command has been silent for this long (default: {DEADLINE:g}s)",
    )  # fmt: skip
    rollout.add_argument("--now", action="store_true", help="apply to all nodes at once, without observation")
    rollback = part("rollback", "Return all nodes to a version that was confirmed earlier.", _rollback)
    rollback.add_argument("version", nargs="?", help="first digits of the version (default: the previous version)")
    part("abort", "Abort the current rollout; its nodes roll back.", _abort)
    part("history", "List the confirmed versions, newest first.", _history)
    fetch = part("fetch", "Write the files of a version to a directory.", _fetch)
    fetch.add_argument("version", help='first digits of the version, or "stable"')
    fetch.add_argument("directory", help="is made")


def _list(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet import show_nodes

    return show_nodes(options)


def _rollout(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet_rollout import roll_out

    return roll_out(options)


def _rollback(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet import roll_back

    return roll_back(options)


def _abort(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet import abort

    return abort(options)


def _history(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet import show_history

    return show_history(options)


def _fetch(options: argparse.Namespace) -> int:
    from rsp.terminal.fleet import fetch

    return fetch(options)


# -- values


def _step(text: str) -> float | int:
    """A share of the nodes as a float, or so many as an int."""
    number, is_share = (text[:-1], True) if text.endswith("%") else (text, False)
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= (100 if is_share else 10_000)):
        raise argparse.ArgumentTypeError(f'expected a share as in "10%", or a number of nodes, got "{text}"')
    return int(number) / 100 if is_share else int(number)


def _time(text: str) -> float:
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _deadline(text: str) -> float:
    seconds = _time(text)
    if not SHORTEST <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"expected from {SHORTEST:g}s to 1h, got {text}")
    return seconds
