"""``root``, ``alias``, ``index``, ``try_files``, ``autoindex``, ``expires``: files that rsp serves itself."""

import re
from typing import Final

from msgspec import Struct

from rsp.config.files_rules import SCRIPT
from rsp.config.struct import TOKEN
from rsp.importing.lua import index, quoted
from rsp.importing.nginx.content import by_groups, ends
from rsp.importing.nginx.content.ends import Fallback
from rsp.importing.nginx.matching import pages_of_folders
from rsp.importing.nginx.matching.servers import Location, Server, below, joined
from rsp.importing.nginx.rewrite.guards import Dynamic
from rsp.importing.nginx.rules import media
from rsp.importing.nginx.rules.access import differ
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.units import number_of_seconds
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_EXTENDED: Final = re.compile(r"\$\{?uri\}?(\.(?!php|phtml|cgi|pl$)\w[\w.]*)")
_NAMED: Final = re.compile(
    r"/[\w\-][\w.\-]*\.(?:txt|xml|ico|json|html?|m?js|css|png|gif|jpe?g|svg|webp|pdf|webmanifest|map|gz|zip|asc)$", re.I
)
_NO_FILE: Final = re.compile(r"@|=\d{3}$")  # but at the end: the name of a file that is not there
_DEFAULT_INDEX: Final = "index.html"
SOURCE: Final = re.compile(r"\.php\d?(?:\$is_args\$args|\$is_args\$query_string|\?.*)?$")  # of a script
_FILE: Final = ("$uri", "$fastcgi_script_name", "$request_uri", "$document_uri")
_DIRECTORY: Final = ("$uri/", "$uri/index.html", "$uri/index.htm", "$uri/index.php", "$uri/$index")


class Tries(Struct):
    """``try_files``: whether the file itself, and its directory, are looked for, and what comes last.

    ``only``: the one file that is looked for, whatever the path is; ``extensions``: what the path may leave out, and
    whether such a file comes before a directory; ``looked``: lines of a hook, without ``end``, that look for files of
    other names first.
    """

    file: bool
    directory: bool
    last: Fallback
    only: str = ""
    extensions: tuple[str, ...] = ()
    is_extended_first: bool = True
    looked: tuple[str, ...] = ()


def directory(location: Location | None, level: Level, names: Names, keys: dict[str, Value]) -> str:
    """The directory that stands for the route's path.  Raises :class:`Unsayable`."""
    alias = level.value("alias") if location is not None and level.has("alias") else ""
    guess = names.constants.get("document_root", "") if level.has("try_files") else ""
    folder = names.expand(alias or level.value("root") or guess)
    if not folder:
        raise Unsayable("there is no `root`; nginx would look into its own folder html")
    if "$" in folder:
        raise Unsayable("the directory depends on the request")
    if "exact" in keys or "regex" in keys:
        return folder.rstrip("/") or "/"
    path = str(keys.get("path", "/"))
    if alias or path == "/":
        return folder.rstrip("/") or "/"
    return joined(folder, path)


def is_for_one(location: Location, level: Level) -> bool:
    """Whether a prefix names one file, as ``location /robots.txt`` does."""
    if location.modifier not in ("", "^~") or level.has("try_files", "autoindex"):
        return False
    file = level.value("alias") if level.has("alias") else location.path
    return all(_NAMED.search(each) is not None for each in (location.path, file))


def may_be_directory(location: Location | None) -> bool:
    """Whether it has paths that end in a slash."""
    if location is None or location.modifier in ("", "^~"):
        return True
    if location.modifier == "=":
        return location.path.endswith("/")
    return pages_of_folders.has_directories(location)


def aliased(level: Level, names: Names, keys: dict[str, Value]) -> bool:
    """``alias`` of an exact path or a regular expression names one file: a directory and ``rewrite``."""
    if not level.has("alias") or not ("exact" in keys or "regex" in keys):
        return False
    said = names.expand(level.value("alias"))
    folder, _, file = said.rpartition("/")
    if "exact" in keys and "$" not in said and file:
        table: dict[str, Value] = {"root": folder or "/", "index": ""}
        control = cache_control(level)
        keys["files"] = {**table, "cache_control": control} if control else table
        keys["rewrite"] = f"/{file}"
        return True
    if "exact" in keys and "$" not in said:
        keys["rewrite"] = "/"  # a directory, as for any location
        return False
    before, mark, behind = said.partition("$")
    if "regex" in keys and mark and before.endswith("/"):
        root = before.rstrip("/") or "/"
        control = cache_control(level)
        keys["files"] = {"root": root, "cache_control": control} if control else root
        keys["rewrite"] = names.text(f"/${behind}")
        return True
    raise Unsayable("rsp import does not translate this alias")


def tries(server: Server, location: Location | None, level: Level, names: Names) -> Tries | None:
    """Raises :class:`Unsayable`."""
    found = level.own("try_files")
    if not found:
        return None
    *items, last = _until_root(found[-1].args, location, level)
    items = _with_slashes(items, level)
    known = [item for item in items if not _NO_FILE.match(item)]
    own = location.path.rstrip("/") if location is not None and location.modifier in ("", "^~") else ""
    items = known or ([f"{own}/.none"] if items else [])
    if location is not None and location.modifier == "=" and not level.has("alias"):
        items = ["$uri" if item == location.path else item for item in items]
    only = names.expand(items[0]) if items else ""
    if len(items) == 1 and only.startswith("/") and "$" not in only and re.fullmatch(r"=\d{3}", last):
        return Tries(False, False, Fallback(status=last[1:]), only)
    if len(items) == 1 and only.startswith("/") and "$" not in only and location is not None and location.path == "/":
        meant = ends.end(last, server, location, names)
        if meant.file is not None and not meant.root:
            return Tries(False, False, meant, only)
    found_by_groups = by_groups.file(last, server, location, names)
    if found_by_groups is not None:
        items, last = [*items, found_by_groups], "=404"
    constant = names.expand(items[-1]) if len(items) > 1 else ""
    is_below_alias = constant.endswith("/") and level.has("alias")
    if last == "=404" and constant.startswith("/") and "$" not in constant and not is_below_alias:
        items.pop()  # a file that is looked for at last: where it is not, rsp answers 404 as well
    else:
        constant = ""
    looked, rest = _looked(items, location, level, names)
    has_file = has_directory = False
    extensions: list[str] = []
    is_first = True
    for said in rest:
        if said in _FILE:
            has_file = True
        elif said in _DIRECTORY:
            has_directory = True
        elif (match := _EXTENDED.fullmatch(said)) is not None:
            extensions.append(match[1])
            is_first = is_first and not has_directory
    has_directory = has_directory or "$uri/" in items
    if constant and level.has("alias"):
        end = Fallback(file=constant)  # nginx does not take the prefix off here
    else:
        end = ends.file(constant, server, location, location) if constant else ends.end(last, server, location, names)
    if end.index and end.rewrite is None and not has_directory:
        end.rewrite = f"/{end.index}?$query_string"  # so that no script of a directory runs
    if looked and not has_file and names.expand(last) in ("$uri", "$uri/"):
        said = "where there is no file, nginx looks for the same location again and again, and answers 500, as rsp does"
        end = Fallback(status="500", note=said)
    return Tries(has_file, has_directory, end, "", tuple(extensions), is_first, looked)


def _with_slashes(items: list[str], level: Level) -> list[str]:
    """Names without a slash at their beginning come directly behind the directory, which may have one at its end."""
    folder = level.value("alias" if level.has("alias") else "root")
    begins = [item[:1] in ("/", "$", "@", "=") for item in items]
    if folder.endswith("/"):
        return [item if begin else f"/{item}" for item, begin in zip(items, begins, strict=True)]
    return [item if begin else f"@{item}" for item, begin in zip(items, begins, strict=True)]  # it is not there


def _until_root(words: list[str], location: Location | None, level: Level) -> list[str]:
    """``try_files $uri / ...`` below an alias: its directory is always there, so its index comes last."""
    said = level.last("index")
    index = said.args if said is not None else [_DEFAULT_INDEX]
    is_page = len(index) == 1 and re.fullmatch(r"[\w.\-]+\.html?", index[0]) is not None
    is_folder = location is not None and location.path.endswith("/") and level.value("alias").endswith("/")
    if location is None or location.is_regex or not is_folder or "/" not in words[1:-1] or not is_page:
        return words
    return [*words[: words.index("/", 1)], f"{location.path.rstrip('/')}/{index[0]}"]


def _looked(
    items: list[str], location: Location | None, level: Level, names: Names
) -> tuple[tuple[str, ...], list[str]]:
    """Lines of a hook that look for files whose names are not the path's, and the items that are left.

    Raises :class:`Unsayable`.
    """
    said = [names.expand(item) for item in items]
    said = [each for each in said if each.startswith("$uri") or not SOURCE.search(each)]
    count = max((number for number, each in enumerate(said, 1) if not _is_of_path(each)), default=0)
    if not set(_FILE) & set(said[count:]) and not (said and set(said) <= set(_DIRECTORY)):
        count = len(said)
    if not count:
        return (), said
    root = names.expand(level.value("root") or names.constants.get("document_root", "")).rstrip("/")
    if level.has("alias") or not root.startswith("/"):
        raise Unsayable("rsp import translates names of other files in try_files below a `root` only")
    around = location.path if location is not None and not location.is_regex and location.modifier != "=" else "/"
    lines: list[str] = []
    for place in said[:count]:
        is_own = place in _FILE or place == "$uri/"
        kind = "directory" if place.endswith("/") else "file"
        name = names.lua(root + ("$uri" if is_own else place))
        lines.append(f"elseif file.kind({name}) == {quoted(kind)} then")
        if not is_own:  # else it is served under its own name
            expression = location.path if location is not None and location.is_regex else ""
            lines.append(f"  req.path = {_inside(place, around, names, expression)}")
    return tuple(lines), said[count:]


def _begins_as_path(place: str, expression: str) -> bool:
    """Whether it begins with the group that has a path's beginning, as ``$1.webp`` of ``^(.+)[.]png$``."""
    match = re.match(r"\$\{?([1-9]|\w+)\}?(/?)", place)
    first = re.match(r"\^\((?:\?P?<(\w+)>)?(?:(/|\.\+)|\.\*)(?:[^()\\]|\\.|\([^()]*\))*\)(?![?*{])", expression)
    if match is None or first is None or match[1] not in ("1", first[1]):
        return False
    return bool(first[2] or match[2])  # `.*` may be empty


def _inside(place: str, around: str, names: Names, expression: str = "") -> str:
    """Below the directory of the location ``around``, as an expression of Lua.  Raises :class:`Unsayable`."""
    inside = place if around == "/" or place.startswith("$uri") else below(place, around)
    said = names.lua(inside or "")
    begins = said.startswith(('"/', "req.path")) or _begins_as_path(place, expression)
    if inside is None or place.endswith("/") or not begins:
        raise Unsayable(f"rsp import does not translate {place} in try_files")
    if around == "/" or not said.startswith("req.path"):
        return said
    return said.replace("req.path", f"req.path:sub({len(around.rstrip('/')) + 1})", 1)


def _is_of_path(said: str) -> bool:
    return said in _FILE or said in _DIRECTORY or _EXTENDED.fullmatch(said) is not None


def tell_of_sources(parts: Parts, level: Level) -> None:
    for statement in level.own("try_files"):
        for word in statement.args[:-1]:
            if SOURCE.search(word) and not word.startswith("$uri"):
                said = f"nginx sends the source of {word} here, because it is not the last of try_files; rsp does not"
                parts.note(statement, said)


def look_at_index(
    server: Server, location: Location | None, level: Level, passed: Location | None = None
) -> bool:  # fmt: skip
    """nginx asks again with the name of a directory's index: whether expressions may refuse it.

    ``passed``: a location with an index that a peer is asked for.  Raises :class:`Unsayable` where others may keep
    clients out.
    """
    if not may_be_directory(location) or (location is not None and location.finds_index):
        return False
    said, is_refused = level.last("index"), False
    folder = location.path.rstrip("/") if location is not None and not location.is_regex else ""
    closing = [each for each in server.locations if each.content is None and differ(level, each.level)]
    has_directory = (location is None or not location.is_regex) and server.find(f"{folder}/") is location
    for word in said.args if said is not None else [_DEFAULT_INDEX]:
        asked = server.find(word if word.startswith("/") else f"{folder}/{word}")
        if has_directory and asked is not location and asked is not passed and _is_asked(asked, word):
            raise Unsayable(f"the index {word} leads to a location that is passed to a peer")
        if location is not None and location.modifier == "=":
            found = [each for each in closing if each is server.find(f"{folder}/{word}")]
        else:
            found = pages_of_folders.led_to(location, word, server, closing)
        for each in found:
            if each is location or (location is not None and pages_of_folders.is_taken(location, each, server)):
                continue
            if re.fullmatch(r"[\w.\-]+", word) is None or not _refuses(each):
                raise Unsayable(f"the index {word} leads to a location with restrictions of its own: {each.path}")
            is_refused = True
    return is_refused


def _is_asked(location: Location | None, word: str) -> bool:
    """Whether a peer has the page, and no script of PHP; not where it is asked for the directory all the same."""
    if location is None or ["/", "break"] in [each.args[1:] for each in location.level.block]:
        return False
    passing = location.content
    return passing is not None and (passing.name != "fastcgi_pass" or not re.search(r"\.php\d?$", word))


def _refuses(location: Location) -> bool:
    """Whether an expression refuses all clients."""
    if not location.is_regex or location.level.has("if", "set", "rewrite", "break"):
        return False
    first = next((each for each in location.level.block if each.name in ("allow", "deny", "return")), None)
    said = (first.name, first.value[:1]) if first is not None else ("", "")
    return said in (("deny", "a"), ("return", "4"), ("return", "5"))


def table(
    folder: str, level: Level, names: Names, *, looks_in_directories: bool, scripts: bool,
    extensions: tuple[str, ...] = (),
) -> Value:  # fmt: skip
    """``files`` of a route.  ``scripts``: an upstream runs those that ``index`` names."""
    keys: dict[str, Value] = {"root": folder}
    if extensions:
        keys["extensions"] = list(extensions)
    said = level.last("index")
    index = [names.expand(word) for word in said.args] if said is not None else [_DEFAULT_INDEX]
    own = [word for word in index if not re.search(r"^/|\$", word) and not SCRIPT.fullmatch(word)]
    if scripts and len(own) < len(index):
        own = own[: next(number for number, word in enumerate(index) if word not in own)]
    if not looks_in_directories:
        own = []
    if scripts:
        if own:
            keys["index"] = own[0] if len(own) == 1 else own
    elif own != [_DEFAULT_INDEX]:
        keys["index"] = (own[0] if len(own) == 1 else own) if own else ""
    if level.is_on("autoindex"):
        keys["list"] = True
    control = cache_control(level)
    if control:
        keys["cache_control"] = control
    types = media.table(level)
    if types:
        keys["types"] = types
    charset = level.value("charset")
    found = TOKEN.match(charset)  # `utf-8,gbk` and its like are no name of a charset
    if found is not None and found[0].lower() not in ("off", "none") and charset.lower() != "utf-8":
        keys["charset"] = found[0]
    return folder if len(keys) == 1 else keys


def cache_control(level: Level) -> str:
    """Of ``expires``; empty: none, or one that a hook sets.  Raises :class:`Unsayable`."""
    said = level.last("expires")
    if said is not None and said.args[:1] == ["modified"]:
        raise Unsayable("rsp counts expires from the response, not from the change of the file")
    return _control(said.args[-1]) if said is not None and said.args else ""


def _control(value: str) -> str:
    if value == "off" or "$" in value:
        return ""
    value = value.removeprefix("+")
    if value in ("epoch", "-1") or value.startswith("-"):
        return "no-cache"
    if value == "max":
        return "max-age=315360000"
    if value.startswith("@"):
        raise Unsayable("rsp has no time of day for expires")
    return f"max-age={int(number_of_seconds(value))}"


def computed_control(level: Level, names: Names, functions: Dynamic) -> list[str]:
    """``expires $by_type``: lines for the hook of responses.  Raises :class:`Unsayable`."""
    said = level.last("expires")
    match = re.fullmatch(r"\$\{?(\w+)\}?", said.args[-1]) if said is not None and said.args else None
    if match is None:
        if said is not None and any("$" in word for word in said.args):
            raise Unsayable("expires depends on the request")
        return []
    values = functions.values(match[1], may_be_empty=True)
    if not values:
        raise Unsayable("expires depends on the request")
    pairs = ", ".join(f"{index(value)} = {quoted(control)}" for value in values if (control := _control(value)))
    return [
        f"local control = ({{ {pairs} }})[{names.with_response().lua(match[0])}]",
        'if control and res.status < 400 then res.headers["Cache-Control"] = control end',
    ]
