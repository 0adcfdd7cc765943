"""Other ways to say ``try_files`` and ``return``, which become these before anything is translated.

``if (!-e $request_filename) { rewrite ^(.*)$ /index.php last; }`` is in thousands of configurations; nginx's own
documentation calls it a pitfall and names ``try_files`` in its place.
"""

import re
from typing import Final

from rsp.importing.nginx.rewrite import as_received
from rsp.importing.nginx.rewrite.guards import MODULE, stripped
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement

_ALL: Final = ("^", "^/", ".*", ".", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/(.*)$", "^/(.*)", "^/.*$", "^(.+)$",
               "^/(.+)$", "^/(.+)", "/(.*)", "^/?(.*)$", "^.+$")  # fmt: skip
_NAMES: Final = ("$request_filename", "$document_root$uri", "$document_root$request_uri",
                 "$document_root$fastcgi_script_name", "$document_root/$uri", "$realpath_root$uri")  # fmt: skip
_INHERITED: Final = ("proxy_", "fastcgi_", "uwsgi_", "add_header", "client_")
_PASSES: Final = ("proxy_pass", "fastcgi_pass", "uwsgi_pass")


def translate(server: Statement) -> None:
    """In a ``server`` block, and in its locations."""
    block = server.block or []
    as_received.translate(block)
    for named in [each for each in block if each.name == "location" and each.value.startswith("@")]:
        _suffixed(named, block)
    for statement in [each for each in block if each.name == "if"]:
        tries = _tries(statement, block, [])
        if tries is None:
            continue
        block.remove(statement)
        if tries.args:
            homes = [each for each in block if each.name == "location" and _is_for_files(each)]
            for home in homes:
                if home.block is not None:
                    home.block.append(_copy(tries))
            block.append(tries)
    _missing(block, is_server=True)
    _join(block)
    for location in [each for each in block if each.name == "location"]:
        _location(location, block)
        _missing(location.block or [], is_server=False)


def _suffixed(named: Statement, around: list[Statement]) -> None:
    """``set $suffix ""; if ($uri = /index.php) { set $suffix ?$query_string; } proxy_pass http://app$suffix;``.

    So says Laravel's Octane that ``/index.php`` is asked for as ``/``.  It is said in the location of that path, which
    leads here, where ``try_files`` looks for nothing that is there.
    """
    block = named.block or []
    module = [each for each in block if each.name in MODULE]
    passing = next((each for each in block if each.name == "proxy_pass"), None)
    if passing is None or [each.name for each in module] != ["set", "if"] or module[0].args[1:] != [""]:
        return
    variable, condition = module[0].value, stripped(module[1].args)
    inside = [[each.name, *each.args] for each in module[1].block or []]
    queries = [["set", variable, query] for query in ("?$query_string", "?$args")]
    is_path = len(condition) == 3 and condition[:2] == ["$uri", "="] and condition[2].startswith("/")
    if not is_path or len(inside) != 1 or inside[0] not in queries or not passing.value.endswith(variable):
        return
    path, url = condition[2], passing.value.removesuffix(variable)
    homes = [each for each in around if each.name == "location" and each.args in ([path], ["=", path])]
    for home in homes:
        tries = [each for each in home.block or [] if each.name == "try_files"]
        if len(tries) != 1 or len(tries[0].args) != 2 or tries[0].args[1] != named.value or "$" in tries[0].value:
            return
        rewrite = Statement("rewrite", [f"^{re.escape(path)}$", "/", "break"], tries[0].origin)
        kept = [_copy(each) for each in block if each not in module and each is not passing]
        passed = Statement("proxy_pass", [url], passing.origin)
        home.block = [*(each for each in home.block or [] if each is not tries[0]), rewrite, *kept, passed]
    named.block = [each for each in block if each not in module]
    passing.args = [url]


def _location(location: Statement, around: list[Statement]) -> None:
    block = location.block or []
    for statement in [each for each in block if each.name == "if"]:
        if any(each.name in _PASSES and each is not statement for each in block):
            is_404 = _is_for_missing(statement) and [each.name for each in statement.block or []] == ["return"]
            if is_404 and any(each.name == "fastcgi_pass" for each in block):
                block.remove(statement)  # a script that does not exist is answered 404 in any case
            continue
        tries = _tries(statement, around, block)
        if tries is not None and not any(each.name == "try_files" for each in block):
            block.remove(statement)
            if tries.args:
                block.append(tries)
    for inner in [each for each in block if each.name == "location"]:
        _location(inner, around)


def _missing(block: list[Statement], *, is_server: bool) -> None:
    """``error_page 404 = @app`` of files is ``try_files $uri $uri/ @app``."""
    for statement in [each for each in block if each.name == "error_page"]:
        words = " ".join(statement.args)
        if not words.startswith(("404 = @", "404 =@")) or any(each.name == "try_files" for each in block):
            continue
        home = next((each for each in block if each.name == "location" and each.args == ["/"]), None)
        inner = home.block if home is not None and home.block is not None else ([] if is_server else block)
        around = block if home is None else inner
        if any(each.name in (*_PASSES, "try_files", "return") for each in around):
            continue
        block.remove(statement)
        refused = Statement("return", ["405"], statement.origin)  # before nginx looks for a file
        condition = ["(", "$request_method", "!~", "^(GET|HEAD|POST)$", ")"]
        inner.append(Statement("if", condition, statement.origin, [refused]))
        inner.append(Statement("try_files", ["$uri", "$uri/", words.split("=")[1].strip()], statement.origin))
        if home is None and is_server:
            block.append(Statement("location", ["/"], statement.origin, inner))


def _join(block: list[Statement]) -> None:
    """``try_files $uri @more`` where @more has nothing but another ``try_files`` is one ``try_files``.

    So is ``try_files $uri =418`` with ``error_page 418 = @more``; and ``return 418`` then goes there, too.
    """
    named = {each.value: each for each in block if each.name == "location" and each.value.startswith("@")}
    more = {name: tries for name, each in named.items() if (tries := _tries_alone(each)) is not None}
    for location in [each for each in block if each.name == "location" and each not in named.values()]:
        inner = location.block or []
        jumps = {word: each for each in inner if each.name == "error_page" and "=" in each.args for word in each.args}
        for statement in [each for each in inner if each.name == "try_files"]:
            last = statement.args[-1]
            page = jumps.get(last.removeprefix("=")) if last.startswith("=") else None
            name = page.args[-1] if page is not None else last
            if name in more:
                statement.args[-1:] = more[name].args
                for each in named[name].block or []:
                    each.used = True


def ends_with(level: Level, named: Statement) -> bool:
    """Whether the location does what ``named`` does where it does not find some files of other names."""
    more, own = _tries_alone(named), level.last("try_files")
    if more is None or own is None or own.args[-len(more.args) :] != more.args:
        return False
    first = own.args[: -len(more.args)]
    return all("$uri" not in (word, word.removesuffix("/")) for word in first)


def _tries_alone(location: Statement) -> Statement | None:
    block = location.block or []
    found = [each for each in block if each.name == "try_files"]
    others = ("add_header", "expires", "access_log", "log_not_found", "internal")
    is_alone = len(found) == 1 and all(each in found or each.name in others for each in block)
    return found[0] if is_alone and not found[0].args[-1].startswith("=") else None


def _is_for_missing(statement: Statement) -> bool:
    words = stripped(statement.args)
    return len(words) == 2 and words[0] in ("!-e", "!-f") and words[1] in _NAMES


def _tries(statement: Statement, around: list[Statement], home: list[Statement]) -> Statement | None:
    """The ``try_files`` that it stands for; without arguments: none is needed.

    ``home``: the block that has it, what holds there holds for the peer that it passes to.
    """
    words = stripped(statement.args)
    block = statement.block or []
    names = [each.name for each in block]
    if len(words) == 2 and words[0] in ("-f", "-e") and words[1] in _NAMES:
        siblings = home or around
        behind = siblings[siblings.index(statement) + 1 :] if statement in siblings else []
        is_last = not any(each.name in MODULE for each in behind)  # else it keeps existing files from these
        return Statement("try_files", [], statement.origin) if is_last and names == ["break"] else None
    if not _is_for_missing(statement):
        return None
    first = ["$uri", "$uri/"] if words[0] == "!-e" else ["$uri"]
    if names in (["return"], ["break", "return"]) and block[-1].value == "404":
        return Statement("try_files", [*first, "=404"], statement.origin)
    rewrites = [each for each in block if each.name == "rewrite"]
    if names[-1:] == ["break"] and all(each.args[2:] == ["last"] for each in rewrites):
        block, names = block[:-1], names[:-1]  # where none of these holds, nothing follows
    if len(rewrites) == 1 and all(name in ("rewrite", "break") for name in names):
        expression, target, *flags = [*rewrites[0].args, ""]
        if expression in _ALL and target.startswith("/") and flags[0] in ("last", "break", ""):
            path, _, query = target.partition("?")
            if "$" not in path and query in ("", "$args", "$query_string") and not target.endswith("?"):
                return Statement("try_files", [*first, f"{path}?$args"], statement.origin)
    if rewrites and all(each.name == "rewrite" and each.args[2:] == ["last"] for each in block):
        name = f"@missing_{statement.origin.line}"
        around.append(Statement("location", [name], statement.origin, [_copy(each) for each in block]))
        return Statement("try_files", [*first, name], statement.origin)
    if rewrites:
        return None
    if names and names[0] in _PASSES and all(name in (*_PASSES, "break") for name in names):
        name = f"@missing_{statement.origin.line}"
        inherited = [_copy(each) for each in home if each.name.startswith(_INHERITED) and each.name not in _PASSES]
        around.append(Statement("location", [name], statement.origin, [*inherited, block[0]]))
        return Statement("try_files", [*first, name], statement.origin)
    return None


def _is_for_files(location: Statement) -> bool:
    block = location.block or []
    answered = any(each.name in (*_PASSES, "try_files", "return", "internal") for each in block)
    return not answered and not (location.args and location.args[0].startswith("@"))


def _copy(statement: Statement) -> Statement:
    return Statement(statement.name, list(statement.args), statement.origin)


def answer_echoes(block: list[Statement]) -> None:
    """``echo``, of a module of that name, becomes a ``return``, where a block has nothing else of the module."""
    texts = [each for each in block if each.name == "echo"]
    others = [each for each in block if each.name.startswith("echo_")]
    if texts and not others and not any(each.name == "return" for each in block):
        said = "".join(_line(each.args) for each in texts)
        place = block.index(texts[0])
        block[place] = Statement("return", ["200", said], texts[0].origin)
        block[:] = [each for each in block if each not in texts]
    for each in block:
        if each.block and each.name in ("server", "location", "if"):
            answer_echoes(each.block)


def _line(words: list[str]) -> str:
    end = "" if words[:1] == ["-n"] else "\n"
    return " ".join(words[1:] if not end else words) + end
