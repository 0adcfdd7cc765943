"""From declarations, as the Lua vocabulary recorded them, to a checked :class:`Config`.

A declaration is plain data: what it declares, the table that was given, and where.  Each is checked by itself, so
that one run names every mistake in a file.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as File
from typing import Any, TypeVar

import msgspec

from rsp.config import (  # isort: skip
    ancestor, cluster_limits, compress_rules, dashboard_rules, files_rules, keys, log_rules, metrics_rules,
    response_rules, route_checks, routing_rules, rules, slips, store_rules, store_words, tls_rules, tracing_rules,
    wording,
)  # fmt: skip
from rsp.config.declaration import Declaration, plain, with_first, with_peers
from rsp.config.engines import Store
from rsp.config.errors import ConfigError, Path, Position, one_line, suggest
from rsp.config.locate import find_assignment, find_line
from rsp.config.placeholders import groups_of
from rsp.config.places import places
from rsp.config.repair import original, put_aside
from rsp.config.routes import Route
from rsp.config.schema import Config, Listener, Page, Settings, Timer, decode_hook
from rsp.config.tls import Certificate
from rsp.config.upstreams import Upstream
from rsp.config.words import hint

T = TypeVar("T")

HOOKS = ("on_request", "on_upstream", "on_response", "on_error", "on_log")  # of a route, or of all
_ALL_HOOKS = (*HOOKS, "on_start", "on_reload")
_MOST_MISTAKES = 20  # of one declaration


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
        self._folder = File(main).absolute().parent
        self._read = read
        self._mistakes: list[tuple[Position, str]] = []
        self._aside: dict[int, set[Path]] = {}  # by the id of a declaration that is not whole: what is put aside
        self._origins: dict[int, tuple[Declaration, str]] = {}  # by the id of what came of it; and what it is called

    def build(self) -> Config:
        """Raises :class:`ConfigError` with every mistake found, in the order of their lines."""
        settings = self._settings()
        listeners, upstreams, routes = self._declared()
        stores = self._stores()
        pages = self._pages()
        timers = self._timers()
        certificates = self._certificates()
        former = self._ancestor()
        if former is not None:
            listeners.append(former[0])
            upstreams.append(former[1])
            if not routes:
                routes.append(Route(to=former[1].name))
        elif not self._mistakes:
            self._whole(listeners, upstreams, routes)
        declared = tls_rules.Declared(settings, listeners, upstreams, routes, certificates, stores)
        if not self._mistakes:
            found = (
                *tls_rules.mistakes(declared), *metrics_rules.clashes(declared), *response_rules.hidden(declared),
                *cluster_limits.mistakes(routes, tuple(stores)),
            )  # fmt: skip
            self._mistakes += map(self._said, found)
        if self._mistakes:
            self._mistakes.sort(key=lambda mistake: (mistake[0].file, mistake[0].line))
            raise ConfigError(*self._lines())
        return Config(
            settings=settings,
            listeners=tuple(listeners),
            upstreams=tuple(upstreams),
            routes=tuple(routes),
            stores=tuple(stores),
            certificates=tuple(certificates),
            pages=tuple(pages),
            timers=tuple(timers),
            hooks=self._hooks,
            places=places(declared, self._origin),
            warnings=self._warnings(declared),
            operators=dashboard_rules.operators(settings, self._main),
        )

    def beside(self) -> tuple[list[Upstream], list[Route], list[str]]:
        """Upstreams and routes that are no whole configuration, and every mistake found."""
        _, upstreams, routes = self._declared()
        return upstreams, routes, self._lines()

    def _lines(self) -> list[str]:
        return [f"{at}: {one_line(message)}" for at, message in self._mistakes]

    def _warnings(self, declared: tls_rules.Declared) -> tuple[str, ...]:
        found = route_checks.warnings(declared, self._folder, self._sources)
        return tuple(f"{at}: warning: {one_line(said)}" for at, said in map(self._said, found))

    def _whole(self, listeners: list[Listener], upstreams: list[Upstream], routes: list[Route]) -> None:
        """What no single declaration can be blamed for."""
        nowhere = Position(self._main, 0)
        if not listeners:
            self._mistakes.append((nowhere, 'nothing to listen on: add  listen "0.0.0.0:8080"  (or listenPort)'))
        if not upstreams and (self._hooks or routes):  # they may answer
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
            if item.name in known:
                value = self._checked(item, {item.name: plain(item.value)}, Settings, f"{item.name}")
                if value is not None:
                    values[item.name] = getattr(value, item.name)
            elif item.name not in ancestor.WORDS:
                near = suggest(item.name, (*known, *ancestor.WORDS))
                if item.top or near:
                    said = hint(item.name, (*known, *ancestor.WORDS)) or wording.home(item.name)
                    self._mistakes.append(
                        (item.at, f'unknown setting "{item.name}"{said}; make it local if it is your own')
                    )
        settings = Settings(**values)
        found = (
            *rules.setting_mistakes(settings), *tls_rules.setting_mistakes(settings),
            *response_rules.setting_mistakes(settings), *compress_rules.setting_mistakes(settings),
        )  # fmt: skip
        observed = (*metrics_rules.mistakes(settings), *dashboard_rules.mistakes(settings, self._main))
        traced = tracing_rules.mistakes(settings.tracing)
        for path, message in (*found, *observed, *traced, *log_rules.mistakes(settings.access_log)):
            item = next(item for item in self._of("global") if item.name == path[0])
            self._judge(item, path, message)
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
                for path, message in rules.listener_mistakes(listener):
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
        for item in self._of("route"):
            route = self._checked(item, plain(item.value), Route, "route")
            if route is None:
                continue
            route = files_rules.absolute(route, self._folder)
            self._origins[id(route)] = item, "route"
            given = tls_rules.route_mistakes(route, item.value["map"] if isinstance(item.value, dict) else ())
            logged = log_rules.mistakes(route.access_log, groups_of(route))
            checked_by = route_checks.mistakes(route, list(seen))
            for path, message in (*rules.route_mistakes(route, list(seen)), *checked_by, *given, *logged):
                self._judge(item, path, f"route: {message}")
            if self._is_whole(item):
                routes.append(route)
                checked.append(item)
        for number, message in routing_rules.unheard(routes, listeners):
            self._complain(checked[number], ("listener",), f"route: {message}")
        for number, before, message in routing_rules.shadowed(routes):
            self._complain(checked[number], (), message.replace("{other}", str(checked[before].at)))
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
                    self._complain(item, ("status",), f"page: status: {status} is not an error; errors are 400 to 599")
            try:
                if page.file is not None and page.body is not None:
                    raise ValueError('"file" and "body" cannot be used together')
                if page.file is None and page.body is None:
                    raise ValueError('missing "file" or "body"; add one of them')
                body = self._read(page.file) if page.file is not None else page.body
                pages.append(msgspec.structs.replace(page, file=None, body=body))
            except ValueError as error:
                self._complain(item, ("file",), f"page: {error}")
        return pages

    def _stores(self) -> list[Store]:
        stores: list[Store] = []
        seen: dict[str, Position] = {}
        for item in self._of("store"):
            label = f'store "{item.name}"'
            if isinstance(item.value, dict) and (said := store_words.several(item.value["list"])):
                self._complain(item, (), f"{label}: {said}")
                continue
            store = self._checked(item, {"name": item.name, **with_first(item.value, "url")}, Store, label)
            if self._first(item, seen, label, item.name) and store is not None:
                stores.append(store)
                self._origins[id(store)] = item, label
                for path, message in store_rules.store_mistakes(store):
                    self._complain(item, path, f"{label}: {message}")
        return stores

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
            if item.name not in ("on_start", "on_reload"):  # of other hooks, only the last would run
                self._first(item, hooks, f'the hook "{item.name}"', item.name)
        timers = [self._checked(item, plain(item.value), Timer, "every") for item in self._of("every")]
        return [timer for timer in timers if timer is not None]

    def _ancestor(self) -> tuple[Listener, Upstream] | None:
        given = {item.name: item for item in self._of("global") if item.name in ancestor.WORDS}
        made, mistakes = ancestor.understood(given, Position(self._main, 0)) if given else (None, [])
        self._mistakes += mistakes
        return made

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
        if item.labels:
            label = item.labels.get(str(path[0])) if path else None
            return Position(f"{item.at.file} (label {label})", 0) if label else item.at
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

    def _checked(self, item: Declaration, value: Any, wanted: type[T], label: str) -> T | None:
        """What ``value`` says, as far as it can be understood; the mistakes in it are noted, and put aside."""
        value = keys.with_lists(wanted, value)
        unknown = list(keys.unknown(wanted, value))
        for path in unknown:
            what = wording.unknown_key(wanted, path)
            self._complain(item, _as_written(path), ": ".join([label, *_names(path[:-1], label), what]))
        value = keys.without(value, unknown) if unknown else value
        unreadable = list(rules.unreadable(value))
        for path, message in unreadable:
            self._complain(item, _as_written(path), ": ".join([label, *_names(path, label), message]))
        unknown += [path for path, _ in unreadable]
        value = keys.without(value, [path for path, _ in reversed(unreadable)]) if unreadable else value
        gone = list(unknown)
        checked: T | None = None
        for _ in range(_MOST_MISTAKES):
            try:
                checked = msgspec.convert(value, wanted, dec_hook=decode_hook)
            except msgspec.ValidationError as error:
                message, path = wording.mistake(error, wanted, value)
                # What is missing now may have been put aside.
                aside = unknown if message.startswith("missing ") else gone if message.startswith(wording.EMPTY) else ()
                place = original(wording.spot(error, value), gone)
                if place not in gone and path not in [known[:-1] for known in aside]:
                    named = path[:-1] if path and f'["{path[-1]}"]' in message else path
                    about = ": ".join([label, *_names(named, label), message])
                    self._complain(item, _as_written(original(path, gone)), about)
                if place in gone:  # what stands in for it is wrong as well
                    return None
                path = wording.spot(error, value)
                gone.append(place)
                value = put_aside(wanted, value, path)
                if value is None:
                    break
                continue
            unsendable = list(rules.unsendable(checked))
            for path, message in unsendable:
                about = ": ".join([label, *_names(path, label), message])
                self._complain(item, _as_written(original(path, gone)), about)
            if not unsendable:
                break
            checked = None
            for path in reversed(dict.fromkeys(path for path, _ in unsendable)):
                gone.append(original(path, gone))
                value = put_aside(wanted, value, path)
                if value is None:
                    return None
        if gone:
            self._aside[id(item)] = {path for path in gone if path}
        return checked

    def _is_whole(self, item: Declaration) -> bool:
        return id(item) not in self._aside

    def _judge(self, item: Declaration, path: Path, message: str) -> None:
        """A mistake by the rules, unless it may come of what has been put aside."""
        aside = self._aside.get(id(item))
        if aside is not None and (
            not path
            or any(path[: len(gone)] == gone for gone in aside)
            or any(
                re.search(rf'"{re.escape(name)}"|\b{re.escape(name)} (?:"|of\b)', message)
                for name in {str(gone[-1]) for gone in aside}
            )
        ):
            return
        self._complain(item, path, message)


def _names(path: Path, label: str) -> list[str]:
    """The keys that lead to a mistake, as a message names them behind ``label``."""
    return [step for step in path if isinstance(step, str) and step not in ("peers", label)]


def _as_written(path: Path) -> Path:
    """The path through the Lua table: peers stand in the upstream's own list, items count from 1."""
    steps = path[1:] if path[:1] == ("peers",) else path
    written = [step + 1 if isinstance(step, int) else step for step in steps]
    if written and written[-1] == "address" and path[0] in ("peers", "address"):
        written[-1] = 1
    return tuple(int(step[1:-1]) if isinstance(step, str) and step[:1] == "[" else step for step in written)
