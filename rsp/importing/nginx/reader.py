"""nginx.conf, read into a :class:`Site`: the blocks in their order, and what a part of a file lacks."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.automata import begin_import
from rsp.importing.check import MATCHING
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.matching import tls
from rsp.importing.nginx.matching.listen import Listeners
from rsp.importing.nginx.matching.servers import CONTENT, Server, first_name
from rsp.importing.nginx.peers import upstreams
from rsp.importing.nginx.peers.fastcgi import FIXED
from rsp.importing.nginx.rewrite import idioms
from rsp.importing.nginx.rewrite.guards import Dynamic
from rsp.importing.nginx.routes import Routes
from rsp.importing.nginx.rules import field_lines, logs, media, settings, substitutions, times
from rsp.importing.nginx.rules.access import Zones, set_in_vain
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.misspelt import corrected
from rsp.importing.nginx.syntax.tree import Statement, Tree, mark
from rsp.importing.nginx.syntax.words import DROPPED, NOTED
from rsp.importing.nginx.values import elsewhere, surroundings
from rsp.importing.nginx.values.environment import Environment
from rsp.importing.nginx.values.maps import Maps
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Names, pieces
from rsp.importing.shared import share
from rsp.importing.site import Declaration, Note, Origin, Script, Setting, Site, Untranslated, Value
from rsp.importing.trust import BEHIND, note_trust

_MAIN: Final = ("http", "events", "stream", "mail")
_HTTP: Final = ("server", "upstream", "map", "geo", "split_clients", "limit_req_zone", "limit_conn_zone", "log_format",
                "proxy_cache_path", "types")  # fmt: skip
_SERVER: Final = ("location", "listen", "server_name")
PLACEHOLDER: Final = "127.0.0.1:8000"
_ASKING: Final = ("listen", "server", "proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass")
_SOCKET: Final = re.compile(r"(?:https?://)?unix:(?![^:]*\.env\d+\.)(?=[\w.])")  # no placeholder of a template
_PREFIX: Final = "/usr/share/nginx"
_SCRIPTS: Final = "127.0.0.1:9000"
_ROOT: Final = "/var/www/html"


def read(path: Path, text: str, prefix: str | None = None) -> Site:
    """Raises :class:`rsp.importing.site.Unreadable`."""
    begin_import()
    folder = Path(prefix) if prefix is not None else path.parent
    tree = Tree(path, folder, text)
    site = Site("nginx", str(path))
    for remark in tree.remarks:
        site.add(remark)
    result = Result(site)
    statements = tree.statements
    for remark in corrected(statements):
        site.add(remark)
    environment = Environment(statements)
    is_part = not {statement.name for statement in statements} & set(_MAIN)
    if is_part and _is_of_stream(statements):
        statements = [Statement("stream", [], statements[0].origin, statements)]
    elif is_part:
        statements = _completed(statements, path, result)
    _translate(Level("main", statements), result, folder, is_part=is_part)
    result.finish()
    note_trust(site)
    environment.restore(site)
    return site


def _is_of_stream(statements: list[Statement]) -> bool:
    """Whether it is a part of `stream`: for HTTP, a server passes requests on in its locations alone."""
    servers = [inner for each in statements if each.name == "server" for inner in each.block or []]
    return any(inner.name == "proxy_pass" or "udp" in inner.args for inner in servers)


def _completed(statements: list[Statement], path: Path, result: Result) -> list[Statement]:
    """The main level around a part of a file."""
    names = {statement.name for statement in statements}
    origin = statements[0].origin if statements else Origin(str(path), 1)
    block = statements
    if not names & set(_HTTP):
        if names & set(_SERVER):
            block = [Statement("server", [], origin, statements)]
        else:
            block = _around_directives(statements, origin)
            if not {*CONTENT} & names and {"fastcgi_param", "uwsgi_param"} & names:
                said = (
                    f"the file is a part of a configuration and does not say what runs scripts: {_SCRIPTS} is a guess"
                )
                result.site.add(Note(said, origin))
    outer = [statement for statement in block if statement.name in DROPPED or statement.name in NOTED]
    inner = [statement for statement in block if statement not in outer]
    taken, notes = surroundings.definitions(statements, path)
    for note in notes:
        result.site.add(note)
    return [*outer, Statement("http", [], origin, [*taken, *inner])]


def _around_directives(statements: list[Statement], origin: Origin) -> list[Statement]:
    """Directives of a location, or only settings, as an include file has them."""
    if not statements:
        return statements
    answering = {*CONTENT, "root", "alias", "try_files", "return", "rewrite", "deny", "stub_status"}
    inner = list(statements)
    names = {statement.name for statement in statements}
    if not names & answering:
        passing = Statement("proxy_pass", [f"http://{PLACEHOLDER}"], origin)
        for word in ("fastcgi", "uwsgi"):
            if f"{word}_param" in names:
                passing = Statement(f"{word}_pass", [_SCRIPTS], origin)
        inner.append(passing)
    return [Statement("server", [], origin, [Statement("location", ["/"], origin, inner)])]


def _translate(main: Level, result: Result, folder: Path, *, is_part: bool) -> None:
    for statement in main.own("events"):
        mark(statement)
        result.site.drop("events")
    for statement in [each for each in main.own("stream", "mail") if not each.block]:
        main.block.remove(statement)
    main = Level("main", main.block)
    for statement in main.own("stream"):
        result.settings.lost(_short(statement), "rsp is a proxy for HTTP, not for TCP and UDP")
        mark(statement)
    for statement in main.own("mail"):
        result.settings.lost(_short(statement), "rsp is a proxy for HTTP, not for mail")
        mark(statement)
    blocks = main.own("http")
    http = Level("http", [inner for statement in blocks for inner in statement.block or []])
    others = elsewhere.Elsewhere(result, main.block, is_part=is_part)
    maps = Maps(result, http.own("map", "geo", "split_clients"), others)
    _absolute(main.block, result)
    field_lines.put_right(main.block, result.settings)
    matter = _matter(main.block)
    functions = Dynamic(maps, _dynamic(main.block))
    context = Context(
        result,
        http,
        upstreams.blocks(http, result, Names({}, functions)),
        Zones(http, guesses=is_part),
        functions,
        matter,
        logs.Formats(http, result),
    )
    for statement in http.own("server"):
        idioms.answer_echoes(statement.block or [])
        idioms.translate(statement)
    guess = _ROOT if is_part else f"{_PREFIX}/html"
    constants = {"document_root": guess, "realpath_root": guess, "ssl_early_data": ""}  # rsp accepts no early data
    if not any(each.name == "set_real_ip_from" for each in every(main.block)):
        constants["realip_remote_addr"] = "$remote_addr"
    if is_part:
        _complete_scripts(http, result)
    if constants and not _names_root(main.block) and _looks_for_files(main.block):
        result.site.add(Note(f"the file is a part of a configuration and names no `root`: {_ROOT} is a guess"))
    servers = [
        Server(
            statement, http, functions, {**constants, **set_in_vain(statement), **maps.of_server(first_name(statement))}
        )
        for statement in http.own("server")
    ]
    trusted = settings.whole(main, http, result)
    log = logs.whole(http, context.formats, result)
    if log is not None:
        result.settings.append(Setting("access_log", log))
    times.for_all(http, result)
    listeners = Listeners(servers, result)
    listeners.redirect()
    listeners.declare(trusted)
    routes = Routes(context, servers, listeners, folder)
    tls.rules(servers, result)
    for server in servers:
        routes.add(server)
    routes.finish()
    tls.stand_in(listeners.by_address.values(), result)
    for name, block in context.blocks.items():
        if name not in {part.name for part in result.upstreams if isinstance(part, Declaration)} and block.peers:
            result.upstream(block.name, list(block.peers), block.keys, block.statement)
    http.own("auth_basic", "auth_basic_user_file", "fastcgi_param", "uwsgi_param")  # no level below inherits them
    closes = context.leftovers(http.block, result.settings)
    if context.leftovers(main.block, result.settings) or closes:
        _close(result)
    _headers(main.block, result, is_trusting=bool(trusted))
    _uri_of_scripts(result)
    media.tell_of_peers(main.block, result.settings)
    substitutions.declare(result)
    result.drop_unused()
    share(result.routes, result.settings, result.scripts)
    _complete(result, is_part=is_part)


def _complete_scripts(http: Level, result: Result) -> None:
    """A part whose ``try_files`` ends at a script, and that does not say what runs it."""
    for server in http.own("server"):
        scripts = [
            statement
            for statement in every(server.block or [])
            if (
                statement.name == "try_files"
                and re.match(r"/[^?$]*\.php", statement.args[-1] if statement.args else "")
            )
            or (statement.name == "rewrite" and re.match(r"/[^?$]*\.php", [*statement.args, "", ""][1]))
        ]
        runs = any(
            statement.name == "fastcgi_pass" or (statement.name == "location" and _takes_scripts(statement))
            for statement in every(server.block or [])
        )
        if scripts and not runs:
            passing = Statement("fastcgi_pass", [_SCRIPTS], server.origin)
            (server.block or []).append(Statement("location", ["~", r"\.php$"], server.origin, [passing]))
            said = f"the file is a part of a configuration and does not say what runs PHP: {_SCRIPTS} is a guess"
            result.site.add(Note(said, scripts[0].origin))


def _takes_scripts(location: Statement) -> bool:
    """Whether scripts are for this location, and not only refused by one that nginx finds before what is added."""
    is_before = location.args[:1] in (["="], ["^~"], ["~"], ["~*"])
    refuses = is_before and any(each.name in ("return", "deny") for each in location.block or [])
    return "php" in " ".join(location.args) and not refuses


def _absolute(block: list[Statement], result: Result) -> None:
    """Directories that are relative to where nginx is installed."""
    for statement in every(block):
        if statement.name == "index":
            statement.args[:] = [word.removeprefix("./") for word in statement.args]
        if statement.name in _ASKING and _SOCKET.match(statement.value):
            statement.args[0] = _SOCKET.sub(rf"\g<0>{_PREFIX}/", statement.value)
            result.settings.note(statement, f"the socket is relative to where nginx was started: {_PREFIX} is a guess")
        if statement.name in ("root", "alias") and re.match(r"(?![A-Za-z]:)[^/$]", statement.value):
            statement.args[0] = f"{_PREFIX}/{statement.value.removeprefix('./')}"
            said = f"{statement.name} is relative to where nginx is installed: {_PREFIX} is a guess"
            result.settings.note(statement, said)


def _uri_of_scripts(result: Result) -> None:
    """A rewritten path is not hidden from scripts."""
    has_scripts = any(isinstance(part, Declaration) and "protocol" in part.keys for part in result.upstreams)
    parts = [part for part in (*result.scripts, *result.routes) if not isinstance(part, (Note, Untranslated))]
    if has_scripts and any(re.search(r"req\.path = (?!=)", str(part)) for part in parts):
        said = "scripts see a rewritten path in REQUEST_URI, too; nginx keeps the path of the client there"
        result.settings.note(None, said)


def _looks_for_files(block: list[Statement]) -> bool:
    return any(statement.name in ("try_files", "fastcgi_pass") for statement in every(block))


def _names_root(block: list[Statement]) -> bool:
    return any(statement.name in ("root", "alias") for statement in every(block))


def _close(result: Result) -> None:
    """Something that holds for all servers keeps clients out, and is not translated."""
    for part in result.routes:
        if isinstance(part, Declaration):
            part.keys = {**{key: part.keys[key] for key in MATCHING if key in part.keys}, "respond": {"status": 503}}


def _headers(block: list[Statement], result: Result, *, is_trusting: bool) -> None:
    """Whether peers learn of the client by fields, which nginx sends only where it is told to."""
    said = {
        inner.value.lower()
        for inner in every(block)
        if inner.name in ("proxy_set_header", "grpc_set_header") and inner.args
    }
    if not any(name.startswith("x-forwarded-") for name in said) and any(
        isinstance(part, Declaration) and "protocol" not in part.keys for part in result.upstreams
    ):
        result.settings.append(_setting("forwarded", "off"))
    chained = next((each for each in every(block) if "$proxy_add_x_forwarded_for" in each.args), None)
    if chained is not None and not is_trusting:
        result.settings.note(chained, BEHIND)


def _setting(name: str, value: Value) -> "Script":
    from rsp.importing.lua import quoted

    return Script(f"{name} = {quoted(str(value))}  -- nginx sends none of its own, but passes those of clients on")


def _complete(result: Result, *, is_part: bool) -> None:
    """What a part of a file lacks, with a comment."""
    listens = [part for part in result.listeners if isinstance(part, Declaration)]
    if not listens or (is_part and all(part.comments for part in listens)):
        what = "is a part of a configuration" if is_part else "has no server"
        said = f"The file {what}: say where clients come in."
        result.listeners[:] = [part for part in result.listeners if not isinstance(part, Declaration)]
        result.listeners.append(Declaration("listen", "0.0.0.0:80", comments=[said]))
    if any(part.keys.get("tls") for part in listens) and not any(
        isinstance(part, Declaration) for part in result.certificates
    ):
        said = "The file names no certificate for its listeners with TLS: put yours here (docs/tls.md)."
        files: list[Value] = ["/etc/ssl/certs/site.pem"]
        keys: dict[str, Value] = {"key": "/etc/ssl/private/site.key"}
        result.certificates.append(Declaration("certificate", items=files, keys=keys, comments=[said]))
    upstreams_there = [part for part in result.upstreams if isinstance(part, Declaration)]
    for part in upstreams_there:
        if is_part and part.items == [PLACEHOLDER] and part.name == "local-8000":
            part.comments.append("The file is a part of a configuration: put your peers here.")
    if any(isinstance(part, Declaration) for part in result.routes):
        return
    if any(isinstance(part, Declaration) and part.keys.get("redirect") for part in result.listeners):
        said = "All listeners redirect, so no request comes here."
        result.routes.append(Declaration("route", keys={"respond": {"status": 404}}, comments=[said]))
    else:
        if not upstreams_there:
            said = "The file names no peers: put yours here."
            result.upstreams.append(Declaration("upstream", "app", [PLACEHOLDER], comments=[said]))
        name = upstreams_there[0].name if upstreams_there else "app"
        said = "The file has no server that would say which requests go where."
        result.routes.append(Declaration("route", keys={"to": name}, comments=[said]))


def _matter(block: list[Statement]) -> frozenset[str]:
    """Variables that something asks for which is translated: not those that only steer a cache, or a log."""
    found: set[str] = set()
    for statement in every(block):
        if _is_idle(statement):
            continue
        words = statement.args[1:] if statement.name in ("set", "map", "geo") else statement.args
        if statement.name in ("map", "geo"):
            words = statement.args[:1]
        for word in words:
            found.update(name for _, name in pieces(word) if name)
    # A variable that only decides about others which do not matter does not matter either.
    return frozenset(found - _idle(block))


def _is_idle(statement: Statement) -> bool:
    """Whether the values of its variables do not matter: rsp does not have it, or sets it by itself."""
    name = statement.name
    if name in DROPPED or name in NOTED or name in ("log_format", "access_log"):
        return True
    return name == "fastcgi_param" and statement.value in FIXED


def _idle(block: list[Statement]) -> set[str]:
    """Variables that are set in `if`, and asked for by nothing but what rsp does not have."""
    asked: set[str] = set()
    for statement in every(block):
        if _is_idle(statement):
            continue
        if statement.name == "if" and all(inner.name == "set" for inner in statement.block or []):
            continue
        words = statement.args[1:] if statement.name == "set" else statement.args
        for word in words:
            asked.update(name for _, name in pieces(word) if name)
    settable = {each.value.lstrip("$") for each in every(block) if each.name == "set"}
    return settable - asked


def _dynamic(block: list[Statement]) -> set[str]:
    return {
        re.sub(r"\W", "", statement.value)
        for statement in every(block)
        if statement.name == "set" and len(statement.args) == 2
    }


def _short(statement: Statement) -> Statement:
    return Statement(statement.name, statement.args, statement.origin, [])
