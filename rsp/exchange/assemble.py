"""A configuration becomes a running one: routes with their handlers and filters, upstreams, limits."""

from collections.abc import Collection, Sequence
from functools import partial

from rsp.config.content import Files as FileRules
from rsp.config.errors import ConfigError
from rsp.config.log_settings import paths
from rsp.config.placeholders import IN_FIELDS
from rsp.config.route_names import route_names
from rsp.config.route_rule import rule_of
from rsp.config.routes import Route
from rsp.config.schema import Config, Listener, Settings
from rsp.exchange import chain
from rsp.exchange.answers import Pages
from rsp.exchange.filter import Filter
from rsp.exchange.filters.client_certificate import ClientCertificateFilter
from rsp.exchange.filters.forward_auth import claims
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.filters.headers import hsts_line, response_rules, via_lines
from rsp.exchange.filters.hooks import HooksFilter
from rsp.exchange.filters.locations import LocationRule
from rsp.exchange.filters.mirror import Mirrored
from rsp.exchange.filters.security_headers import security_rules
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.failover import Failover, ProxyOrOther
from rsp.exchange.handlers.files import Files
from rsp.exchange.handlers.fixed import Fixed
from rsp.exchange.handlers.proxy import Proxy
from rsp.exchange.handlers.ready import Ready
from rsp.exchange.handlers.rewritten import Rewritten
from rsp.exchange.handlers.slash import SlashRedirect
from rsp.exchange.handlers.split import Split
from rsp.exchange.handlers.to_https import ToHttps
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.request_logs import RequestLogs
from rsp.exchange.requirement import Requirement
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.exchange.tracer import Tracer
from rsp.files.tree import Tree
from rsp.http.limits import Limits
from rsp.http.routing import Router, Rule
from rsp.ipc.counting import Counting
from rsp.logs.access_logs import AccessLogs
from rsp.logs.secrets import Secrets
from rsp.net.context import WorkerContext
from rsp.system.descriptors import Room
from rsp.tls import certificate
from rsp.tls.material import Keyring

_EMPTY = Keyring()
_SUBJECT = "{client_cert_subject}"  # which takes a library to read
_WITH_HOOKS = 4  # a request with hooks counts as this number in a connection's share of a turn


def assemble(
    config: Config,
    context: WorkerContext,
    directory: PeerDirectory,
    access_logs: AccessLogs,
    hooks: Hooks | None = None,
    offset: float = 0.0,
    keyring: Keyring = _EMPTY,
    counting: Counting | None = None,
) -> RunningConfig:
    """Peers are shared with the previous configuration: their connections and their state outlive a reload.

    ``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.
    ``hooks``: those of the configuration, if it has any.  ``keyring``: what its certificate files hold.
    ``counting``: where its requests are counted; without it, where it is seen by this process alone.
    Raises :class:`ConfigError`.
    """
    settings = config.settings
    made = RunningConfig(Forwarded(settings), Pages(config.pages), Secrets(settings.log_mask))
    logs = RequestLogs(settings.access_log, access_logs, made.secrets)
    counting = counting or Counting.alone(context.scoreboard, context.row_number)
    made.directory = directory
    made.dns, made.stores = settings.dns, config.stores
    made.hooks = hooks
    if hooks is not None:
        made.weight = _WITH_HOOKS
        made.filters = (HooksFilter(hooks, hooks.everywhere, first=True),)
        hooks.running = made
    made.upstreams = {
        upstream.name: Upstream(context, directory, upstream, offset, directory.rules(upstream, keyring))
        for upstream in config.upstreams
    }
    directory.keyring = keyring
    room = Room.of(len(config.listeners), len(paths(config)))
    made.limits = Limits((settings.timeouts,), (settings.limits,), room)
    made.listeners = {listener.address: _limits(config, listener, None, room) for listener in config.listeners}
    own_rules = response_rules(settings.response_headers)[1]
    made.nowhere = RouteTarget(Route(), Handler(), None, made.listeners, (), made.filters, (None, own_rules))
    made.nowhere.is_anywhere = True
    made.nowhere.hsts = hsts_line(settings.hsts)
    made.makes_ids, made.needs_ids = settings.request_id == "make", settings.request_id != "off"
    made.via = via_lines(settings.via) if settings.via else None
    made.nowhere.field_rules = security_rules(settings.security_headers)
    made.nowhere.compression = chain.compression(Route().compress_rules(settings.compress), context)
    targets = [_target(config, one, made, number, room, keyring, context) for number, one in enumerate(config.routes)]
    _observe(config, made, targets, logs, counting)
    made.use_router(_router(targets, len(config.labelled)))
    # Not ``made``, which would hold itself.
    certified = _certified(made.requirements)
    made.direct_to = partial(_direct, config, made.listeners, made.filters, certified, made.nowhere, counting)
    made.redirecting = {listener.address for listener in config.listeners if listener.redirect}
    made.to_https = _to_https(config, made)
    _answer_ready(settings, made)
    if settings.tracing is not None:
        made.tracer = made.to_https.tracer = Tracer(settings.tracing)
    if made.requirements and (hooks is not None or _SUBJECT in str(config)):
        _warm_up()
    return made


def _answer_ready(settings: Settings, made: RunningConfig) -> None:
    """On all listeners, those that redirect included."""
    if settings.ready is None:
        return
    target = RouteTarget(Route(), Ready(), None, made.listeners, (), (), (None, None))
    target.is_anywhere = True
    target.logs, target.series = made.nowhere.logs, made.nowhere.series
    for each in (made, made.to_https):
        each.ready, each.ready_path = target, settings.ready.encode()


def _observe(
    config: Config, made: RunningConfig, targets: list[RouteTarget], logs: RequestLogs, counting: Counting
) -> None:
    """Where its requests are counted, and the logs that have a line for each."""
    made.series = {listener.address: counting.listener(str(listener.address)) for listener in config.listeners}
    for upstream in made.upstreams.values():
        upstream.series = counting.upstream(upstream.name)
    made.nowhere.logs = logs.of("")
    made.nowhere.series = counting.route("", "")
    for target, name in zip(targets, route_names(config), strict=True):
        target.name = name
        target.logs = logs.of(name, target.config.access_log)
        target.series = counting.route(name, target.config.to or "")
        target.times = counting.route_times(name) if target.config.metrics else None


def _warm_up() -> None:
    try:
        certificate.warm_up()
    except ImportError as error:
        raise ConfigError(f"client_ca: certificates of clients cannot be read: {error}; restart rsp") from None


def _certified(requirements: Collection[Requirement | None]) -> tuple[Filter, ...]:
    return (ClientCertificateFilter(),) if any(requirements) else ()


def _direct(
    config: Config, limits: dict[str, Limits], everywhere: tuple[Filter, ...], certified: tuple[Filter, ...],
    nowhere: RouteTarget, counting: Counting, upstream: Upstream,
) -> RouteTarget:  # fmt: skip
    """For requests that a hook sends past all routes; the rules of their host for certificates hold as well."""
    rules = response_rules(config.settings.response_headers)
    target = RouteTarget(Route(to=upstream.name), Proxy(upstream), upstream, limits, (), everywhere, rules)
    target.use_filters(certified)
    target.is_anywhere = True
    target.hsts = hsts_line(config.settings.hsts)
    target.field_rules = security_rules(config.settings.security_headers)
    target.compression = nowhere.compression
    target.logs = nowhere.logs
    target.series = counting.route("", upstream.name if upstream.series is not None else "")
    return target


def _to_https(config: Config, main: RunningConfig) -> RunningConfig:
    """For listeners that redirect all requests: one route, and neither hooks nor upstreams."""
    settings = config.settings
    made = RunningConfig(main.forwarded, main.pages, main.secrets)
    made.directory, made.dns, made.limits, made.listeners = main.directory, main.dns, main.limits, main.listeners
    made.makes_ids, made.needs_ids, made.via, made.series = main.makes_ids, main.needs_ids, main.via, main.series
    rules = response_rules(settings.response_headers)
    made.nowhere = RouteTarget(Route(), Handler(), None, made.listeners, (), (), (None, rules[1]))
    target = RouteTarget(Route(), ToHttps(config.listeners), None, made.listeners, (), (), rules)
    target.field_rules = made.nowhere.field_rules = main.nowhere.field_rules
    target.logs = made.nowhere.logs = main.nowhere.logs
    target.series = made.nowhere.series = main.nowhere.series
    made.use_router(Router([(Rule(), target)]))
    return made


def _router(targets: Sequence[RouteTarget], guests: int) -> Router[RouteTarget]:
    """``guests``: how many of them, at the end, labels ask for."""
    own = len(targets) - guests
    rules = [rule_of(target.config)._replace(guest=number >= own) for number, target in enumerate(targets)]
    for target, rule in zip(targets, rules, strict=True):
        target.pattern = rule.pattern if rule.pattern is not None and rule.pattern.names else None
    return Router(zip(rules, targets, strict=True))


def _target(
    config: Config, route: Route, made: RunningConfig, number: int, room: Room, keyring: Keyring, context: WorkerContext
) -> RouteTarget:
    limits = made.listeners
    if route.timeouts is not None or route.limits is not None:
        limits = {listener.address: _limits(config, listener, route, room) for listener in config.listeners}
    phases = made.hooks.routes.get(number) if made.hooks is not None else None
    requirement = Requirement(route, keyring) if route.client_ca is not None else None
    hooks = (HooksFilter(made.hooks, phases, first=False),) if phases is not None else ()
    filters = (
        *_certified((requirement,)), *chain.before_hooks(route, made, context), *hooks,
        *chain.behind_hooks(route, made, context),
    )  # fmt: skip
    name = route.to or route.else_to
    upstream = made.upstreams[name] if name is not None else None
    handler = _handler(route, made)
    if route.slash is not None:
        handler = SlashRedirect(handler, route.path)
    rules = response_rules(config.settings.response_headers, route.response_headers, known=IN_FIELDS.of(route))
    target = RouteTarget(route, handler, upstream, limits, filters, made.filters, rules)
    target.hsts = hsts_line(config.settings.hsts if route.hsts is None else route.hsts)
    target.response_buffer = route.held_bytes
    target.requirement = requirement
    target.claims = claims(route.auth)
    target.shares = any(made.upstreams[name].shares for name in route.upstreams)
    target.location_rule = LocationRule(route) if route.rewrite_location else None
    target.field_rules = chain.field_rules(route, made, context, config.settings)
    target.compression = chain.compression(route.compress_rules(config.settings.compress), context)
    if requirement is not None:
        made.requirements.append(requirement)
    return target


def _handler(route: Route, made: RunningConfig) -> Handler:
    """What answers its requests."""
    rules = route.file_rules
    if rules is not None:
        return _files(route, rules, made)
    return _proxy(route, made) if route.upstreams else Fixed(route)


def _files(route: Route, rules: FileRules, made: RunningConfig) -> Handler:
    """Files, and the upstream for all other paths."""
    scripts = (made.upstreams[name].scripts for name in route.beside_files)
    tree = Tree(rules, route.index_names, tuple(each.split for each in scripts if each is not None and each.split))
    made.ticking.append(tree)
    other = _proxy(route, made) if route.else_to is not None else None
    if other is not None and route.else_rewrite is not None:
        other = Rewritten(other, route, route.else_rewrite)
    return Files(route, tree, other)


def _proxy(route: Route, made: RunningConfig) -> Handler:
    """The upstreams that it names."""
    upstreams, failover = made.upstreams, None
    if route.failover is not None:
        failover = Failover(route.failover, upstreams[route.failover.to])
    handler: Handler
    if route.split is not None:
        handler = Split(route.split, upstreams, failover)
    elif failover is not None:
        handler = ProxyOrOther(upstreams[route.upstreams[0]], failover)
    else:
        handler = Proxy(upstreams[route.upstreams[0]])
    return handler if route.mirror is None else Mirrored(handler)


def _limits(config: Config, listener: Listener, route: Route | None, room: Room) -> Limits:
    """The most specific first."""
    settings = config.settings
    return Limits(
        (route.timeouts if route else None, listener.timeouts, settings.timeouts),
        (route.limits if route else None, listener.limits, settings.limits),
        room,
    )
