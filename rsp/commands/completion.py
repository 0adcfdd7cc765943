"""``rsp completion bash|zsh|fish``: completion of rsp or rspctl for a shell, made of their parsers by shtab."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any, Final

_SHELLS: Final = ("bash", "zsh", "fish")
_FILES: Final = ("FILE", "PATH", "OUT", "IN")
_DIRECTORIES: Final = ("DIR",)
_EPILOG: Final = """\
bash: add to ~/.bashrc
  source <(rsp completion bash)
  source <(rsp completion bash --program rspctl)
zsh: once; the directory has to be in fpath, before compinit in ~/.zshrc
  rsp completion zsh > ~/.zfunc/_rsp
  rsp completion zsh --program rspctl > ~/.zfunc/_rspctl
fish: once
  rsp completion fish > ~/.config/fish/completions/rsp.fish
  rsp completion fish --program rspctl > ~/.config/fish/completions/rspctl.fish

Names of upstreams and peers are those of the running instance.
"""
# bash takes what is behind a colon for a word of its own.
_BASH: Final = """\
_rspctl_names() {
  local line=${COMP_LINE:0:COMP_POINT} name typed cut=
  typed=${line##*[[:space:]]}
  [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && cut=${typed%"${typed##*:}"}
  while IFS= read -r name; do
    [[ $name == "$typed"* ]] && printf '%s\\n' "${name#"$cut"}"
  done < <(rspctl _names "$1" 2>/dev/null)
}
_rspctl_upstreams() { _rspctl_names upstreams; }
_rspctl_peers() { _rspctl_names peers; }
"""
_ZSH: Final = """\
_rspctl_names() {
  local -a names
  names=(${(f)"$(rspctl _names $1 2>/dev/null)"})
  compadd -a names
}
_rspctl_upstreams() { _rspctl_names upstreams }
_rspctl_peers() { _rspctl_names peers }
"""
# What shtab writes, and what stands there instead.
_OR_FILES: Final = {
    "bash": ("complete -o bashdefault ", "complete -o bashdefault -o default "),
    "zsh": ("  _describe 'rsp commands' _commands\n", "  _describe 'rsp commands' _commands\n  _files\n"),
    "fish": ("complete -c rsp -f\n", "complete -c rsp -f\ncomplete -c rsp -n _shtab_rsp_using -F\n"),
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp completion",
        description="Print a script that completes the commands, options and arguments of rsp or rspctl in a shell.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("shell", metavar="SHELL", choices=_SHELLS, help=", ".join(_SHELLS))
    made.add_argument("--program", choices=("rsp", "rspctl"), default="rsp", help="rsp or rspctl (default: rsp)")
    return made


def main(arguments: list[str]) -> int:
    """The exit status: 0, or 2 for the command line."""
    options = parser().parse_args(arguments)
    sys.stdout.write(script(options.shell, options.program))
    return 0


def script(shell: str, program: str) -> str:
    import shtab

    from rsp.commands.programs import PROGRAMS

    made = PROGRAMS[program]()
    for action in _actions(made):
        _say_what(action)
    preamble = {"bash": _BASH, "zsh": _ZSH}.get(shell, "") if program == "rspctl" else ""
    text = shtab.complete(made, shell=shell, root_prefix=program, preamble=preamble)
    if shell == "zsh":
        text = text.replace('"(*):', '"*:')  # the second of several arguments, too
    if program == "rsp":  # a file may stand in the place of a command
        text = text.replace(*_OR_FILES[shell])
    return text if text.endswith("\n") else text + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


def _say_what(action: Any) -> None:
    """What the values of ``action`` are, as shtab has it."""
    import shtab

    if isinstance(action, argparse._SubParsersAction):
        for command in action._choices_actions:
            action.choices[command.dest].description = command.help
    elif action.metavar in _FILES:
        action.complete = shtab.FILE
    elif action.metavar in _DIRECTORIES:
        action.complete = shtab.DIRECTORY
    elif action.dest in ("peer", "upstream"):
        kind = "peers" if action.dest == "peer" else "upstreams"
        ask = f"_rspctl_{kind}"
        action.complete = {"bash": ask, "zsh": ask, "fish": f"(rspctl _names {kind} 2>/dev/null)"}
