"""What all servers of one nginx.conf share while they are translated."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from rsp.importing.nginx import caching, fastcgi
from rsp.importing.nginx.access import Zones
from rsp.importing.nginx.guards import Dynamic
from rsp.importing.nginx.levels import Level
from rsp.importing.nginx.result import Parts, Result
from rsp.importing.nginx.tree import MISSING, TEMPLATE, Statement
from rsp.importing.nginx.upstreams import Block
from rsp.importing.nginx.words import DROPPED, KNOWN, NOTED, changes_nothing, is_closing, reason_for

# Names of files that keep clients out, as far as names tell.
_PROTECTS: Final = re.compile(r"auth|access|allow|deny|block|forbid|restrict|secur|protect|acl|whitelist|limit|waf|bot")
_PLACEHOLDER: Final = "rsp import does not know what this placeholder stands for"


class Context(Struct):
    """``blocks``: of upstreams; ``matter``: names of variables that something translated asks for."""

    result: Result
    http: Level
    blocks: Mapping[str, Block]
    zones: Zones
    functions: Dynamic
    matter: frozenset[str]

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
            elif name in NOTED:
                said = caching.note(statement, block)
                if said := NOTED[name] if said is None else said:
                    parts.note(statement, said)
            else:
                closes = closes or is_closing(name)
                parts.lost(statement, reason_for(name) if not name.endswith(TEMPLATE) else _PLACEHOLDER)
        return closes
