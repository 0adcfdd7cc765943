"""``rewrite ^ $request_uri; rewrite ^/ui(/.*)$ $1 break; proxy_pass http://app$uri;``: a path as the client wrote it.

nginx decodes paths and encodes them again; so peers get what came, without its beginning.  rsp keeps paths as they
came, so the statements say no more than the second ``rewrite``.
"""

from typing import Final

from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.syntax.tree import Statement

_WHOLE: Final = (["^", "$request_uri"], [".*", "$request_uri"], ["^.*$", "$request_uri"])


def translate(block: list[Statement]) -> None:
    """In all locations of a block."""
    for location in [each for each in block if each.name == "location"]:
        _location(location.block or [])
        translate(location.block or [])


def _location(block: list[Statement]) -> None:
    module = [each for each in block if each.name in MODULE]
    passing = [each for each in block if each.name == "proxy_pass" and each.value.endswith(("$uri", "${uri}"))]
    if len(module) < 2 or module[0].name != "rewrite" or module[0].args not in _WHOLE or len(passing) != 1:
        return
    rest = module[1:]
    if rest[-1].name == "return" and rest[-1].value[:1] == "4":  # where none of the others matches
        rest = rest[:-1]
    if not rest or any(each.name != "rewrite" or each.args[2:] != ["break"] for each in rest):
        return
    block[:] = [each for each in block if each not in module or each in rest]
    passing[0].args[0] = passing[0].value.removesuffix("$uri").removesuffix("${uri}")
