"""A Caddyfile, read into a :class:`rsp.importing.site.Site`: listeners, certificates, and the routes of each site."""

import re
from pathlib import Path
from typing import Any, Final

from rsp.importing.automata import begin_import
from rsp.importing.caddy.certificates import Certificates
from rsp.importing.caddy.directives import EMPTY, Directives
from rsp.importing.caddy.errors import Errors
from rsp.importing.caddy.errors import read as read_errors
from rsp.importing.caddy.finish import finished
from rsp.importing.caddy.matchers import Scope, networks
from rsp.importing.caddy.proxy import Proxied
from rsp.importing.caddy.sites import Address, SiteBlock, option, read_source
from rsp.importing.caddy.tokens import Node, variables
from rsp.importing.environment import with_environment
from rsp.importing.ordered.condition import Condition, Inexpressible
from rsp.importing.ordered.condition import Path as PathOf
from rsp.importing.ordered.routes import routes
from rsp.importing.ordered.rules import Chosen, Rule, resolve
from rsp.importing.shared import share_in
from rsp.importing.site import Declaration, Note, Script, Setting, Site, Untranslated
from rsp.importing.trust import note_trust
from rsp.importing.unreached import leave_out
from rsp.importing.wordlist import words

_QUIET: Final = words(
    """
    debug email acme_ca acme_ca_root acme_eab acme_dns admin grace_period shutdown_delay default_sni storage
    storage_clean_interval persist_config on_demand_tls key_type cert_issuer cert_lifetime ocsp_stapling
    ocsp_interval renew_interval skip_install_trust pki order http_port https_port auto_https local_certs
    preferred_chains metrics fallback_sni default_bind log renewal_window_ratio filesystem events
    """
)


_SERVER_DROPPED: Final = words(
    "protocols metrics keepalive_interval log_credentials strict_sni_host name max_header_size"
)
_READ: Final = words("http_port https_port auto_https local_certs default_bind")


def read(path: Path, text: str) -> Site:
    """Raises :class:`rsp.importing.site.Unreadable`."""
    begin_import()
    return _Reader(Site("Caddy", str(path)), path, text).site


class _Reader:
    def __init__(self, site: Site, path: Path, text: str) -> None:
        self.site = site
        self.source = read_source(path, text, site)
        self.options = self.source.options
        self.upstreams: list[Declaration] = []
        self.directives = Directives(site, self._upstream)
        self.certificates = Certificates(site, self.options)
        self.listeners: dict[str, Declaration] = {}
        self.binds = {id(block): self._addresses(block) for block in self.source.sites}
        self._settings()
        self._listen()
        self._routes()
        self._note_unreached()
        self.site.parts += self.upstreams
        note_trust(site)
        self._complete()
        with_environment(site, variables)
        leave_out(site)
        share_in(site)

    def _addresses(self, block: SiteBlock) -> list[tuple[Address, str]]:
        """The site's addresses, and where each of them listens."""
        hosts = next((node.rest for node in block.nodes if node.name == "bind" and node.rest), ["0.0.0.0"])
        default = option(self.options, "default_bind")
        if hosts == ["0.0.0.0"] and default:
            hosts = [default]
        found: list[tuple[Address, str]] = []
        for address in block.addresses:
            for given in hosts:
                host = re.sub(r"^tcp[46]?/", "", given).strip("[]")
                if host.startswith(("fd/", "fdgram/", "udp/")):
                    self.site.add(Untranslated("rsp has no such address to listen on", f"bind {given}", block.origin))
                    continue
                if host.startswith("unix/"):
                    found.append((address, f"unix:{host.partition('/')[2].partition('|')[0]}"))
                else:
                    found.append((address, f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"))
        return found

    def _settings(self) -> None:
        said = "Caddy waits for peers and idle connections without a limit, or longer than rsp."
        timeouts = {"head": "1m", "idle": "5m", "response": "1d", "read": "1d", "tunnel": "1d"}
        for node in self.options:
            if node.name == "servers":
                self._servers(node, timeouts)
            elif node.name in _QUIET:
                if node.name not in _READ:
                    self.site.drop(node.name)
            else:
                self.site.add(Untranslated("rsp has no such option", node.text, node.origin))
        self.site.add(Setting("timeouts", timeouts, comments=[said]))

    def _servers(self, node: Node, timeouts: dict[str, Any]) -> None:
        for line in node.block or []:
            if line.name == "trusted_proxies" and line.rest[:1] == ["static"]:
                try:
                    self.site.add(Setting("trusted", networks(line.rest[1:]), line.origin))
                except Inexpressible as error:
                    self.site.add(Untranslated(str(error), line.text, line.origin))
            elif line.name == "timeouts":
                names = {"read_header": "head", "idle": "idle", "read_body": "body", "write": "send"}
                for each in line.block or []:
                    if each.name in names and each.rest:
                        timeouts[names[each.name]] = each.rest[0]
            elif line.name in _SERVER_DROPPED:
                self.site.drop(f"servers {line.name}")
            elif line.name == "trusted_proxies_strict":
                self.site.drop(line.name)
            elif line.name == "client_ip_headers":
                said = "rsp takes the client's address from X-Forwarded-For or Forwarded of `trusted` proxies"
                self.site.add(Note(said, line.origin))
            else:
                self.site.add(Untranslated("rsp has no such option", line.text, line.origin))

    def _listen(self) -> None:
        """Listeners in the order of the sites; a name on TLS gets its redirect from port 80, as Caddy does it."""
        redirects = option(self.options, "auto_https") not in ("off", "disable_redirects")
        plain: dict[str, None] = {}
        for block in self.source.sites:
            for address, where in self.binds[id(block)]:
                asked = any(node.name == "tls" and node.rest[:1] != ["off"] for node in block.nodes)
                tls = address.tls or (asked and address.port != "80")
                keys: dict[str, Any] = {"tls": True} if tls else {}
                had = self.listeners.setdefault(where, Declaration("listen", where, keys=keys, origin=block.origin))
                if tls and not had.keys:
                    self.site.add(Untranslated("one address with TLS and without", block.text, block.origin))
                if tls:
                    self.certificates.for_site(address.host, block)
                elif address.port == "80":
                    plain[where] = None
        http = option(self.options, "http_port") or "80"
        self.redirected = f"0.0.0.0:{http}"
        named = any(address.tls and address.host for block in self.source.sites for address in block.addresses)
        self.redirects = redirects and named
        if self.redirects and self.redirected not in self.listeners:
            self.listeners[self.redirected] = Declaration("listen", self.redirected, keys={"redirect": "https"})
            self.redirects = False
        for declaration in self.listeners.values():
            self.site.add(declaration)
        self.certificates.declare()
        if any(address.host.startswith("*.") for block in self.source.sites for address in block.addresses):
            self.site.add(Note("*.example.com is one label to Caddy; rsp takes names of any depth below example.com"))
        if any(where.startswith("0.0.0.0:") for where in self.listeners):
            self.site.add(Note('Caddy listens on IPv6 as well: add listen "[::]:443" and so on, if clients use it'))

    def _routes(self) -> None:
        chosen: list[Chosen] = []
        every = frozenset(where for where, each in self.listeners.items() if "redirect" not in each.keys)
        found = [each for block in self.source.sites for each in self._site(block, every)]
        for _, of_names in sorted(found, key=lambda each: each[0]):
            chosen += of_names
        if self.redirects:
            hosts = {a.host for block in self.source.sites for a in block.addresses if a.tls and a.host}
            where = Condition(listeners=frozenset([self.redirected]), hosts=frozenset(hosts))
            chosen.append(Chosen(where, {"redirect": {"to": "https://{host}{uri}", "status": 308}}))
        for part in routes(chosen, finished):
            self.site.add(part)

    def _site(self, block: SiteBlock, every: frozenset[str]) -> list[tuple[tuple[int, int], list[Chosen]]]:
        """By the place of its names among those of all sites."""
        own = self.binds[id(block)]
        secure = frozenset(where for address, where in own if self.listeners[where].keys)
        plain = frozenset(where for _, where in own) - secure
        self.directives.errors = errors = self._errors(block)
        rules = [*self._below(), *self.directives.rules(block.nodes, Scope({}, secure, plain), "")]
        if keys := errors.keys():
            rules.insert(0, Rule(keys, origin=errors.origin))
        self._logs(block, rules)
        self.certificates.clients(block, rules)
        hosts = frozenset(address.host for address, _ in own)
        found: list[tuple[tuple[int, int], list[Chosen]]] = []
        groups: dict[tuple[frozenset[str], tuple[int, int]], set[str]] = {}
        for host in hosts:
            at = frozenset(where for address, where in own if address.host == host)
            groups.setdefault((at, _place(host)), set()).add(host)
        for (at, place), names in groups.items():
            start = Condition(
                listeners=None if self._alone(at, names, every) else at,
                hosts=None if "" in names else frozenset(names),
            )
            resolved = resolve(rules, EMPTY, start)
            for problem in resolved.problems:
                self.site.add(Untranslated(problem.reason, problem.text, problem.origin))
            for each in resolved.chosen:
                if each.origin is None and each.keys.get("respond") == EMPTY["respond"]:
                    each.comments = ("For the rest there is no directive: Caddy answers 200, without a body.",)
                each.origin = each.origin or block.origin
            found.append((place, resolved.chosen))
        return found

    def _errors(self, block: SiteBlock) -> Errors:
        nodes = [each for each in block.nodes if each.name == "handle_errors"]
        root = next((each.rest[-1] for each in reversed(block.nodes) if each.name == "root" and each.rest), "")
        number = sum(isinstance(part, Script) for part in self.site.parts)
        try:
            return read_errors(self.site, nodes, root, number + 1 if number else 0)
        except Inexpressible as error:
            for node in nodes:
                self.site.add(Untranslated(str(error), node.text, node.origin))
            return Errors()

    def _below(self) -> list[Rule]:
        """Sites below a path are not served, and what they may refuse is not left to other sites of the host."""
        found: list[Rule] = []
        for host, path in self.source.below:
            where = Condition(path=PathOf("prefix", path, fold=True), hosts=frozenset([host]) if host else None)
            found.append(Rule({"respond": {"status": 403}}, [where], last=True, guard=True))
        return found

    def _alone(self, at: frozenset[str], names: set[str], every: frozenset[str]) -> bool:
        """Whether the listener need not be asked for: it is the only one, or no site elsewhere has the name."""
        if at == every:
            return True
        if "" in names or self.redirects:
            return False
        pairs = [pair for block in self.source.sites for pair in self.binds[id(block)]]
        others = [address.host for address, where in pairs if where not in at]
        return not any(host in names or not host or "*" in host for host in others)

    def _logs(self, block: SiteBlock, rules: list[Rule]) -> None:
        for node in block.nodes:
            if node.name != "log":
                continue
            for line in node.block or []:
                if line.name == "output" and line.rest[:1] == ["file"] and len(line.rest) > 1:
                    keys = {"access_log": {"path": line.rest[1], "format": "json"}}
                    rules.insert(0, Rule(keys, origin=line.origin, text=line.text))
                elif line.name == "output" and line.rest[:1] == ["discard"]:
                    rules.insert(0, Rule({"access_log": "off"}, origin=line.origin, text=line.text))

    def _upstream(self, made: Proxied, node: Node) -> str:
        for part in made.said:
            self.site.add(part)
        for name in made.dropped:
            self.site.drop(name)
        same = next((each for each in self.upstreams if (each.items, each.keys) == (made.peers, made.keys)), None)
        if same is not None:
            return same.name
        name, number = made.name, 2
        while any(each.name == name for each in self.upstreams):
            name = f"{made.name}-{number}"
            number += 1
        self.upstreams.append(Declaration("upstream", name, made.peers, made.keys, node.origin))
        return name

    def _note_unreached(self) -> None:
        """Directives that Caddy looks at after one that answers all of their requests, which few people expect."""
        if not self.site.whole:
            return  # the route may be what is lost
        others = str(self.site.parts)
        for each in self.upstreams:
            if each.name not in others:
                order = "Caddy looks at handle and respond before reverse_proxy"
                said = f'no request comes to upstream "{each.name}": {order}'
                self.site.add(Note(said, each.origin))

    def _complete(self) -> None:
        """What a file without sites lacks; and all parts in their order."""
        declared = {part.word for part in self.site.parts if isinstance(part, Declaration)}
        if "listen" not in declared:
            said = "Nothing of this file is served by rsp: this stands for what you want to listen on."
            self.site.add(Declaration("listen", "127.0.0.1:8080", comments=[said]))
        if not self.source.sites:
            self.site.add(Untranslated("no site that rsp can serve", "the file", None))
        if "route" not in declared:
            self.site.add(Declaration("route", keys={"respond": {"status": 503}}))
        self.site.sort()


def _place(host: str) -> tuple[int, int]:
    """Caddy looks at whole names, then at those with ``*``, longer ones first, then at sites for all names."""
    if not host:
        return 2, 0
    return (1, -len(host)) if "*" in host else (0, 0)
