"""rsp(1) and rspctl(1), of their parsers."""

import argparse
import re
from collections.abc import Iterator
from typing import Final

from rsp.commands.man import roff
from rsp.commands.programs import PROGRAMS

_SUMMARIES: Final = {
    "rsp": "HTTP reverse proxy and load balancer, configured in Lua",
    "rspctl": "inspect and control rsp",
}
_SYNOPSES: Final = {
    "rsp": ("rsp [-w N] [-t | -T | -s SIGNAL] FILE", "rsp COMMAND [ARGUMENTS]", "rsp -v | -V | -h"),
    "rspctl": ("rspctl [-s PATH] COMMAND [ARGUMENTS]",),
}
_SEE_ALSO: Final = {"rsp": ("rspctl(1)", "rsp.lua(5)"), "rspctl": ("rsp(1)", "rsp.lua(5)")}
_SECTION: Final = re.compile(r"^(\w[\w ]*):\n", re.MULTILINE)  # of an epilog


def program(name: str) -> str:
    parser = PROGRAMS[name]()
    parts = [roff.title(name, 1, _SUMMARIES[name]), roff.heading("Synopsis")]
    parts += ["\n.br\n".join(roff.text(line) for line in _SYNOPSES[name])]
    parts += [roff.heading("Description"), roff.text(parser.description or "")]
    parts += [roff.heading("Options"), *_options(parser)]
    parts += [roff.heading("Commands"), *_commands(parser, name)]
    parts += _epilog(parser.epilog or "")
    parts += [roff.heading("See also"), roff.text(", ".join(_SEE_ALSO[name]))]
    return "\n".join(parts) + "\n"


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[str]:
    """Each with its options, and its own commands behind it."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for listed in action._choices_actions:
            inner = action.choices[listed.dest]
            yield roff.part(f"{path} {listed.dest}{_arguments(inner)}")
            yield roff.text(inner.description or listed.help or "")
            yield from _options(inner)
            if inner.epilog and inner.formatter_class is argparse.RawDescriptionHelpFormatter:
                yield from (".PP", roff.verbatim(inner.epilog))
            elif inner.epilog:
                yield from (".PP", roff.text(inner.epilog))
            yield from _commands(inner, f"{path} {listed.dest}")


def _arguments(parser: argparse.ArgumentParser) -> str:
    """Those without an option, as the synopsis names them."""
    words = []
    for action in parser._actions:
        if action.option_strings:
            continue
        if isinstance(action, argparse._SubParsersAction):
            words.append("[COMMAND]")
            continue
        name = _name(action)
        words.append({"?": f"[{name}]", "*": f"[{name}]...", "+": f"{name}..." if "[" not in name else name}.get(
            str(action.nargs), name
        ))  # fmt: skip
    return "".join(f" {word}" for word in words)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._HelpAction) and not parser.prog.count(" "):
            said = "show a help message and exit"
        elif isinstance(action, argparse._HelpAction):
            continue
        else:
            said = (action.help or "").replace("%%", "%")
        term = ", ".join(map(roff.bold, action.option_strings)) or roff.italic(_name(action))
        if action.option_strings and action.nargs != 0:
            term += f" {roff.italic(_name(action))}"
        yield roff.item(term, [roff.text(said)] if said else [])


def _name(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _epilog(epilog: str) -> Iterator[str]:
    """Sections of the help that have a heading; the rest is a paragraph."""
    first, *sections = _SECTION.split(epilog)
    if first.strip():
        yield from (roff.heading("Notes"), roff.text(first))
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        yield from (roff.heading(name), roff.verbatim(body))
