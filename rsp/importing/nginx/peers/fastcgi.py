"""``fastcgi_pass`` and ``uwsgi_pass``: an upstream that speaks the protocol and knows where scripts are."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rsp.importing.lua import index as index_of
from rsp.importing.nginx.peers.proxy import retry
from rsp.importing.nginx.peers.upstreams import Block, wish, with_port
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.variables import Names, Unsayable, field
from rsp.importing.site import Value

# What rsp sends by itself (docs/fastcgi.md), and what PHP does without.
_ANY: Final = frozenset(("SCRIPT_FILENAME", "GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REMOTE_PORT", "REDIRECT_STATUS"))
FIXED: Final = frozenset(("SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED", "CONTENT_LENGTH", "REQUEST_METHOD"))
_SAME: Final[dict[str, tuple[str, ...]]] = {
    "SCRIPT_NAME": ("$fastcgi_script_name",),
    "PATH_INFO": ("$fastcgi_path_info", "$path_info", "$document_uri", "$uri"),
    "PATH_TRANSLATED": ("$document_root$fastcgi_path_info", "$document_root$path_info"),
    "CONTENT_LENGTH": ("$content_length",),
    "CONTENT_TYPE": ("$content_type",),
    "QUERY_STRING": ("$query_string", "$args"),
    "REQUEST_METHOD": ("$request_method",),
    "REQUEST_URI": ("$request_uri",),
    "DOCUMENT_URI": ("$document_uri", "$uri", "$fastcgi_script_name"),
    "DOCUMENT_ROOT": ("$document_root", "$realpath_root"),
    "SERVER_PROTOCOL": ("$server_protocol",),
    "REQUEST_SCHEME": ("$scheme",),
    "HTTPS": ("$https", "$fastcgi_https"),
    "REMOTE_ADDR": ("$remote_addr",),
    "REMOTE_USER": ("$remote_user",),
    "SERVER_ADDR": ("$server_addr",),
    "SERVER_PORT": ("$server_port",),
    "SERVER_NAME": ("$server_name", "$host"),
    "HTTP_HOST": ("$host", "$http_host"),
    "HTTP_PROXY": ("",),
}
_SERVER_NAME: Final = (
    "scripts get the host of the request as SERVER_NAME, in nginx the first server_name; where scripts trust it, write "
    'params = { SERVER_NAME = "example.com" } in the upstream'
)
_KNOWN: Final = frozenset(
    """
    SCRIPT_FILENAME SCRIPT_NAME PATH_INFO PATH_TRANSLATED QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH
    REQUEST_URI DOCUMENT_URI DOCUMENT_ROOT SERVER_PROTOCOL REQUEST_SCHEME HTTPS GATEWAY_INTERFACE SERVER_SOFTWARE
    REMOTE_ADDR REMOTE_PORT REMOTE_USER SERVER_ADDR SERVER_PORT SERVER_NAME REDIRECT_STATUS HTTP_PROXY HTTP_HOST
    FCGI_ROLE ORIG_SCRIPT_NAME SCRIPT_URL
    """.split()  # noqa: SIM905 - a list of words
)
_WHOLE: Final = (["$fastcgi_script_name"], ["$document_uri"], ["$uri"])
_ONE: Final = re.compile(r"\$\{?\w+\}?")
_SCRIPT: Final = re.compile(r"(?P<root>.*?)/?\$(?:\{)?fastcgi_script_name\}?")


def upstream(
    statement: Statement, level: Level, names: Names, blocks: Mapping[str, Block], result: Result, parts: Parts,
    index: str | None = None, *, is_rewritten: bool = False, suffix: str = "", pages: Sequence[str] = (),
) -> str:  # fmt: skip
    """Its name.  ``index``: the script of paths that name none, where another place says so;
    ``is_rewritten``: the path is not the client's, which nginx passes as REQUEST_URI all the same; ``suffix``: of the
    scripts' names, where it is not that of PHP; ``pages``: of PHP-FPM, which are asked for instead of scripts.

    Raises :class:`Unsayable`.
    """
    said = names.expand(statement.value)
    if said.startswith("suwsgi:"):
        raise Unsayable("rsp has no TLS for uwsgi")
    if "$" in said:
        raise Unsayable(f"the peer {said} is not known before a request comes")
    protocol = statement.name.removesuffix("_pass")
    keys: dict[str, Value] = {"protocol": protocol}
    if pages:
        keys.update(root=root_of_pages(names), pages=list(pages))
    elif protocol == "fastcgi":
        _scripts(statement, level, names, keys, index, parts)
        if suffix and "split" not in keys:
            keys.update(split=suffix, index=f"index{suffix}")
    own = _parameters(level, f"{protocol}_param", names, parts)
    if is_rewritten:
        own.setdefault("REQUEST_URI", "{uri}")
    if own:
        keys["params"] = own
    retry(level, keys, parts, protocol)
    block = blocks.get(said)
    if block is not None and block.peers:
        items = list(block.peers)
        kept = {key: value for key, value in block.keys.items() if key != "keepalive"}
        return result.upstream(block.name, items, {**kept, **keys}, block.statement)
    address = with_port(said.removeprefix("uwsgi://").removeprefix("fastcgi://"), 9000)
    called = "php" if protocol == "fastcgi" and keys.get("split", ".php") == ".php" else wish(address)
    return result.upstream(called, [address], keys, statement)


def _scripts(
    statement: Statement, level: Level, names: Names, keys: dict[str, Value], index: str | None, parts: Parts
) -> None:
    script = next(
        (each.args[1] for each in level.all("fastcgi_param") if each.value == "SCRIPT_FILENAME" and each.args[1:]), ""
    )
    match = _SCRIPT.fullmatch(names.expand(script)) if script else None
    root = match["root"] if match is not None else ""
    if "$request_filename" in script:
        root, uri, _ = names.expand(script).rpartition("$uri")
        if not uri:
            raise Unsayable("rsp looks for scripts by the whole path below a `root`; this alias takes a part of it off")
    elif script and match is None:
        constant = names.expand(script)
        root, _, name = constant.rpartition("/")
        if constant.startswith("$document_root/"):
            root = names.expand("$document_root") + root.removeprefix("$document_root")
        if "$" in root or "$" in name or not root.startswith("/"):
            raise Unsayable(f"rsp does not know the script {script} before a request comes")
        keys.update(root=root, index=name, split=name)
        level.all("fastcgi_split_path_info", "fastcgi_index")
        parts.note(statement, f"{constant} runs for every path, except in folders below it that have their own {name}")
        return
    paths = [each.args[1:] for each in level.all("fastcgi_param") if each.value == "PATH_INFO"]
    if not script and any(path in _WHOLE for path in paths):
        keys["split"] = ""  # an application, such as one of Django: the path is for it, and no script has it
        return
    root = root or names.expand("$document_root")
    if "$" in root:
        root = ""
    if root:
        keys["root"] = root
    elif not script:
        keys["split"] = ""
        return
    else:
        raise Unsayable("the directory of the scripts is not known: no `root`")
    level.all("fastcgi_split_path_info", "fastcgi_index")
    if index is not None and index != "index.php":
        keys["index"] = index


def root_of_pages(names: Names) -> str:
    """Of an upstream that looks for no scripts."""
    said = names.expand("$document_root")
    return said if said.startswith("/") and "$" not in said else "/var/www/html"


def _parameters(level: Level, name: str, names: Names, parts: Parts) -> dict[str, Value]:
    """``params``: what the file says that rsp does not by itself."""
    found: dict[str, Value] = {}
    for statement in level.all(name):
        variable, value, *rest = [*statement.args, "", ""]
        if variable == "SERVER_NAME" and value == "$server_name":
            parts.note(statement, _SERVER_NAME)
        if variable in _ANY or value in _SAME.get(variable, ()) or value == f"${variable.lower()}":
            continue
        if variable == "PATH_INFO" and value and _ONE.fullmatch(value) is None:
            parts.lost(statement, "rsp sets PATH_INFO by itself, to what is behind the script in the path")
            continue
        if variable in FIXED or variable == "HTTP_PROXY":
            parts.note(statement, f"rsp sets {variable} by itself, to what the script and its path are")
            continue
        is_optional = bool(rest[0]) and not names.is_plain(value)
        try:
            if "fastcgi_script_name" in value:
                raise Unsayable("rsp does not know its value before the script is chosen")
            if not is_optional and _has_placeholder(value, names):
                found[variable] = names.text(value)
            elif is_optional and not variable.startswith("HTTP_"):
                raise Unsayable("rsp does not know whether its value is empty")
            else:
                found |= _by_field(variable, names.lua(value), statement, parts)
        except Unsayable as error:
            parts.lost(statement, str(error))
    return found


def _has_placeholder(value: str, names: Names) -> bool:
    try:
        names.text(value)
    except Unsayable:
        return False
    return True


def _by_field(variable: str, value: str, statement: Statement, parts: Parts) -> dict[str, Value]:
    """A variable that a hook makes: it comes to the peer by way of a field of the request, which has its name."""
    is_field = variable.startswith("HTTP_")
    name = field(variable[5:].lower() if is_field else f"x_param_{variable.lower()}")
    line = f'do local value = {value} req.headers{index_of(name)} = value ~= "" and value or nil end'
    if line not in parts.told:
        parts.told.append(line)
    if is_field:
        return {}
    parts.note(statement, f"scripts see the value of {variable} in HTTP_X_PARAM_{variable}, too")
    return {variable: f"{{header.{name}}}"}


def unknown(statement: Statement, parts: Parts) -> None:
    """Reports a variable for scripts that rsp does not send."""
    words = statement.args
    if not statement.name.endswith("_param") or len(words) < 2 or words[0] in _KNOWN or not words[1]:
        return
    if not words[0].startswith("HTTP_"):
        parts.lost(statement, "nothing here is passed to scripts: write params = {} in the upstream")
