"""Old ways to say ``try_files``, which become that before anything is translated.

``if (!-e $request_filename) { rewrite ^(.*)$ /index.php last; }`` is in thousands of configurations; nginx's own
documentation calls it a pitfall and names ``try_files`` in its place.
"""

from typing import Final

from rsp.importing.nginx.guards import stripped
from rsp.importing.nginx.tree import Statement

_ALL: Final = ("^", "^/", ".*", ".", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/(.*)$", "^/(.*)", "^/.*$", "^(.+)$",
               "^/(.+)$", "^/(.+)", "/(.*)", "^/?(.*)$", "^.+$")  # fmt: skip
_NAMES: Final = ("$request_filename", "$document_root$uri", "$document_root$request_uri",
                 "$document_root$fastcgi_script_name", "$document_root/$uri", "$realpath_root$uri")  # fmt: skip
_PASSES: Final = ("proxy_pass", "fastcgi_pass", "uwsgi_pass")


def translate(server: Statement) -> None:
    """In a ``server`` block, and in its locations."""
    block = server.block or []
    for statement in [each for each in block if each.name == "if"]:
        tries = _tries(statement, block)
        if tries is None:
            continue
        block.remove(statement)
        if tries.args:
            homes = [each for each in block if each.name == "location" and _is_for_files(each)]
            for home in homes:
                if home.block is not None:
                    home.block.append(_copy(tries))
            block.append(tries)
    _missing(block)
    for location in [each for each in block if each.name == "location"]:
        _location(location, block)
        _missing(location.block or [])


def _location(location: Statement, around: list[Statement]) -> None:
    block = location.block or []
    for statement in [each for each in block if each.name == "if"]:
        if any(each.name in _PASSES and each is not statement for each in block):
            is_404 = _is_for_missing(statement) and [each.name for each in statement.block or []] == ["return"]
            if is_404 and any(each.name == "fastcgi_pass" for each in block):
                block.remove(statement)  # a script that does not exist is answered 404 in any case
            continue
        tries = _tries(statement, around)
        if tries is not None and not any(each.name == "try_files" for each in block):
            block.remove(statement)
            if tries.args:
                block.append(tries)
    for inner in [each for each in block if each.name == "location"]:
        _location(inner, around)


def _missing(block: list[Statement]) -> None:
    """``error_page 404 = @app`` of files is ``try_files $uri $uri/ @app``."""
    for statement in [each for each in block if each.name == "error_page"]:
        words = " ".join(statement.args)
        if not words.startswith(("404 = @", "404 =@")) or any(each.name == "try_files" for each in block):
            continue
        home = next((each for each in block if each.name == "location" and each.args == ["/"]), None)
        inner = home.block if home is not None and home.block is not None else block
        if any(each.name in (*_PASSES, "try_files", "return") for each in inner):
            continue
        block.remove(statement)
        inner.append(Statement("try_files", ["$uri", "$uri/", words.split("=")[1].strip()], statement.origin))


def _is_for_missing(statement: Statement) -> bool:
    words = stripped(statement.args)
    return len(words) == 2 and words[0] in ("!-e", "!-f") and words[1] in _NAMES


def _tries(statement: Statement, around: list[Statement]) -> Statement | None:
    """The ``try_files`` that it stands for; without arguments: none is needed."""
    words = stripped(statement.args)
    block = statement.block or []
    names = [each.name for each in block]
    if len(words) == 2 and words[0] in ("-f", "-e") and words[1] in _NAMES:
        harmless = all(name in ("break", "expires") for name in names)
        return Statement("try_files", [], statement.origin) if harmless and names == ["break"] else None
    if not _is_for_missing(statement):
        return None
    first = ["$uri", "$uri/"] if words[0] == "!-e" else ["$uri"]
    if names in (["return"], ["break", "return"]) and block[-1].value == "404":
        return Statement("try_files", [*first, "=404"], statement.origin)
    rewrites = [each for each in block if each.name == "rewrite"]
    if len(rewrites) == 1 and all(name in ("rewrite", "break") for name in names):
        expression, target, *flags = [*rewrites[0].args, ""]
        if expression in _ALL and target.startswith("/") and flags[0] in ("last", "break", ""):
            path, _, query = target.partition("?")
            if "$" not in path and query in ("", "$args", "$query_string"):
                return Statement("try_files", [*first, f"{path}?$args"], statement.origin)
    if rewrites and all(each.name == "rewrite" and each.args[2:] == ["last"] for each in block):
        name = f"@missing_{statement.origin.line}"
        around.append(Statement("location", [name], statement.origin, [_copy(each) for each in block]))
        return Statement("try_files", [*first, name], statement.origin)
    if rewrites:
        return None
    if names and names[0] in _PASSES and all(name in (*_PASSES, "break") for name in names):
        name = f"@missing_{statement.origin.line}"
        around.append(Statement("location", [name], statement.origin, [block[0]]))
        return Statement("try_files", [*first, name], statement.origin)
    return None


def _is_for_files(location: Statement) -> bool:
    block = location.block or []
    answered = any(each.name in (*_PASSES, "try_files", "return", "internal") for each in block)
    return not answered and not (location.args and location.args[0].startswith("@"))


def _copy(statement: Statement) -> Statement:
    return Statement(statement.name, list(statement.args), statement.origin)
