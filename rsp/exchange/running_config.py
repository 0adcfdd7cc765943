"""A configuration in its running form, built once and swapped as one reference."""

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from rsp.config.placeholders import IN_FIELDS, IN_HOST, Template
from rsp.config.schema import Config, HeaderRules, Listener, ResponseRules, Route
from rsp.exchange.answers import Fixed, Pages
from rsp.exchange.forward.upstream import Group
from rsp.exchange.limits import Terms
from rsp.http.credentials import binds_connection
from rsp.http.h1.codec import request_head
from rsp.http.names import OURS, fold, lines_without, request_trailers, without
from rsp.http.routing import Router
from rsp.ipc.peer_table import PeerTable
from rsp.system.descriptors import Room

if TYPE_CHECKING:
    from rsp.config.placeholders import Source
    from rsp.exchange.context import Plane
    from rsp.exchange.hooks.hooks import Hooks, Phases
    from rsp.http.message import RequestHead


_ADDRESS_SIZE: Final = 64  # longer than any address with its zone; bounds what is remembered of them


class Rules:
    """Field rules as bytes: drop the names in ``remove`` (folded), then append what is added.

    ``ours``: some of the names are of fields that rsp writes itself; ``host``: what Host is set to.
    """

    __slots__ = ("_added", "_template", "connection_bound", "host", "ours", "remove")

    def __init__(self, *layers: HeaderRules) -> None:
        """A later layer has the last word."""
        self.host: Template | None = None
        removed: set[bytes] = set()
        added: list[tuple[bytes, str]] = []
        for rules in layers:
            gone = {fold(name.encode()) for name in (*rules.remove, *rules.set)}
            removed |= gone
            added = [(name, line) for name, line in added if name not in gone]
            for name, value in (*rules.set.items(), *rules.add.items()):
                if name.lower() == "host":
                    self.host = Template(value, IN_HOST)
                else:
                    added.append((fold(name.encode()), f"{name}: {value}\r\n"))
        self.remove = frozenset(removed)
        self.ours = not self.remove.isdisjoint(OURS)
        template = Template("".join(line for _, line in added), IN_FIELDS)
        templates = [Template(line, IN_FIELDS) for _, line in added]
        self._added = b"".join(one.fill() for one in templates if not one.names)
        self._template = template if template.names else None
        self.connection_bound = binds_connection(template.fill())

    def apply(self, fields: bytes, source: "Source | None") -> bytes:
        """``source`` knows what placeholders stand for; without it, fields that have some are left out."""
        added = self._added if self._template is None or source is None else self._template.fill(source)
        return (without(fields, self.remove) if self.remove else fields) + added


def _response_rules(*layers: ResponseRules | None) -> tuple[Rules | None, Rules | None]:
    """For what peers answer, and for rsp's own answers."""
    given = [rules for rules in layers if rules is not None]
    own = [rules for rules in given if rules.own]
    return Rules(*given) if given else None, Rules(*own) if own else None


class Destination:
    """A route at run time: a group of peers, or an answer of our own."""

    # fmt: off
    __slots__ = (
        "fixed", "group", "hooks", "own_rules", "prefix", "request_rules", "response_rules", "rewrite", "route",
        "send_host", "terms",
    )
    # fmt: on

    def __init__(
        self,
        route: Route,
        group: Group | None,
        terms: dict[str, Terms],
        everywhere: ResponseRules | None = None,
        hooks: "Phases | None" = None,
    ) -> None:
        self.group = group
        self.fixed = Fixed(route) if group is None else None
        self.terms = terms  # by listener
        self.prefix = len(route.path.encode())
        self.rewrite: bytes | None = route.rewrite.encode() if route.rewrite else None
        if route.strip:
            self.rewrite = b"/" if route.path.endswith("/") else b""
        self.send_host = route.send_host.encode() if route.send_host else b""
        self.request_rules = Rules(route.request_headers) if route.request_headers else None
        self.response_rules, self.own_rules = _response_rules(everywhere, route.response_headers)
        self.hooks = hooks
        self.route = route

    def rewritten(self, target: bytes, rewrite: bytes) -> bytes:
        """``target`` with ``rewrite`` in the place of the route's path."""
        changed = rewrite + target[self.prefix :]
        return changed if changed[:1] == b"/" else b"/" + changed

    def head_for_peer(
        self, head: "RequestHead", target: bytes, extra: bytes, request_id: bytes, source: "Source"
    ) -> bytes:
        """The head with these lines of rsp's own, as far as the route's rules leave them."""
        fields, host, rules = head.fields, self.send_host or head.host, self.request_rules
        if rules is not None:
            fields = rules.apply(fields, source)
            head.connection_bound = head.connection_bound or rules.connection_bound
            if rules.ours:
                extra = without(extra, rules.remove)
                request_id = b"" if b"x-request-id" in rules.remove else request_id
            if rules.host is not None:
                host = rules.host.fill(source)
        return request_head(head, target, host, fields, extra, request_id)

    # Trailers say nothing that the head of their message may not say (RFC 9110 section 6.5).

    def trailers_for_peer(self, head: "RequestHead", trailers: list[bytes]) -> list[bytes]:
        trailers = lines_without(request_trailers(trailers), head.barred or ())
        return trailers if self.request_rules is None else lines_without(trailers, self.request_rules.remove)

    def trailers_for_client(self, trailers: list[bytes]) -> list[bytes]:
        return trailers if self.response_rules is None else lines_without(trailers, self.response_rules.remove)


class Site:
    """Peers are shared with the previous site: their connections, and what is known of them, outlive a reload.

    ``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.
    ``hooks``: those of the configuration, if it has any.
    """

    def __init__(self, config: Config, plane: "Plane", offset: float, hooks: "Hooks | None" = None) -> None:
        settings = config.settings
        self.hooks = hooks
        self.access_log = plane.access_log
        self.dns = settings.dns
        self._plane = plane
        groups = {upstream.name: Group(plane, upstream, offset) for upstream in config.upstreams}
        self.groups = groups
        self._room = Room.of(len(config.listeners))
        self.terms = Terms((settings.timeouts,), (settings.limits,), self._room)
        self.listeners: dict[str, Terms] = {one.address: self._terms(config, one, None) for one in config.listeners}
        self._rules = settings.response_headers
        self.own_rules = _response_rules(self._rules)[1]  # before a route is known
        self.router = Router(
            (route.host, route.path, self._destination(config, route, groups, number))
            for number, route in enumerate(config.routes)
        )
        self._direct: dict[Group, Destination] = {}
        self.pages = Pages(config.pages)
        self.forwarded = settings.forwarded
        self.keep_forwarded = frozenset(fold(name.encode()) for name in settings.keep_forwarded)
        self.request_id = settings.request_id
        self.via = settings.via.encode() if settings.via else b""
        self._trusted = [ip_network(network) for network in settings.trusted if network != "unix:"]
        self._trusts_unix = "unix:" in settings.trusted
        self._known: dict[bytes, bool] = {}

    def arrange(self, members: PeerTable) -> None:
        """These are the peers from now on."""
        for name, group in self.groups.items():
            unknown = any(peer.address in members.unknown for peer in group.config.peers)
            group.arrange(members.upstreams.get(name, []), unknown)
        self._plane.retire_all_but({peer.place.number for group in self.groups.values() for peer in group.peers})

    def succeed(self, before: "Site") -> None:
        """``before`` is in force no longer, but for the exchanges that began with it: it lives as long as they do."""
        if before.hooks is not None:
            before.hooks.stop()
        self._plane.former.add(before)
        for downstream in self._plane.downstreams:
            downstream.renew()

    def tick_former(self, now: float) -> None:
        """Once a second, when the site is in force no longer."""
        for group in self.groups.values():
            group.tick_requests(now)

    def direct(self, group: Group) -> Destination:
        """For requests that a hook sends to ``group``, past all routes."""
        known = self._direct.get(group)
        if known is None:
            if len(self._direct) > len(self.groups) + 256:
                self._direct.clear()
            known = self._direct[group] = Destination(Route(to=group.name), group, self.listeners, self._rules)
        return known

    def _destination(self, config: Config, route: Route, groups: dict[str, Group], number: int) -> Destination:
        own = route.timeouts is not None or route.limits is not None
        terms = self.listeners
        if own:
            terms = {one.address: self._terms(config, one, route) for one in config.listeners}
        phases = self.hooks.routes.get(number) if self.hooks is not None else None
        return Destination(route, groups[route.to] if route.to is not None else None, terms, self._rules, phases)

    def _terms(self, config: Config, listener: Listener, route: Route | None) -> Terms:
        settings = config.settings
        return Terms(
            (route.timeouts if route else None, listener.timeouts, settings.timeouts),
            (route.limits if route else None, listener.limits, settings.limits),
            self._room,
        )

    def trusts(self, client: bytes) -> bool:
        """Whether the forwarded fields of a client at this address are to be believed."""
        if (not self._trusted and not self._trusts_unix) or len(client) > _ADDRESS_SIZE:
            return False
        known = self._known.get(client)
        if known is None:
            known = self._look_up(client)
            if len(self._known) > 1024:
                self._known.clear()
            self._known[client] = known
        return known

    def _look_up(self, client: bytes) -> bool:
        if client == b"unix:":
            return self._trusts_unix
        try:
            address = ip_address(client.decode("ascii").partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
