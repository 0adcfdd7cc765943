"""The filters of a route, in the order in which requests pass them: all of the order is in this file.

``docs/filters.md`` has the same as a picture.
"""

from collections.abc import Iterator

from rsp.config.cluster_limits import has_cluster_limits, with_slack
from rsp.config.content import Compress
from rsp.config.errors import ConfigError
from rsp.config.filters import Auth
from rsp.config.limit_rules import several
from rsp.config.routes import Route
from rsp.config.schema import Settings
from rsp.config.store_rules import store_of
from rsp.exchange.compression import Compression
from rsp.exchange.filter import FieldRule, Filter
from rsp.exchange.filters.access import AccessFilter
from rsp.exchange.filters.bandwidth import BandwidthFilter
from rsp.exchange.filters.basic_auth import BasicAuthFilter
from rsp.exchange.filters.concurrency import ConcurrencyFilter
from rsp.exchange.filters.cors import cors_filter, cors_rule
from rsp.exchange.filters.fault import FaultFilter
from rsp.exchange.filters.forward_auth import AuthCookies, ForwardAuthFilter
from rsp.exchange.filters.jwt_auth import JwtAuthFilter
from rsp.exchange.filters.maintenance import MaintenanceFilter
from rsp.exchange.filters.mirror import MirrorFilter
from rsp.exchange.filters.rate_limit import RateLimitFields, RateLimitFilter
from rsp.exchange.filters.request_buffering import RequestBufferingFilter
from rsp.exchange.filters.security_headers import security_rules
from rsp.exchange.running_config import RunningConfig
from rsp.net.context import WorkerContext


def before_hooks(route: Route, made: RunningConfig, context: WorkerContext) -> tuple[Filter, ...]:
    """Access, maintenance, faults, CORS, limits, auth.  Raises :class:`ConfigError`."""
    chain: list[Filter] = [*_access(route, made)]
    if route.cors is not None:
        chain.append(cors_filter(route.cors))
    chain += _limits(route, made, context)
    if route.auth is not None:
        chain.append(_auth(route.auth, made, context))
    return tuple(chain)


def _access(route: Route, made: RunningConfig) -> Iterator[Filter]:
    keyring = made.directory.keyring
    if route.allow or route.deny or route.country is not None:
        access = AccessFilter(route, keyring)
        made.keyed.append(access)
        yield access
    if route.maintenance:
        maintenance = MaintenanceFilter(route, keyring)
        made.keyed.append(maintenance)
        yield maintenance
    if route.fault is not None:
        yield FaultFilter(route.fault)


def _auth(auth: Auth, made: RunningConfig, context: WorkerContext) -> Filter:
    if auth.forward is not None:
        return ForwardAuthFilter(auth, made.upstreams[auth.forward], made.forwarded)
    try:
        return _own_auth(auth, made, context)
    except ImportError as error:  # a worker may not read it any more
        raise ConfigError(f"auth: passwords or tokens cannot be verified: {error}; restart rsp") from None


def _own_auth(auth: Auth, made: RunningConfig, context: WorkerContext) -> Filter:
    """Passwords or tokens.  Raises :class:`ImportError`."""
    keyring = made.directory.keyring
    if auth.jwt is not None:
        tokens = JwtAuthFilter(auth.jwt, auth.realm, keyring, context)
        made.keyed.append(tokens)
        made.ticking.append(tokens)
        return tokens
    passwords = BasicAuthFilter(auth.basic or "", auth.realm, keyring)
    made.keyed.append(passwords)
    return passwords


def _limits(route: Route, made: RunningConfig, context: WorkerContext) -> Iterator[Filter]:
    if has_cluster_limits(route) and context.stores is not None:
        yield _cluster_limits(route, made, context)
    elif route.rate_limit is not None:
        yield RateLimitFilter(with_slack(route), context.shared_usage())
    for number, concurrency in enumerate(several(route.concurrency)):
        yield ConcurrencyFilter(route, number, concurrency, context, context.shared_usage())
    if route.bandwidth is not None:
        yield BandwidthFilter(route, route.bandwidth, context.shared_usage())


def _cluster_limits(route: Route, made: RunningConfig, context: WorkerContext) -> Filter:
    """Imported where a configuration has any.  Raises :class:`ConfigError`."""
    try:
        from rsp.exchange.filters.cluster_rate_limit import ClusterRateLimitFilter
        from rsp.exchange.lease_clients import lease_clients
    except ImportError as error:  # a worker may not read it any more
        raise ConfigError(f"rate_limit: cluster: a library cannot be loaded: {error}; restart rsp") from None

    clients = lease_clients(context)
    of_limits = [
        clients.of(store_of(made, limit.cluster)) if limit.cluster else None for limit in several(route.rate_limit)
    ]
    return ClusterRateLimitFilter(with_slack(route), tuple(of_limits), context.shared_usage().rates)


def behind_hooks(route: Route, made: RunningConfig, context: WorkerContext) -> tuple[Filter, ...]:
    """What needs the request as it goes to the peer: mirrors, buffering of bodies.  Raises :class:`ConfigError`."""
    chain: list[Filter] = []
    if route.mirror is not None:
        mirror = MirrorFilter(route.mirror, made.upstreams[route.mirror.to])
        made.ticking.append(mirror)
        chain.append(mirror)
    if route.request_buffering:
        chain.append(RequestBufferingFilter())
    elif any(made.upstreams[name].scripts is not None for name in route.upstreams):
        chain.append(RequestBufferingFilter(unsized_only=True))  # CONTENT_LENGTH comes before the body
    return tuple(chain)


def field_rules(route: Route, made: RunningConfig, context: WorkerContext, settings: Settings) -> tuple[FieldRule, ...]:
    """What changes the fields of its responses, in this order.  Raises :class:`ConfigError`."""
    rules: list[FieldRule] = []
    if route.rate_limit is not None:
        rules.append(RateLimitFields(with_slack(route)))
    if route.auth is not None and route.auth.forward is not None:
        rules.append(AuthCookies())
    if route.cors is not None:
        rules.append(cors_rule(route.cors))
    rules += security_rules(route.security_headers, settings.security_headers)
    return tuple(rules)


def compression(rules: Compress | None, context: WorkerContext) -> Compression | None:
    """What compresses responses, behind hooks; ``None``: nothing does.  Raises :class:`ConfigError`."""
    if rules is None:
        return None
    try:
        return Compression(rules, context.shared_effort())
    except ImportError as error:  # a worker may not read it any more
        raise ConfigError(f"compress: a library cannot be loaded: {error}; restart rsp") from None
