"""What can be wrong with `files`, `fallback` and `else_to` of a route."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path as File
from typing import Final
from urllib.parse import unquote

import msgspec

from rsp.config import files_words
from rsp.config.cache_control import mistake as cache_control_mistake
from rsp.config.content import Files
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.struct import TOKEN
from rsp.config.units import show
from rsp.config.upstream_names import no_such

_GIVEN: Final = ("strip", "slash")  # what `files` does by itself
_FOR_PEERS: Final = ("request_buffering", "response_buffering", "mirror", "failover")
_TYPE: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\s*;[ -~]*)?")
_EXTENSION: Final = re.compile(r"\.[\w.\-]*[\w\-]")
_VARIABLE: Final = re.compile(r"\$\{?[a-z_]|\{[a-z_.]+\}", re.IGNORECASE)
_ELSEWHERE: Final = re.compile(r"~|[a-z][a-z0-9+.\-]*://", re.IGNORECASE)
SCRIPT: Final = re.compile(r".*\.(?:php\d?|phtml|cgi|pl|jsp|aspx?)", re.IGNORECASE)
_REGEX: Final = re.compile(r"\^|~\*? |.*(?:\\[.dw/]|\(\?|\(.*\||\$$)")

Mistakes = Iterator[tuple[Path, str]]


def absolute(route: Route, folder: File) -> Route:
    """``route`` with a root that says where it is; ``folder``: that of the configuration."""
    rules = route.file_rules
    if rules is None or not rules.root or _ELSEWHERE.match(rules.root) or _VARIABLE.search(rules.root):
        return route  # a mistake is named as it is written
    root = str(folder / rules.root)
    index = "" if rules.index == () else rules.index  # a list that is empty cannot be said otherwise
    files = root if isinstance(route.files, str) else msgspec.structs.replace(rules, root=root, index=index)
    return msgspec.structs.replace(route, files=files)


def mistakes(route: Route, upstreams: Collection[str]) -> Mistakes:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    rules = route.file_rules
    if route.else_rewrite is not None and route.else_to is None:
        said = '"else_rewrite" requires "else_to", which this route does not have; for a route with "to": rewrite'
        yield ("else_rewrite",), said
    if rules is None:
        yield from _without_files(route)
        return
    yield from _combinations(route)
    if route.else_to is not None and route.else_to not in upstreams:
        yield ("else_to",), f"else_to = {show(route.else_to)}: {no_such(route.else_to, upstreams, 'else_to')}"
    if route.fallback is not None and (said := _fallback_mistake(route.fallback, rules)):
        yield ("fallback",), f"fallback: {said}"
    for path, message in _rule_mistakes(rules):
        yield ("files", *path), f"files: {message}"


def _without_files(route: Route) -> Mistakes:
    if route.fallback is not None:
        way = (
            '; to use another upstream when this one fails, write failover = { to = "..." }' if route.upstreams else ""
        )
        yield ("fallback",), f'"fallback" requires "files", which this route does not have{way}'
    if route.else_to is not None:
        yield (
            ("else_to",),
            ('"else_to" requires "files", which this route does not have; write files = "/srv/www", or "to" alone'),
        )


def _combinations(route: Route) -> Mistakes:
    """Keys that mean nothing beside `files`."""
    if route.fallback is not None and route.else_to is not None:
        yield (
            ("fallback",),
            ('"fallback" and "else_to" cannot be used together; choose what answers for a path without a file'),
        )
    if route.strip and route.exact is None and route.regex is None:
        rest = '; "else_to" gets the path unchanged' if route.else_to is not None else ""
        yield ("strip",), f'strip: "files" removes "path" already; leave strip out{rest}'
    if route.methods is not None and not {"GET", "HEAD"}.intersection(route.methods):
        way = f"write to = {show(route.else_to)}" if route.else_to is not None else 'add "GET", or leave it out'
        yield ("methods",), f"methods: files are served for GET and HEAD only; {way}"
    if route.else_to is not None:
        return
    if route.slash is not None and route.path != "/":
        yield ("slash",), 'slash: "files" redirects directories to the path with a slash already; leave slash out'
    for key in _FOR_PEERS if route.on_request is None else ():  # a hook could still send it to a peer
        if getattr(route, key):
            yield (key,), f'"{key}" is for requests that go to a peer; "files" answers them here'


def _fallback_mistake(fallback: str, rules: Files) -> str:
    """``fallback`` begins with a slash."""
    if _VARIABLE.search(fallback):
        return f'{show(fallback)}: it is a single file for all paths, without variables; write "/index.html"'
    if fallback.startswith(rules.root.rstrip("/") + "/") and rules.root:
        below = fallback[len(rules.root.rstrip("/")) :]
        return f"{show(fallback)}: expected the path below the directory; write {show(below)}"
    if fallback[-1] == "/":
        return f"{show(fallback)}: expected a file, not a directory; write {show(fallback + 'index.html')}"
    if SCRIPT.fullmatch(fallback):
        return f'{show(fallback)} would be sent as it is, not run; write else_to = "app", an upstream that runs it'
    if "?" in fallback or "#" in fallback:
        return f"{show(fallback)}: expected the name of a file; write {show(re.split('[?#]', fallback)[0])}"
    if unquote(fallback) != fallback:
        return f"{show(fallback)}: file names are not percent-encoded here; write {show(unquote(fallback))}"
    parts = fallback.split("/")[1:]
    if not all(parts) or {".", ".."}.intersection(parts):
        return f'{show(fallback)}: expected a path below the directory, without "//", "." and ".."'
    shown = parts[1:] if parts[0] == ".well-known" else parts
    if any(part[0] == "." for part in shown) and not rules.hidden:
        return (
            f"{show(fallback)} is not served, because its name begins with a dot; choose another name, or set "
            "hidden = true"
        )
    return ""


def _rule_mistakes(rules: Files) -> Mistakes:
    if said := _root_mistake(rules.root):
        yield ("root",), f"root: {said}"
    names = (rules.index,) if isinstance(rules.index, str) else rules.index or ()
    for name in filter(None, names):
        if said := _index_mistake(name):
            yield ("index",), f"index: {said}"
    for number, extension in enumerate(rules.extensions, 1):
        if not _EXTENSION.fullmatch(extension):
            way = f"; write {show('.' + extension)}" if _EXTENSION.fullmatch("." + extension) else ""
            yield ("extensions", number), f'extensions: expected the end of a name, such as ".html"{way}'
        elif SCRIPT.fullmatch(extension):
            yield ("extensions", number), f"extensions: {show(extension)} would be sent as it is, not run"
    for number, pattern in enumerate(rules.hide, 1):
        if said := _pattern_mistake(pattern) or _place_mistake(pattern, rules.root):
            yield ("hide", number), f"hide: {said}"
    yield from _cache_control_mistakes(rules.cache_control)
    for extension, value in rules.types.items():
        if said := _type_mistake(extension, value):
            yield ("types", extension), f"types: {said}"
    if rules.charset and TOKEN.fullmatch(rules.charset) is None:
        yield ("charset",), f'charset: expected a name such as "utf-8", or "", got {show(rules.charset)}'
    elif rules.charset.lower() in ("off", "none", "false"):
        yield ("charset",), f'charset: {show(rules.charset)} is not a character set; for none write ""'


def _root_mistake(root: str) -> str:
    if root.startswith("file://"):
        return f"expected a directory, got {show(root)}; write {show(root[7:])}"
    if re.match(r"https?://", root):
        return f'expected a directory, got {show(root)}; requests for another server go to an upstream: to = "..."'
    if root[:1] == "~":
        return f'{show(root)}: "~" is not expanded here; write the full path'
    if _VARIABLE.search(root):
        return (
            f"{show(root)}: variables are not supported here; the configuration is a program, so a loop can declare a "
            "route for each directory"
        )
    if root.endswith("/*"):
        return f'"*" is not a wildcard here; write "{root[:-2]}"'
    if root and not root.strip("/"):
        return f"{show(root)} is the whole file system; write a directory below it"
    return "" if root else 'expected a directory such as "/srv/www"'


def _index_mistake(name: str) -> str:
    several = re.split(r"[\s,]+", name.strip())
    if len(several) > 1 and all("." in each for each in several):
        return f"{show(name)}: write several names as a list: write {{ {', '.join(map(show, several))} }}"
    if "/" in name and (_VARIABLE.search(name) or {"", ".", ".."}.intersection(name.split("/"))):
        last = name.rstrip("/").rpartition("/")[2] or "index.html"
        return (
            f"{show(name)}: expected the name of a file in the directory, such as {show(last)}; one file for all paths "
            'is fallback = "/index.html" of the route'
        )
    if name in (".", "..") or _VARIABLE.search(name):
        return f'{show(name)}: expected the name of a file, such as "index.html"'
    if SCRIPT.fullmatch(name):
        return f'{show(name)} would be sent as it is, not run; write else_to = "app", an upstream that runs it'
    return ""


def _pattern_mistake(pattern: str) -> str:
    if _REGEX.match(pattern):
        return f'{show(pattern)}: patterns are not regular expressions; write "*.php" or "private/*"'
    if "{" in pattern:
        return f'{show(pattern)}: braces are not supported here; list each pattern: {{ "*.js", "*.css" }}'
    if "**" in pattern:
        plain = re.sub(r"^(?:\*\*/)+(?=.)", "", pattern).replace("**", "*")
        return f'{show(pattern)}: "*" matches slashes as well, so "**" is not needed; write {show(plain)}'
    if pattern[:1] == "!":
        return f'{show(pattern)}: "!" is not supported here; list the files that are meant'
    return "" if pattern.strip("/") else 'expected a pattern such as "*.php"'


def _place_mistake(pattern: str, root: str) -> str:
    """A pattern that holds for nothing, and files that a person believes to be hidden."""
    below = pattern.removeprefix(root.rstrip("/") + "/")
    return f"{show(pattern)}: patterns are for paths below root; write {show(below)}" if below != pattern else ""


def _extension_mistake(pattern: str) -> str:
    name = pattern.lstrip(".")
    return (
        f"{show(pattern)}: the pattern is {show('*.' + name)}" if name.isalnum() and files_words.type_of(name) else ""
    )


def _cache_control_mistakes(given: str | dict[str, str]) -> Mistakes:
    if isinstance(given, str):
        if said := cache_control_mistake(given):
            yield ("cache_control",), f"cache_control: {said}"
        return
    for pattern, value in given.items():
        if pattern[-1:] == "/":
            said = f"{show(pattern)}: for all files in a directory write {show(pattern + '*')}"
            yield ("cache_control", pattern), f"cache_control: {said}"
        elif said := _pattern_mistake(pattern) or _extension_mistake(pattern):
            yield ("cache_control", pattern), f"cache_control: {said}"
        elif said := cache_control_mistake(value):
            yield ("cache_control", pattern), f"cache_control: {pattern}: {said}"


def _type_mistake(extension: str, value: str) -> str:
    if "/" in extension and not _TYPE.fullmatch(value):
        first = re.split(r"[\s,;]+", value.strip())[0].lstrip("*.")
        return f"{show(extension)}: the extension is the key; write {{ {first or 'ext'} = {show(extension)} }}"
    plain = extension.lstrip("*").lstrip(".").lower()
    if plain != extension:
        return f"{show(extension)}: expected the extension in lower case, without a dot; write {show(plain)}"
    if not plain or "/" in plain:
        return f'{show(extension)}: expected an extension, as in {{ glb = "model/gltf-binary" }}'
    if not _TYPE.fullmatch(value):
        return f'{extension}: expected a type such as "text/plain", got {show(value)}{files_words.type_of(value)}'
    return ""
