"""A configuration becomes a running one: routes with their handlers and filters, upstreams, limits."""

from rsp.config.schema import Config, Listener, Route
from rsp.exchange.answers import Pages
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.filters.headers import response_rules, via_lines
from rsp.exchange.filters.hooks import HooksFilter
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.fixed import Fixed
from rsp.exchange.handlers.proxy import Proxy
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.http.limits import Limits
from rsp.http.routing import Router
from rsp.logs.access_log import AccessLog
from rsp.net.context import WorkerContext
from rsp.system.descriptors import Room

_WITH_HOOKS = 4  # a request with hooks counts for so many in a connection's share of a turn


def assemble(
    config: Config,
    context: WorkerContext,
    directory: PeerDirectory,
    access_log: AccessLog,
    hooks: Hooks | None = None,
    offset: float = 0.0,
) -> RunningConfig:
    """Peers are shared with the previous configuration: their connections, and what is known of them, outlive a reload.

    ``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.
    ``hooks``: those of the configuration, if it has any.
    """
    settings = config.settings
    made = RunningConfig(access_log, Forwarded(settings), Pages(config.pages))
    made.directory = directory
    made.dns = settings.dns
    made.hooks = hooks
    if hooks is not None:
        made.weight = _WITH_HOOKS
        made.filters = (HooksFilter(hooks, hooks.everywhere, first=True),)
        hooks.running = made
    made.upstreams = {upstream.name: Upstream(context, directory, upstream, offset) for upstream in config.upstreams}
    room = Room.of(len(config.listeners))
    made.limits = Limits((settings.timeouts,), (settings.limits,), room)
    made.listeners = {listener.address: _limits(config, listener, None, room) for listener in config.listeners}
    own_rules = response_rules(settings.response_headers)[1]
    made.nowhere = RouteTarget(Route(), Handler(), None, made.listeners, (), made.filters, (None, own_rules))
    made.request_id = settings.request_id
    made.via = via_lines(settings.via) if settings.via else None
    made.router = Router(
        (route.host, route.path, _target(config, route, made, number, room))
        for number, route in enumerate(config.routes)
    )
    listeners, filters = made.listeners, made.filters  # not ``made``, which would hold itself
    made.direct_to = lambda upstream: RouteTarget(
        Route(to=upstream.name), Proxy(upstream), upstream, listeners, (), filters,
        response_rules(settings.response_headers),
    )  # fmt: skip
    return made


def _target(config: Config, route: Route, made: RunningConfig, number: int, room: Room) -> RouteTarget:
    limits = made.listeners
    if route.timeouts is not None or route.limits is not None:
        limits = {listener.address: _limits(config, listener, route, room) for listener in config.listeners}
    phases = made.hooks.routes.get(number) if made.hooks is not None else None
    filters = (HooksFilter(made.hooks, phases, first=False),) if phases is not None else ()
    upstream = made.upstreams[route.to] if route.to is not None else None
    handler: Handler = Proxy(upstream) if upstream is not None else Fixed(route)
    rules = response_rules(config.settings.response_headers, route.response_headers)
    return RouteTarget(route, handler, upstream, limits, filters, made.filters, rules)


def _limits(config: Config, listener: Listener, route: Route | None, room: Room) -> Limits:
    """The most specific first."""
    settings = config.settings
    return Limits(
        (route.timeouts if route else None, listener.timeouts, settings.timeouts),
        (route.limits if route else None, listener.limits, settings.limits),
        room,
    )
