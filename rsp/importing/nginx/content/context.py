"""What all servers of one nginx.conf share while they are translated."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from rsp.importing.nginx.peers import fastcgi
from rsp.importing.nginx.peers.upstreams import Block
from rsp.importing.nginx.rewrite.guards import Dynamic
from rsp.importing.nginx.rules.access import Zones
from rsp.importing.nginx.rules.logs import Formats
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import MISSING, TEMPLATE, Statement
from rsp.importing.nginx.syntax.words import DROPPED, KNOWN, NOTED, changes_nothing, is_closing, note_of, reason_for
from rsp.importing.nginx.values.result import Parts, Result

# Names of files that keep clients out, as far as names tell.
_PROTECTS: Final = re.compile(r"auth|access|allow|deny|block|forbid|restrict|secur|protect|acl|whitelist|limit|waf|bot")
_PLACEHOLDER: Final = "rsp import does not know what this placeholder stands for"
_CACHES: Final = ("proxy_cache", "fastcgi_cache", "uwsgi_cache", "scgi_cache")
_STALE: Final = "_use_stale"


class Context(Struct):
    """``blocks``: of upstreams; ``matter``: names of variables that something translated asks for."""

    result: Result
    http: Level
    blocks: Mapping[str, Block]
    zones: Zones
    functions: Dynamic
    matter: frozenset[str]
    formats: Formats

    def leftovers(self, block: list[Statement], parts: Parts) -> bool:
        """Reports what nothing has translated; whether something of it keeps clients out.

        What is known and was not asked for has no effect: other levels have their own, or nothing is passed to peers.
        """
        closes = False
        for statement in block:
            if statement.used:
                continue
            statement.used = True
            name = statement.name
            if name == "include":
                closes = closes or _PROTECTS.search(statement.value) is not None
                parts.lost(statement, MISSING)
            elif name in KNOWN and not is_closing(name):
                fastcgi.unknown(statement, parts)
            elif name in DROPPED or changes_nothing(name, statement.args):
                self.result.site.drop(name)
            elif name == "SecRulesEnabled" and any(each.name == "LearningMode" for each in block):
                parts.note(statement, "naxsi only learns here, and refuses nothing; rsp has no such firewall")
            elif name in NOTED:
                said = _about_cache(statement, block)
                if said := note_of(name, statement.args) if said is None else said:
                    parts.note(statement, said)
            else:
                closes = closes or is_closing(name)
                parts.lost(statement, reason_for(name) if not name.endswith(TEMPLATE) else _PLACEHOLDER)
        return closes


def _about_cache(statement: Statement, block: Sequence[Statement]) -> str | None:
    """What the note at a cache says; empty: the note at another statement of it does; ``None``: it is no part of one.

    rsp has no cache of responses.
    """
    used = next((each for each in block if each.name in _CACHES and each.value != "off"), None)
    if used is None or not statement.name.startswith(used.name):
        return None
    if statement is not used:
        return ""
    of_it = [each.origin for each in block if each.name.startswith(used.name)]
    lines = [origin.line for origin in of_it if origin.file == used.origin.file]
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {min(lines)} to {max(lines)}"
    said = f"rsp has no response cache ({where}): each request of this place goes to the peer"
    if any(each.name.endswith(_STALE) for each in block):
        said += f"; what {used.name}{_STALE} answers while peers fail is lost, and clients get the error"
    return said
