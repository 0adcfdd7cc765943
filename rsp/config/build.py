"""From declarations, as the Lua vocabulary recorded them, to a checked :class:`Config`.

A declaration is plain data: what it declares, the table that was given, and where.  Each is checked by itself, so
that one run names every mistake in a file.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from rsp.config import dashboard_rules, keys, log_rules, metrics_rules, rules, slips, tls_rules, tracing_rules, wording
from rsp.config.declaration import EMPTY, Declaration, plain, with_first, with_peers
from rsp.config.errors import ConfigError, Path, Position, suggest
from rsp.config.locate import find_assignment, find_line
from rsp.config.repair import original, put_aside
from rsp.config.schema import Config, Listener, Page, Route, Settings, Timer, decode_hook
from rsp.config.tls import Certificate
from rsp.config.units import show
from rsp.config.upstreams import Upstream
from rsp.config.words import hint

T = TypeVar("T")

HOOKS = ("on_request", "on_upstream", "on_response", "on_error", "on_log")  # of a route, or of all
_ALL_HOOKS = (*HOOKS, "on_start", "on_reload")
_MOST_MISTAKES = 20  # of one declaration
_ANCESTOR = ("listenPort", "backendAddress", "backendPort")


class Builder:
    """Collects mistakes while it builds; ``sources`` are the texts of the Lua files, by the name positions use."""

    def __init__(
        self,
        declarations: Sequence[Declaration],
        sources: Mapping[str, str],
        main: str,
        read: Callable[[str], str],
        hooks: tuple[str, ...] = (),
    ) -> None:
        self._hooks = hooks
        self._declarations = declarations
        self._sources = sources
        self._main = main
        self._read = read
        self._mistakes: list[tuple[Position, str]] = []
        self._aside: dict[
            int, set[str]
        ] = {}  # by the id of a declaration that is not whole: the keys that are put aside
        self._origins: dict[int, tuple[Declaration, str]] = {}  # by the id of what came of it; and what it is called

    def build(self) -> Config:
        """Raises :class:`ConfigError` with every mistake found, in the order of their lines."""
        settings = self._settings()
        listeners, upstreams, routes = self._declared()
        pages = self._pages()
        timers = self._timers()
        certificates = self._certificates()
        ancestor = self._ancestor()
        if ancestor is not None:
            listeners.append(ancestor[0])
            upstreams.append(ancestor[1])
            if not routes:
                routes.append(Route(to=ancestor[1].name))
        elif not self._mistakes:
            self._whole(listeners, upstreams, routes)
        declared = tls_rules.Declared(settings, listeners, upstreams, routes, certificates)
        if not self._mistakes:
            self._mistakes += map(self._said, (*tls_rules.mistakes(declared), *metrics_rules.clashes(declared)))
        if self._mistakes:
            self._mistakes.sort(key=lambda mistake: (mistake[0].file, mistake[0].line))
            raise ConfigError(*(f"{at}: {_line(message)}" for at, message in self._mistakes))
        return Config(
            settings=settings,
            listeners=tuple(listeners),
            upstreams=tuple(upstreams),
            routes=tuple(routes),
            certificates=tuple(certificates),
            pages=tuple(pages),
            timers=tuple(timers),
            hooks=self._hooks,
            places=self._places(declared),
            warnings=tuple(f"{at}: warning: {said}" for at, said in map(self._said, tls_rules.warnings(declared))),
            operators=dashboard_rules.operators(settings, self._main),
        )

    def _whole(self, listeners: list[Listener], upstreams: list[Upstream], routes: list[Route]) -> None:
        """What no single declaration can be blamed for."""
        nowhere = Position(self._main, 0)
        if not listeners:
            self._mistakes.append((nowhere, 'nothing to listen on: add  listen "0.0.0.0:8080"  (or listenPort)'))
        if not upstreams and self._hooks:  # they may answer
            return
        if not upstreams:
            self._mistakes.append((nowhere, 'no upstream: add  upstream "app" { "127.0.0.1:8000" }'))
        elif not routes and len(upstreams) == 1:
            routes.append(Route(to=upstreams[0].name))
        elif not routes:
            self._mistakes.append((nowhere, f'no route: add  route {{ to = "{upstreams[0].name}" }}'))

    # -- the declarations, kind by kind

    def _settings(self) -> Settings:
        known = Settings.__struct_fields__
        values: dict[str, Any] = {}
        for item in self._of("global"):
            if item.name in known and item.value == EMPTY:
                continue
            if item.name in known:
                value = self._checked(item, {item.name: plain(item.value)}, Settings, f"{item.name}")
                if value is not None:
                    values[item.name] = getattr(value, item.name)
            elif item.name not in _ANCESTOR:
                near = suggest(item.name, (*known, *_ANCESTOR))
                if item.top or near:
                    said = hint(item.name, (*known, *_ANCESTOR)) or wording.home(item.name)
                    self._mistakes.append(
                        (item.at, f'unknown setting "{item.name}"{said}; make it local if it is your own')
                    )
        settings = Settings(**values)
        found = (*rules.setting_mistakes(settings), *tls_rules.setting_mistakes(settings))
        observed = (*metrics_rules.mistakes(settings), *dashboard_rules.mistakes(settings, self._main))
        traced = tracing_rules.mistakes(settings.tracing)
        for path, message in (*found, *observed, *traced, *log_rules.mistakes(settings.access_log)):
            item = next(item for item in self._of("global") if item.name == path[0])
            self._complain(item, path, message)
        return settings

    def _declared(self) -> tuple[list[Listener], list[Upstream], list[Route]]:
        listeners: dict[str, Listener] = {}
        upstreams: dict[str, Upstream] = {}
        seen: dict[str, Position] = {}
        for item in self._of("listen"):
            listener = self._checked(item, with_first(item.value, "address"), Listener, "listen")
            if listener is None or not self._is_whole(item):
                continue
            label = f'listen "{listener.address}"'
            if self._first(item, seen, label, listener.address):
                listeners[listener.address] = listener
                self._origins[id(listener)] = item, label
                for path, message in tls_rules.listener_mistakes(listener):
                    self._complain(item, path, f"{label}: {message}")
        seen = {}
        for item in self._of("upstream"):
            label = f'upstream "{item.name}"'
            upstream = self._checked(item, with_peers(item), Upstream, label)
            if self._first(item, seen, label, item.name) and upstream is not None:
                upstreams[item.name] = upstream
                self._origins[id(upstream)] = item, label
                for path, message in (*rules.upstream_mistakes(upstream), *tls_rules.upstream_mistakes(upstream)):
                    self._judge(item, path, f"{label}: {message}")
        routes: list[Route] = []
        checked: list[Declaration] = []
        declared: dict[str, Position] = {}
        for item in self._of("route"):
            route = self._checked(item, plain(item.value), Route, "route")
            if route is None:
                continue
            self._origins[id(route)] = item, "route"
            given = tls_rules.route_mistakes(route, item.value["map"] if isinstance(item.value, dict) else ())
            logged = log_rules.mistakes(route.access_log)
            for path, message in (*rules.route_mistakes(route, list(seen)), *given, *logged):
                self._judge(item, path, f"route: {message}")
            if self._is_whole(item):
                routes.append(route)
                checked.append(item)
                self._first(item, declared, "this route", rules.route_key(route))
        if not any(item.name == "on_request" for item in self._of("hook")):  # it could answer before
            for number, message in slips.circles(routes):
                self._complain(checked[number], ("redirect",), f"route: {message}")
        return list(listeners.values()), list(upstreams.values()), routes

    def _pages(self) -> list[Page]:
        """Files are read here, so that what is distributed is whole."""
        pages = []
        seen: dict[str, Position] = {}
        for item in self._of("page"):
            page = self._checked(item, plain(item.value), Page, "page")
            if page is None or not self._is_whole(item):
                continue
            for status in page.status if isinstance(page.status, tuple) else (page.status,):
                self._first(item, seen, f"the page for {status}", str(status))
                if not 400 <= status <= 599:
                    self._complain(item, ("status",), f"page: status: rsp has no error {status}; 400 to 599 are errors")
            try:
                if page.file is not None and page.body is not None:
                    raise ValueError('"file" and "body" exclude each other')
                if page.file is None and page.body is None:
                    raise ValueError("either file or body is needed")
                body = self._read(page.file) if page.file is not None else page.body
                pages.append(msgspec.structs.replace(page, file=None, body=body))
            except ValueError as error:
                self._complain(item, ("file",), f"page: {error}")
        return pages

    def _certificates(self) -> list[Certificate]:
        certificates = []
        for item in self._of("certificate"):
            certificate = self._checked(item, with_first(item.value, "file"), Certificate, "certificate")
            if certificate is not None and self._is_whole(item):
                certificate = msgspec.structs.replace(certificate, at=str(item.at))
                certificates.append(certificate)
                self._origins[id(certificate)] = item, f'certificate "{certificate.file}"'
        return certificates

    def _timers(self) -> list[Timer]:
        for item in self._of("function"):
            near = suggest(item.name, _ALL_HOOKS)
            if item.name.startswith("on_"):
                self._mistakes.append((item.at, f'unknown hook "{item.name}"{near}; make it local if it is your own'))
        hooks: dict[str, Position] = {}
        for item in self._of("hook"):
            if item.name not in ("on_start", "on_reload"):  # of the others, only one would run
                self._first(item, hooks, f'the hook "{item.name}"', item.name)
        timers = [self._checked(item, plain(item.value), Timer, "every") for item in self._of("every")]
        return [timer for timer in timers if timer is not None]

    def _ancestor(self) -> tuple[Listener, Upstream] | None:
        """The three globals of the C program of 2013: strings, as there, or numbers for the ports."""
        given = {item.name: item for item in self._of("global") if item.name in _ANCESTOR}
        if not given:
            return None
        main = Position(self._main, 0)
        texts: dict[str, str] = {}
        for name in _ANCESTOR:
            item = given.get(name)
            value = item.value if item is not None else None
            at = item.at if item is not None else main
            if isinstance(value, int) and not isinstance(value, bool) and name != "backendAddress":
                value = str(value)
            if not isinstance(value, str):
                self._mistakes.append((at, f"{name} must be a string"))
                value = "127.0.0.1" if name == "backendAddress" else "1"
            elif name != "backendAddress" and not (value.isascii() and value.isdigit() and 0 <= int(value) <= 65535):
                self._mistakes.append((at, f'{name} must be a string with a port from 0 to 65535, got "{value}"'))
                value = "1"
            texts[name] = value
        host = texts["backendAddress"]
        if "://" in host:
            item, plain = given["backendAddress"], re.split(r"[/:]", host.partition("://")[2])[0]
            self._mistakes.append((item.at, f"backendAddress: an address has no scheme; write {show(plain)}"))
            return None
        address = f"[{host}]:{texts['backendPort']}" if ":" in host else f"{host}:{texts['backendPort']}"
        listener = {"address": texts["listenPort"]}
        upstream = {"name": "backend", "peers": [{"address": address}]}
        try:
            return (
                msgspec.convert(listener, Listener, dec_hook=decode_hook),
                msgspec.convert(upstream, Upstream, dec_hook=decode_hook),
            )
        except msgspec.ValidationError as error:
            at = given["backendAddress"].at if "backendAddress" in given else main
            self._mistakes.append((at, f"backendAddress: {wording.without_place(error)}"))
            return None

    # -- tools

    def _of(self, kind: str) -> list[Declaration]:
        return [item for item in self._declarations if item.kind == kind]

    def _first(self, item: Declaration, seen: dict[str, Position], label: str, key: str) -> bool:
        if key in seen:
            self._mistakes.append((item.at, f"{label} is declared twice (first at {seen[key]})"))
            return False
        seen[key] = item.at
        return True

    def _complain(self, item: Declaration, path: Path, message: str) -> None:
        self._mistakes.append((self._position(item, path), message))

    def _position(self, item: Declaration, path: Path) -> Position:
        line = item.at.line
        source = self._sources.get(item.at.file)
        if path and item.kind == "global":
            path = path[1:]
            if source is not None and line and isinstance(item.value, dict):
                line = find_assignment(source, line, item.name)
        if source is not None and line and path and isinstance(item.value, dict):
            line = find_line(source, line, path, item.name if item.kind == "upstream" else "")
        return Position(item.at.file, line)

    # -- what came of the declarations, together

    def _origin(self, owner: msgspec.Struct, path: Path) -> tuple[Position, str]:
        """Where ``path`` of it is written, and what it is called."""
        if isinstance(owner, Settings):
            item, label = next(item for item in self._of("global") if item.name == path[0]), str(path[0])
        elif id(owner) in self._origins:
            item, label = self._origins[id(owner)]
        else:
            return Position(self._main, 0), ""
        return self._position(item, path), label

    def _said(self, finding: tls_rules.Finding) -> tuple[Position, str]:
        at, label = self._origin(finding.owner, finding.path)
        message = finding.message
        if finding.other is not None:
            message = message.replace("{other}", str(self._origin(finding.other, finding.path)[0]))
        return at, f"{label}: {message}"

    def _places(self, declared: tls_rules.Declared) -> dict[str, str]:
        """Of each file that TLS is made of, and of each host, behind its key: where it is named first."""
        places: dict[str, str] = {}
        for route in declared.routes if declared.is_secure else ():
            if route.host is not None:
                places.setdefault(f"host {route.host}", str(self._origin(route, ("host",))[0]))
        for owner, path, name, _ in tls_rules.files(declared):
            places.setdefault(f"{path[-1]} {name}", str(self._origin(owner, path)[0]))
        return places

    def _checked(self, item: Declaration, value: Any, wanted: type[T], label: str) -> T | None:
        """What ``value`` says, as far as it can be understood; the mistakes in it are noted, and put aside."""
        unknown = list(keys.unknown(wanted, value))
        for path in unknown:
            what = wording.unknown_key(wanted, path)
            self._complain(item, _as_written(path), ": ".join([label, *_names(path[:-1], label), what]))
        gone = list(unknown)
        value = keys.without(value, unknown) if unknown else value
        checked: T | None = None
        for _ in range(_MOST_MISTAKES):
            try:
                checked = msgspec.convert(value, wanted, dec_hook=decode_hook)
            except msgspec.ValidationError as error:
                message, path = wording.mistake(error, wanted, value)
                if not (message.startswith("missing ") and path in [known[:-1] for known in unknown]):
                    about = "".join(f": {name}" for name in _names(wording.keys_of(wanted, path), label))
                    self._complain(item, _as_written(original(path, gone)), f"{label}{about}: {message}")
                path = wording.spot(error, value)
                gone.append(original(path, gone))
                value = put_aside(wanted, value, path)
                if value is None:
                    break
                continue
            unsendable = list(rules.unsendable(checked))
            for path, message in unsendable:
                self._complain(
                    item, _as_written(original(path, gone)), ": ".join([label, *_names(path, label), message])
                )
            if not unsendable:
                break
            checked = None
            for path in reversed(dict.fromkeys(path for path, _ in unsendable)):
                gone.append(original(path, gone))
                value = put_aside(wanted, value, path)
                if value is None:
                    return None
        if gone:
            self._aside[id(item)] = {str(path[-1]) for path in gone if path}
        return checked

    def _is_whole(self, item: Declaration) -> bool:
        return id(item) not in self._aside

    def _judge(self, item: Declaration, path: Path, message: str) -> None:
        """A mistake by the rules, unless it may come of what has been put aside."""
        aside = self._aside.get(id(item))
        if aside is not None and (
            not path
            or any(re.search(rf'"{re.escape(name)}"|\b{re.escape(name)} (?:"|of\b)', message) for name in aside)
        ):
            return
        self._complain(item, path, message)


def _line(message: str) -> str:
    """A message that quotes control characters is one line still."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: ascii(found[0])[1:-1], message)


def _names(path: Path, label: str) -> list[str]:
    """The keys that lead to a mistake, as a message names them behind ``label``."""
    return [step for step in path if isinstance(step, str) and step not in ("peers", label)]


def _as_written(path: Path) -> Path:
    """The path through the Lua table: peers stand in the upstream's own list, items count from 1."""
    steps = path[1:] if path[:1] == ("peers",) else path
    written = [step + 1 if isinstance(step, int) else step for step in steps]
    if written and written[-1] == "address":
        written[-1] = 1
    return tuple(int(step[1:-1]) if isinstance(step, str) and step[:1] == "[" else step for step in written)
