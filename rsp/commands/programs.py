"""The command lines of rsp and rspctl with all their commands, as manual pages and completion need them."""

import argparse
from collections.abc import Callable
from importlib import import_module

from rsp import rspctl
from rsp.commands.options import COMMANDS, DESCRIPTION, EPILOG, add_options


def rsp() -> argparse.ArgumentParser:
    """Its commands are subparsers; the file, which stands in the place of a command, is not in it."""
    made = argparse.ArgumentParser(
        prog="rsp", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(made)
    commands = made.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        own: argparse.ArgumentParser = import_module(command.module).parser()
        commands.add_parser(
            name,
            help=command.summary,
            description=own.description,
            epilog=own.epilog,
            formatter_class=own.formatter_class,
            parents=[own],
            add_help=False,
        )
    return made


PROGRAMS: dict[str, Callable[[], argparse.ArgumentParser]] = {"rsp": rsp, "rspctl": rspctl.parser}
