"""A configuration in its running form, as exchanges ask it.  What it is made of is put together in ``assemble.py``."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.config.placeholders import IN_FIELDS, Source
from rsp.config.routes import Route
from rsp.exchange.answers import Answer, Pages, respond
from rsp.exchange.compression import Compression
from rsp.exchange.filter import FieldRule, Filter
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.filters.headers import Rules
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.sticky import Binding
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.request_log import RequestLog
from rsp.exchange.requirement import Requirement
from rsp.exchange.rewrite import rewrite_of
from rsp.http.limits import Limits
from rsp.http.lines import without
from rsp.http.message import OutgoingHead, RequestHead, ResponseHead
from rsp.http.names import lines_without, request_trailers
from rsp.http.regex import Pattern
from rsp.http.routing import Level, Router
from rsp.http.stream import ClientSession, ClientStream
from rsp.ipc.series import ListenerSeries, RouteSeries, TimesSeries
from rsp.logs.secrets import Secrets
from rsp.tls.material import Keyring

_HSTS: Final = (b"strict-transport-security",)


class RouteTarget:
    """A route at run time.

    ``limits``     in force for it, by listener
    ``filters``    its own, in the order in which requests pass them; ``response_filters``: all, as responses do
    ``is_light``   all of ``filters`` are
    ``field_rules``  what changes the fields of responses beside the configuration's rules for fields
    ``location_rule``  what maps peers' own paths and hosts back, before all other rules
    ``compression``  of its responses; ``None``: they are sent as they are
    ``claims``     names, folded, of fields that clients may not send; ``None``: there are none
    ``shares``     requests may share a connection to a peer of its upstream, or of one of them
    ``pattern``    its regular expression, if that has groups that captures are of
    ``rewrite``    what peers are asked for in the place of the target, if that is not the client's
    ``upstream``   if its requests go to one
    ``name``       in logs and metrics; empty: it stands for no route
    ``logs``       those that have a line for each of its requests
    ``response_buffer``  bytes of a response that are held for a client that is slow; 0: none
    ``series``     what is counted of its requests; ``times``: how long they take, where that is noted
    ``hsts``       the line of Strict-Transport-Security, or empty; it is the only one then
    ``requirement``  what clients have to show; ``is_anywhere``: it stands for no route, so the request's host says it
    ``own_rules``  header rules for rsp's own answers; ``response_rules``: for those of peers
    """

    # fmt: off
    __slots__ = (
        "claims", "compression", "config", "field_rules", "filters", "handler", "hsts", "is_anywhere", "is_light",
        "limits", "location_rule", "logs", "name", "own_rules", "pattern", "request_rules", "requirement",
        "response_buffer", "response_filters", "response_rules", "rewrite", "send_host", "series", "shares", "times",
        "upstream",
    )
    # fmt: on

    def __init__(
        self,
        config: Route,
        handler: Handler,
        upstream: Upstream | None,
        limits: dict[str, Limits],
        filters: tuple[Filter, ...],
        everywhere: tuple[Filter, ...],
        response_rules: tuple[Rules | None, Rules | None],
    ) -> None:
        self.config = config
        self.handler = handler
        self.upstream = upstream
        self.limits = limits
        self.use_filters(filters)
        self.response_filters = tuple(one for one in reversed((*everywhere, *filters)) if one.looks_back())
        self.field_rules: tuple[FieldRule, ...] = ()
        self.location_rule: FieldRule | None = None
        self.compression: Compression | None = None
        self.claims: frozenset[bytes] | None = None
        self.shares = upstream is not None and upstream.shares
        self.rewrite = rewrite_of(config)
        self.send_host = config.send_host.encode() if config.send_host else b""
        self.request_rules = (
            Rules(config.request_headers, known=IN_FIELDS.of(config)) if config.request_headers else None
        )
        self.response_rules, self.own_rules = response_rules
        self.pattern: Pattern | None = None
        self.logs: tuple[RequestLog, ...] = ()
        self.name = ""
        self.series: RouteSeries
        self.times: TimesSeries | None = None
        self.hsts = b""
        self.response_buffer = 0
        self.requirement: Requirement | None = None
        self.is_anywhere = False

    def use_filters(self, filters: tuple[Filter, ...]) -> None:
        """Requests pass these."""
        self.filters = filters
        self.is_light = all(one.is_light() for one in filters)

    def outgoing_head(
        self, head: RequestHead, target: bytes, extra: bytes, request_id: bytes, source: Source
    ) -> OutgoingHead:
        """The head with these lines of rsp's own, as far as the route's rules leave them.

        ``source`` knows what placeholders stand for.
        """
        fields, host, rules = head.fields, self.send_host or head.host, self.request_rules
        if self.rewrite is not None and target is not head.target:  # else a hook has chosen the path
            fields = self.rewrite.with_prefix(fields)
        if rules is not None:
            fields = rules.apply(fields, source)
            head.connection_bound = head.connection_bound or rules.connection_bound
            if rules.ours:
                extra = without(extra, rules.remove)
                request_id = b"" if b"x-request-id" in rules.remove else request_id
            if rules.host is not None:
                host = rules.host.fill(source)
        outgoing = OutgoingHead.__new__(OutgoingHead)  # in the compiled build this is no call of Python
        outgoing.set_up(head, target, host, fields, extra, request_id)
        return outgoing

    def rule_response(
        self, head: ResponseHead, via: dict[bytes, bytes] | None, last_lines: bytes, source: Source
    ) -> None:
        """A peer's response as the client is to see it; ``last_lines``: of a sticky cookie."""
        if self.location_rule is not None:
            self.location_rule.apply(source, head)
        if via is not None:
            head.fields += via[head.version]
        self.rule_content(head, source)
        if last_lines:
            head.fields += Binding.secured(last_lines) if source.placeholder("scheme") == b"https" else last_lines

    def rule_content(self, head: ResponseHead, source: Source) -> None:
        """A response with content, a peer's or rsp's own, as the rules leave it."""
        if self.hsts:
            self._rule_transport(head, source.placeholder("scheme"))
        if self.response_rules is not None:
            head.fields = self.response_rules.apply(head.fields, source)
        for rule in self.field_rules:
            rule.apply(source, head)

    def _rule_transport(self, head: ResponseHead, scheme: bytes) -> None:
        """RFC 6797 section 7.2: over plain HTTP there is no Strict-Transport-Security, the peer's own included."""
        head.fields = without(head.fields, _HSTS) + (self.hsts if scheme == b"https" else b"")

    def own_response(
        self, answer: Answer, method: bytes, start: bytes, source: Source | None, scheme: bytes = b""
    ) -> tuple[ResponseHead, list[bytes]]:
        """``answer`` as :func:`respond` makes it a response, after the rules for rsp's own answers.

        ``scheme``: the connection's, where no request could be read and so there is no ``source``.
        """
        head, pieces = respond(answer, method, start)
        if self.hsts:
            self._rule_transport(head, source.placeholder("scheme") if source is not None else scheme)
        if self.own_rules is not None:
            head.fields = self.own_rules.apply(head.fields, source)
        if source is not None:
            for rule in self.field_rules:
                rule.apply(source, head)
        return head, pieces

    # Trailers say nothing that the head of their message may not say (RFC 9110 section 6.5).

    def trailers_for_peer(self, head: RequestHead, trailers: list[bytes]) -> list[bytes]:
        trailers = lines_without(request_trailers(trailers), head.barred or ())
        return trailers if self.request_rules is None else lines_without(trailers, self.request_rules.remove)

    def trailers_for_client(self, trailers: list[bytes]) -> list[bytes]:
        return trailers if self.response_rules is None else lines_without(trailers, self.response_rules.remove)


class Ticking(Protocol):
    def tick(self, now: float) -> None:
        """Once a second."""


class Keyed(Protocol):
    def use(self, keyring: Keyring) -> None:
        """Files that are read with the master's rights have changed."""


class RunningConfig:
    """What exchanges ask of their configuration.  One exchange sees one of these, whatever comes into force meanwhile.

    ``limits``      of the instance; ``listeners``: of each listener, by its address
    ``series``      what is counted for each listener, by its address
    ``filters``     those for all routes
    ``nowhere``     the route of requests as long as theirs is not known
    ``makes_ids``   each request gets a new id; ``needs_ids``: each request without an id does
    ``via``         the Via lines by version, or ``None``
    ``secrets``     what is masked in logs and traces
    ``tracer``      makes requests parts of traces, or ``None``
    ``weight``      how many requests one of its requests counts for in a connection's share of a turn
    ``direct_to``   makes the target for requests that a hook sends to an upstream past all routes
    ``hooks``       the Lua side of its filters, if it has any
    ``ready``       answers at ``ready_path``, before all filters and routes; ``None``: nothing does
    ``keyed``       parts of its filters that use files; those that there are now are in ``directory.keyring``
    ``stores``      what it may share with other instances
    ``ticking``     parts of its filters that have something to do once a second, as long as exchanges use it
    ``requirements``  of its routes
    ``redirecting``  addresses of listeners that redirect all requests; ``to_https``: what serves them
    """

    # fmt: off
    __slots__ = (
        "__weakref__", "_direct", "_everywhere", "direct_to", "directory", "dns", "filters", "forwarded", "hooks",
        "keyed", "limits", "listeners", "makes_ids", "needs_ids", "nowhere", "pages", "ready", "ready_path",
        "redirecting", "requirements", "router", "secrets", "series", "stores", "ticking", "to_https", "tracer",
        "upstreams", "via", "weight",
    )
    # fmt: on

    def __init__(self, forwarded: Forwarded, pages: Pages, secrets: Secrets) -> None:
        self.secrets = secrets
        self.forwarded = forwarded
        self.pages = pages
        self.directory: PeerDirectory
        self.dns: Dns
        self.limits: Limits
        self.listeners: dict[str, Limits] = {}
        self.series: dict[str, ListenerSeries] = {}
        self.filters: tuple[Filter, ...] = ()
        self.nowhere: RouteTarget
        self.ready: RouteTarget | None = None
        self.ready_path = b""
        self.makes_ids = False
        self.needs_ids = True
        self.via: dict[bytes, bytes] | None = None
        self.tracer: Any = None  # ``tracer.py``, which is above this room
        self.weight = 1
        self.upstreams: dict[str, Upstream] = {}
        self.router: Router[RouteTarget]
        self._everywhere: list[Level] | None = None
        self.direct_to: Callable[[Upstream], RouteTarget]
        self.hooks: Any = None
        self.requirements: list[Requirement] = []
        self.keyed: list[Keyed] = []
        self.redirecting: set[str] = set()
        self.to_https: RunningConfig
        self.ticking: list[Ticking] = []
        self.stores: tuple[Store, ...] = ()
        self._direct: dict[Upstream, RouteTarget] = {}

    def use_router(self, router: Router[RouteTarget]) -> None:
        """Requests find their routes in it."""
        self.router = router
        self._everywhere = router.only()

    def learn_host(self, session: ClientSession, host: bytes, stream: ClientStream) -> None:
        """What ``host`` means, for this request and those that follow it on the connection."""
        if session.known_host != host:
            session.known_host = host
            levels = self._everywhere
            session.levels = levels if levels is not None else self.router.levels(host)
            told = host or stream.local_name()
            session.forwarded = self.forwarded.direct(session.client, told, session.scheme)

    def at(self, listener: str) -> "RunningConfig":
        """What serves the requests that come in there."""
        return self.to_https if listener in self.redirecting else self

    def follow(self, before: "RunningConfig") -> None:
        """Connections remain of listeners that this configuration does not have: they are redirected as before, since
        the routes may be for TLS alone."""
        self.redirecting |= before.redirecting - self.listeners.keys()

    def requirement_of(self, host: bytes) -> Requirement | None:
        """What the routes of ``host`` require of clients: they agree."""
        if self.requirements:
            for level in self.router.levels(host):
                for choice in level.choices:
                    target: RouteTarget = choice.destination
                    return target.requirement
        return None

    def use_keyring(self, keyring: Keyring) -> None:
        """The files of authorities have changed."""
        for requirement in self.requirements:
            requirement.use(keyring)
        for part in self.keyed:
            part.use(keyring)

    def direct(self, upstream: Upstream) -> RouteTarget:
        """For requests that a hook sends to ``upstream``, past all routes."""
        known = self._direct.get(upstream)
        if known is None:
            if len(self._direct) > len(self.upstreams) + 256:
                self._direct.clear()
            known = self._direct[upstream] = self.direct_to(upstream)
        return known

    def look_around(self, now: float, *, former: bool) -> Iterator[int]:
        """Once a second, in steps that give the microseconds that they may take; ``former``: it is not in force, and
        only the exchanges that began with it use it."""
        for part in self.ticking:
            part.tick(now)
            yield 1
        for upstream in list(self.upstreams.values()):
            if former:
                upstream.tick_requests(now)
                yield 1
            else:
                yield from upstream.look_around(now)
