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
from rsp.importing.nginx.words import DROPPED, KNOWN, NOTED, is_closing

# Names of files that keep clients out, as far as names tell.
_PROTECTS: Final = re.compile(r"auth|access|allow|deny|block|forbid|restrict|secur|protect|acl|whitelist|limit|waf|bot")


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
            elif name in DROPPED:
                self.result.site.drop(name)
            elif name in NOTED:
                said = caching.note(statement, block)
                if said := NOTED[name] if said is None else said:
                    parts.note(statement, said)
            else:
                closes = closes or is_closing(name)
                parts.lost(statement, reason_for(name))
        return closes


def reason_for(name: str) -> str:
    if name.endswith(TEMPLATE):
        return "rsp import does not know what this placeholder stands for"
    if "_by_lua" in name:
        return "code for nginx's Lua module is another language than rsp's hooks (docs/lua.md); write it anew"
    if name.startswith("js_"):
        return "rsp does not run JavaScript; write a hook in Lua (docs/lua.md)"
    if name.startswith(("dav_", "create_full_put_path")):
        return "rsp does not write files (WebDAV)"
    if name.startswith(("sub_filter", "subs_filter")):
        return "rsp changes bodies in hooks only: on_response with res.filter (docs/lua.md)"
    if name in ("ssi", "addition_types", "add_before_body", "add_after_body", "xslt_stylesheet", "image_filter"):
        return "rsp does not change the bodies of responses"
    return "rsp import does not know this directive"
