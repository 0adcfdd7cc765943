"""Caddy's own order of directives, in which it looks at them wherever they stand."""

from typing import Final

from rsp.importing.caddy.matchers import Scope, is_matcher, matcher
from rsp.importing.caddy.tokens import Node
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.wordlist import words

_ORDER: Final = (
    "tracing map vars fs root log_append skip_log log_skip log_name header copy_response_headers request_body timeouts "
    "redir method rewrite uri try_files rate_limit basicauth basic_auth forward_auth request_header encode push "
    "intercept templates invoke handle handle_path route abort error copy_response respond metrics reverse_proxy "
    "php_fastcgi file_server acme_server"
)
PLACES: Final = {name: place for place, name in enumerate(_ORDER.split())}
GUARDS: Final = words("authorize authenticate crowdsec appsec waf coraza_waf ipfilter geoblock maxmind_geolocation")


def in_order(nodes: list[Node], scope: Scope) -> list[Node]:
    """In Caddy's order: by directive, then by the length of the path.

    Its comparison is no order where some have one path and others do not, so what it does is done here as well.
    """
    result = list(nodes)
    keys = [_sort_key(node, scope) for node in result]
    for end in range(1, len(result)):
        at = end
        while at and _before(keys[at], keys[at - 1]):
            result[at], result[at - 1] = result[at - 1], result[at]
            keys[at], keys[at - 1] = keys[at - 1], keys[at]
            at -= 1
    return result


def matcher_of(node: Node) -> str:
    """The word that is a directive's matcher; empty: none."""
    if not node.rest or not is_matcher(node.rest[0]):
        return ""
    single = len(node.rest) == 1 and node.block is None
    if single and node.name in ("redir", "rewrite", "root", "try_files") and not node.rest[0].startswith("@"):
        return ""
    return node.rest[0]


def _sort_key(node: Node, scope: Scope) -> tuple[int, bool, str]:
    """The directive's place, whether it has a matcher, and its only path."""
    name = "handle" if node.name == "handle_path" else "basic_auth" if node.name in GUARDS else node.name
    word = matcher_of(node)
    if not word or word == "*":
        return (PLACES.get(name, len(PLACES)), False, "")
    try:
        paths = matcher(scope, word).paths
    except Inexpressible:
        paths = ()
    return (PLACES.get(name, len(PLACES)), True, paths[0] if len(paths) == 1 else "")


def _before(one: tuple[int, bool, str], two: tuple[int, bool, str]) -> bool:
    if one[0] != two[0]:
        return one[0] < two[0]
    if not one[2] or not two[2]:
        return one[1] and not two[1]
    first, second = one[2].removesuffix("*"), two[2].removesuffix("*")
    if first == second:
        return len(one[2]) < len(two[2])
    return first < second if len(first) == len(second) else len(first) > len(second)
