"""Haproxy.cfg, read into a :class:`rsp.importing.site.Site`: which sections there are, and how they belong together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rsp.importing.automata import begin_import
from rsp.importing.environment import with_environment
from rsp.importing.haproxy import statistics, words
from rsp.importing.haproxy.backend import upstream
from rsp.importing.haproxy.conditions import Acls
from rsp.importing.haproxy.fastcgi import Applications
from rsp.importing.haproxy.frontend import Bind, binds, certificates, client_rules, listen, tls_settings
from rsp.importing.haproxy.leftovers import leftovers, users
from rsp.importing.haproxy.lines import OLD, rules_of
from rsp.importing.haproxy.patterns import Patterns
from rsp.importing.haproxy.rules import Rules
from rsp.importing.haproxy.sections import Line, Section, sections, variables
from rsp.importing.haproxy.settings import compression, forwarded, polling
from rsp.importing.haproxy.timeouts import backend_timeouts, client_timeouts, timeouts
from rsp.importing.haproxy.variables import AFTER, Variables
from rsp.importing.ordered.condition import Condition, Inexpressible
from rsp.importing.ordered.condition import Path as PathOf
from rsp.importing.ordered.routes import Form, routes
from rsp.importing.ordered.rules import Rule, resolve
from rsp.importing.shared import share_in
from rsp.importing.site import Declaration, Note, Origin, Part, Setting, Site, Untranslated
from rsp.importing.trust import note_trust
from rsp.importing.unreached import leave_out

_CORS: Final = "access-control-allow-origin"
_NO_BACKEND: Final = {"respond": {"status": 503}}


def read(path: Path, text: str) -> Site:
    """Raises :class:`rsp.importing.site.Unreadable`."""
    begin_import()
    return _Reader(Site("HAProxy", str(path)), path, text).site


class _Reader:
    def __init__(self, site: Site, path: Path, text: str) -> None:
        self.site = site
        self.file = path.name
        self.patterns = Patterns(path.parent)
        found, outside = sections(self.file, text)
        for line in outside:
            self._lost("a line outside of all sections, or for some machines only", line.text, line.origin)
        self.inherited: dict[int, list[Line]] = {}
        self.sections = self._with_defaults(found)
        self.backends = {each.name: each for each in self.sections if each.kind in ("backend", "listen")}
        self.tables = {each.name: line for each in self.sections for line in each.lines if line.first == "stick-table"}
        self.applications = Applications(site, found)
        self.users = {each.name: each for each in found if each.kind == "userlist"}
        self.global_lines = [line for each in found if each.kind == "global" for line in each.lines]
        self.settings: dict[str, Any] = {}
        self.upstreams: dict[str, Declaration] = {}
        self.passwords: dict[str, None] = {}
        self.trusted: list[str] = []
        self.forwarded = any(
            line.starts("option", "forwardfor") for each in self.sections for line in self._lines(each)
        )
        self.fronts = [each for each in self.sections if each.kind in ("frontend", "listen")]
        self.refused: set[str] = set()
        self.reached: set[str] = set()  # backends
        self._fronts()
        self._unused(found)
        for name, where in self.patterns.read.items():
            self.site.add(Note(f"the lines of {name} ({where}) are in this file now, and are changed here from now on"))
        if self.trusted:
            said = ["HAProxy takes the client's address from fields of these proxies (set-src)."]
            self.site.add(Setting("trusted", list(self.trusted), comments=said))
        note_trust(self.site)
        self.site.sort()
        with_environment(self.site, lambda text: variables(text))
        leave_out(self.site)
        share_in(self.site)

    def _with_defaults(self, found: list[Section]) -> list[Section]:
        """Frontends and backends; what they inherit is noted."""
        named: dict[str, list[Line]] = {}
        current: list[Line] = []
        own: list[Section] = []
        for section in found:
            if section.kind == "defaults":
                current = section.lines
                if "from" in section.words:
                    current = [*named.get(section.words[section.words.index("from") + 1], []), *current]
                named[section.name] = current
            elif section.kind in ("frontend", "backend", "listen"):
                lines = current
                if "from" in section.words[:-1]:
                    lines = named.get(section.words[section.words.index("from") + 1], [])
                self.inherited[id(section)] = lines
                own.append(section)
        return own

    def _lines(self, section: Section) -> list[Line]:
        return [*self.inherited[id(section)], *section.lines]

    def _mode(self, section: Section) -> str:
        lines = [line for line in self._lines(section) if line.first == "mode" and len(line.words) > 1]
        for line in lines:
            line.used = True
        return lines[-1].words[1] if lines else "tcp"

    def _fronts(self) -> None:
        served: list[tuple[Section, list[Bind]]] = []
        for section in self.fronts:
            if statistics.alone(section):
                self._skip(section)
                self.site.add(Note(words.NOTES["stats"], section.origin))
                continue
            if self._mode(section) != "http":
                self._skip(section)
                self._lost(f"rsp proxies HTTP, not mode {self._mode(section)}", section.text, section.origin)
                continue
            found = binds(section)
            for each in found.said:
                self.site.add(each)
            if found.binds:
                served.append((section, found.binds))
                continue
            self._skip(section)
            if not found.said:
                self._lost("no bind, so no client reaches it", section.text, section.origin)
        if not served:
            said = "Nothing of this file is served by rsp: this stands for what you want to listen on."
            self.site.add(Declaration("listen", "127.0.0.1:8080", comments=[said]))
            self.site.add(Declaration("route", keys=dict(_NO_BACKEND)))
            if not self.fronts:
                self._lost("no frontend, so nothing listens", "the file", Origin(self.file, 1))
            return
        self._settings(served)
        alone = len(served) == 1
        rules: list[Rule] = []
        for section, own in served:
            rules += self._front(section, own, alone)
        every = frozenset(address for rule in rules for each in rule.any for address in each.listeners or ())
        resolved = resolve(rules, _NO_BACKEND, Condition(listeners=every))
        for chosen in resolved.chosen:
            if chosen.condition.listeners == every:
                chosen.condition = chosen.condition.without("listeners")
        for problem in resolved.problems:
            self._lost(problem.reason, problem.text, problem.origin)
        for part in routes(resolved.chosen, self._finished):
            self.site.add(part)

    def _front(self, section: Section, own: list[Bind], alone: bool) -> list[Rule]:
        """Its listeners are declared here; the rules are for their requests alone, if there are other frontends."""
        secure = frozenset(bind.address for bind in own if bind.tls)
        plain = frozenset(bind.address for bind in own if not bind.tls)
        acls = Acls(secure, plain, {bind.address: bind.port for bind in own}, self.patterns, Variables())
        rules = self._rules_of(section, acls, frozenset(bind.port for bind in own))
        redirected = self._redirected(rules, plain)
        client = {} if alone else client_timeouts(section.lines)
        base = next((line.words[1] for line in self.global_lines if line.starts("crt-base")), "")
        for bind in own:
            self.site.add(listen(bind, bind.address in redirected, client))
            declarations, said = certificates(bind, base, self.patterns)
            parts: list[Part] = [*declarations, *said]
            for part in parts:
                if isinstance(part, Declaration) and any(
                    isinstance(each, Declaration) and each.word == "certificate" and each.items == part.items
                    for each in self.site.parts
                ):
                    continue
                self.site.add(part)
            if keys := client_rules(bind):
                only = Condition(listeners=frozenset([bind.address])) if len(own) > 1 else Condition()
                rules.insert(0, Rule(keys, [only], origin=bind.line.origin, text=bind.line.text, guard=True))
        listeners = frozenset(bind.address for bind in own) - redirected
        if not listeners:
            return []
        final = Rule(_NO_BACKEND, last=True)
        where = [Condition(listeners=listeners)]
        return [Rule({}, where, last=True, then=[*rules, final], origin=section.origin, text=section.text)]

    def _redirected(self, rules: list[Rule], plain: frozenset[str]) -> frozenset[str]:
        """Plain listeners all of whose requests are redirected to HTTPS, which the listener does by itself."""
        for rule in rules:
            if not rule.last or rule.keys.get("respond") in ({"status": 403}, statistics.ABSENT["respond"]):
                continue  # what is refused is refused after the redirect
            redirect = rule.keys.get("redirect")
            to = redirect.get("to") if isinstance(redirect, dict) else redirect
            bare = all(each == Condition(listeners=each.listeners) for each in rule.any)
            if to != "https://{authority}{uri}" or rule.unless or not bare or not plain:
                return frozenset()
            taken = [each.listeners for each in rule.any]
            if any(each is None or each & plain for each in taken):
                self.site.add(Note("HTTP is redirected with status 308, which keeps the method", rule.origin))
                return frozenset().union(*(plain if each is None else each & plain for each in taken))
        return frozenset()

    def _rules_of(self, section: Section, acls: Acls, ports: frozenset[str]) -> list[Rule]:
        """All rules of a frontend or backend, in HAProxy's order."""
        own = section.kind != "backend"
        lines = self._lines(section)
        acls.variables.read(lines)
        for line in lines:
            if line.first == "acl":
                acls.define(line)
                line.used = True
        tables = {**self.tables, "": self.tables[section.name]} if section.name in self.tables else self.tables
        made = Rules(acls, ports, tables, self.forwarded)
        found: list[Rule] = []
        for kind in (
            "monitor-uri",
            "tcp-request",
            "http-response",
            "http-after-response",
            "block",
            "http-request",
            *OLD,
            "redirect",
        ):
            if kind == "redirect":
                found += statistics.page(lines)
            for place, line in enumerate(lines):
                if line.first == kind:
                    acls.place = place
                    found += self._made(made, line)
        acls.place = AFTER
        if not own:
            found += self._backend_keys(section)
        if own:
            found += self._choice(section, lines, acls, made, ports)
        for text in [*made.notes, *acls.samples.notes, *acls.samples.inexact]:
            self.site.add(Note(text))
        self.passwords |= made.passwords
        self.trusted += [network for network in made.trusted if network not in self.trusted]
        return found

    def _made(self, made: Rules, line: Line) -> list[Rule]:
        acls = made.acls
        acls.samples.inexact.clear()
        acls.samples.strict = made.keeps_out(line)
        line.used = True
        try:
            found = rules_of(made, line)
        except Inexpressible as error:
            cors = "; a route answers browsers with cors = { origins = { ... } }" if _CORS in line.text.lower() else ""
            found = self._refused(made, line, f"{error}{cors}")
        if acls.samples.strict:
            for said in acls.samples.inexact:
                self._lost(said, line.text, line.origin)
        else:
            acls.samples.notes |= acls.samples.inexact
        acls.samples.inexact.clear()
        return found

    def _refused(self, made: Rules, line: Line, reason: str) -> list[Rule]:
        """What cannot be said; a rule that keeps clients out keeps out more than it did."""
        self._lost(reason, line.text, line.origin)
        return made.instead(line)

    def _choice(
        self, section: Section, lines: list[Line], acls: Acls, made: Rules, ports: frozenset[str]
    ) -> list[Rule]:
        found: list[Rule] = []
        otherwise = self._otherwise(section, lines, acls, ports)
        for line in lines:
            if line.first != "use_backend":
                continue
            line.used = True
            try:
                if len(line.words) < 2:
                    raise Inexpressible("it names no backend")
                if "%[" not in line.words[1]:
                    found += made.chosen(line, *self._backend(line.words[1], ports, acls))
                    continue
                for rule in made.computed(line, self.backends):
                    name = str(rule.keys["to"])
                    if name in self.backends:
                        rule.keys, rule.then = self._to(name, ports, acls)
                        found.append(rule)
                    else:  # a name that no backend has
                        last = otherwise or Rule(dict(_NO_BACKEND))
                        rule.keys, rule.then = dict(last.keys), last.then
                        found.append(rule)
            except Inexpressible as error:
                self._lost(str(error), line.text, line.origin)
        return [*found, otherwise] if otherwise is not None else found

    def _to(self, name: str, ports: frozenset[str], acls: Acls) -> tuple[dict[str, Any], Sequence[Rule]]:
        to, then = self._backend(name, ports, acls)
        return {"to": to}, then

    def _otherwise(self, section: Section, lines: list[Line], acls: Acls, ports: frozenset[str]) -> Rule | None:
        """The rule for what no ``use_backend`` is for."""
        last = next((line for line in reversed(lines) if line.first == "default_backend"), None)
        for line in lines:
            line.used = line.used or line.first == "default_backend"
        if last is not None:
            try:
                name, then = self._backend(last.words[1], ports, acls)
                return Rule({"to": name}, last=True, then=then, origin=last.origin, text=last.text)
            except Inexpressible as error:
                self._lost(str(error), last.text, last.origin)
        elif section.kind == "listen" and any(line.first.startswith("server") for line in section.lines):
            then = self._backend_keys(section)
            if self._upstream(section, ports):
                return Rule({"to": section.name}, last=True, then=then, origin=section.origin)
        return None

    def _backend(self, name: str, ports: frozenset[str], front: Acls) -> tuple[str, list[Rule]]:
        section = self.backends.get(name)
        if section is None:
            raise Inexpressible(f'the backend "{name}" is not in this file')
        if self._mode(section) != "http":
            raise Inexpressible(f'the backend "{name}" is not of mode http')
        self.reached.add(name)
        samples = front.samples
        acls = Acls(samples.secure, samples.plain, samples.ports, self.patterns, Variables(front.variables))
        then = self._rules_of(section, acls, ports)
        if not self._upstream(section, ports):
            if any(rule.last for rule in then):
                return name, [*then, Rule(_NO_BACKEND, last=True)]
            if any(line.first == "stats" for line in section.lines):
                self.site.add(Note(words.NOTES["stats"], section.origin))
            return name, [*then, Rule(_NO_BACKEND, last=True, comments=(f"The backend {name} has no server.",))]
        return name, then

    def _upstream(self, section: Section, ports: frozenset[str]) -> bool:
        if section.name in self.upstreams:
            return True
        trusting = any(line.starts("ssl-server-verify", "none") for line in self.global_lines)
        unverified = {"verify": "none"} if trusting else {}
        made = upstream(section, self._lines(section), next(iter(ports)) if len(ports) == 1 else None, unverified)
        for part in made.said:
            self.site.add(part)
        for name in made.dropped:
            self.site.drop(name)
        if made.declaration is None:
            return False
        if made.declaration.keys.get("protocol") == "fastcgi":
            made.declaration.keys |= self.applications.keys(self._lines(section), section.origin)
        self.upstreams[section.name] = made.declaration
        self.site.add(made.declaration)
        return True

    def _backend_keys(self, section: Section) -> list[Rule]:
        """What a backend says for all of its requests."""
        keys: dict[str, Any] = {}
        if found := backend_timeouts(section.lines):
            keys["timeouts"] = found
        return [Rule(keys, origin=section.origin)] if keys else []

    def _settings(self, served: list[tuple[Section, list[Bind]]]) -> None:
        first = served[0][0]
        shared = self._lines(first) if len(served) == 1 else self.inherited[id(first)]
        backends = [self._lines(each) for each in self.sections if each.kind == "backend"]
        said = ["HAProxy's own, as this file has them."]
        self.site.add(Setting("timeouts", timeouts(shared, backends), comments=said))
        every = [line for section in self.sections for line in self._lines(section)]
        forwarded(self.site, every)
        if keys := tls_settings([bind for _, own in served for bind in own], self.global_lines):
            self.site.add(Setting("tls", keys))
        compression(self.site, every)
        polling(self.site, self.global_lines)

    def _finished(self, keys: dict[str, Any], form: Form, path: PathOf | None) -> dict[str, Any]:
        keys = {name: value for name, value in keys.items() if name != "_written"}
        if "to" not in keys:
            for name in ("rewrite", "send_host", "request_headers", "timeouts", "strip"):
                keys.pop(name, None)
        headers = keys.get("response_headers")
        if isinstance(headers, dict):
            keys["response_headers"] = {
                name: headers[name] for name in ("remove", "set", "add", "own") if name in headers
            }
        for name in ("rate_limit", "concurrency"):
            if isinstance(keys.get(name), list) and len(keys[name]) == 1:
                keys[name] = keys[name][0]
        first = ("to", "redirect", "respond")
        return {
            **{name: keys[name] for name in first if name in keys},
            **{n: v for n, v in keys.items() if n not in first},
        }

    def _skip(self, section: Section) -> None:
        for line in section.lines:
            line.used = True
        self.refused.add(section.name)

    def _unused(self, found: list[Section]) -> None:
        for section in found:
            if section.kind == "userlist":
                if section.name in self.passwords:
                    users(self.site, section)
            elif section.kind == "fcgi-app":
                self.applications.unused(section)
            elif section.kind == "backend" and section.name not in self.reached:
                if self._mode(section) == "http" and any(line.first == "server" for line in section.lines):
                    self.site.add(Note(f'the backend "{section.name}" is not used', section.origin))
            else:
                leftovers(self.site, section)

    def _lost(self, reason: str, text: str, origin: Origin | None) -> None:
        self.site.add(Untranslated(reason, text, origin))
