"""Files and words that are meant for other programs, recognised so that a message can say so.

Only what has failed as a configuration is looked at, so nothing that works is ever refused here.
"""

import os
import re
from collections.abc import Collection
from typing import Final

_LOOKED_AT: Final = 64 << 10  # characters
# A comment, a word or a declaration of Lua: then its own message is the better one.
_OURS: Final = re.compile(
    r"^(?:--(?!-[ \t]*$)|local\b|function\b|(?:listen|upstream|route|page|certificate)[ \t]*[\"'({])", re.M
)
# The first that matches, in this order.
_SIGNS: Final = (
    ("JSON", re.compile(r"\s*[{\[]\s*[\"{}\[\]]")),
    ("an Apache configuration", re.compile(r"^[ \t]*(?:<(?:VirtualHost|Proxy|Location|IfModule)\b|ProxyPass )", re.M)),
    ("XML or HTML", re.compile(r"\s*<[?!a-zA-Z]")),
    ("TOML or INI", re.compile(r"^\[\[?[\w.\-\"]+\]?\][ \t]*$", re.M)),
    ("an HAProxy configuration", re.compile(r"^(?:global|defaults|frontend [^\n=]*|backend [^\n=]*)[ \t]*$", re.M)),
    ("a Caddyfile", re.compile(r"^[ \t]*(?:reverse_proxy|file_server|handle_path|tls)(?: [^\n=;]*)?$", re.M)),
    (
        "an nginx configuration",
        re.compile(
            r"^[ \t]*(?:(?:events|http|stream|server)[ \t]*\{|upstream[ \t]+[\w.\-]+[ \t]*\{|location[ \t][^\n;=\"{]*\{"
            r"|(?:worker_processes|user|pid|include|error_log|proxy_pass|listen|server_name)[ \t][^\n=;\"]*;)",
            re.M,
        ),
    ),
    ("a Caddyfile", re.compile(r"^(?:https?://)?[\w.*:-]+(?:, [\w.*:-]+)*[ \t]*\{[ \t]*$", re.M)),
    ("YAML", re.compile(r"^[\w.\-]+:(?:[ \t]|$)", re.M)),
    ("Python", re.compile(r"^(?:import \w|from \w[\w.]* import |def \w+\()", re.M)),
)
_IMPORTED: Final = ("an nginx configuration", "a Caddyfile", "an HAProxy configuration")
_INSTEAD: Final = {
    **{name: f"rspctl {name}" for name in ("status", "health", "peers", "drain", "enable", "weight", "upgrade")},
    "reload": "rspctl reload",
    "restart": "rspctl reload (the configuration) or rspctl upgrade (the program)",
    **{name: f"rsp -s {name} FILE" for name in ("stop", "quit", "reopen")},
    **dict.fromkeys(("start", "run", "serve"), "rsp FILE"),
    **dict.fromkeys(("test", "check", "validate", "configtest"), "rsp -t FILE"),
    "version": "rsp --version",
    "help": "rsp --help",
}


def language(text: str) -> str | None:
    """What ``text`` is, if it looks like something else than Lua."""
    if "\0" in text[:_LOOKED_AT]:
        return "a binary file"
    text = text[:_LOOKED_AT].removeprefix("\ufeff")
    if _OURS.search(text):
        return None
    return next((name for name, sign in _SIGNS if sign.match(text) or (sign.flags & re.M and sign.search(text))), None)


def complaint(path: str, text: str) -> str | None:
    """For a file that is no configuration of rsp's because it is something else."""
    found = language(text)
    if found is None:
        return None
    if found in _IMPORTED:
        import shlex  # this is no burden to a master

        way = f"translate it: rsp import {shlex.quote(path)}"
    else:
        way = "rsp init writes an example with comments"
    return f"{path}: this looks like {found}; rsp is configured in Lua ({way})"


def command(word: str, commands: Collection[str] = ()) -> str | None:
    """What a command is spelled like that was given in the place of the file; ``commands``: those of rsp."""
    if os.path.exists(word) or word in commands:  # noqa: PTH110 (Path.exists raises, for a name that is too long)
        return None
    meant = _INSTEAD.get(word)
    if meant is None and word.isalpha():
        from difflib import get_close_matches

        meant = next((f"rsp {name}" for name in get_close_matches(word, commands, 1, 0.7)), None)
    return f'there is no file "{word}"; did you mean: {meant}' if meant is not None else None
