"""Routes with `auth = { jwt = ... }`: a valid token of the issuer (RFC 6750), or 401; without the claims, 403.

A token that was valid before costs a look into the cache.  One with a key that is not known waits for a moment while
the control process fetches the keys again, a bounded number of them, because any client can make such tokens.
"""

from typing import Any, Final

from rsp.auth.tokens import Refused, Rules, Tokens
from rsp.config.auth_rules import FILE, KEYS
from rsp.config.filters import Jwt
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, HOLD, PASS, Filter, Notes
from rsp.http.lines import get
from rsp.http.values import quoted
from rsp.ipc.clock import wall
from rsp.ipc.worker_cells import KEYS_WANTED
from rsp.net.context import WorkerContext
from rsp.system import core
from rsp.tls.material import Keyring

_AUTHORIZATION: Final = b"authorization"
_PATIENCE: Final = 3.0  # seconds for other keys to come
_PAUSE: Final = 10.0  # after these, in which no request waits
_MOST_WAITING: Final = 64


def rules_of(config: Jwt) -> Rules:
    """As the verification takes it."""
    audience = (config.audience,) if isinstance(config.audience, str) else config.audience or ()
    claims = tuple(sorted(config.claims.items()))
    return Rules(config.algorithms, config.issuer, audience, claims, float(config.leeway))


def keys_in(keyring: Keyring, config: Jwt) -> bytes:
    """The keys that there are now, fetched or from a file; empty: none."""
    if config.jwks.startswith(FILE):
        return keyring.files.get(f"{KEYS} {config.jwks.removeprefix(FILE)}", b"")
    return keyring.key_sets.get(config.source, b"")


class _Waiting(Notes):
    """Of a request whose token is signed with a key that is not known."""

    __slots__ = ("exchange", "until", "value")

    def __init__(self, exchange: Exchange, value: bytes | None, until: float) -> None:
        self.waits = True
        self.exchange = exchange
        self.value = value
        self.until = until

    def call_off(self, exchange: Any) -> None:
        self.waits = False


class JwtAuthFilter(Filter):
    """``keyring`` has the keys; :meth:`use` brings others.  Raises :class:`ValueError`."""

    __slots__ = ("_config", "_context", "_quiet_until", "_realm", "_rules", "_tokens", "_waiting")

    def __init__(self, config: Jwt, realm: str, keyring: Keyring, context: WorkerContext) -> None:
        core.forbid()  # tokens that are remembered are as good as passwords
        self._config = config
        self._context = context
        self._realm = quoted(realm)
        self._rules = rules_of(config)
        self._waiting: list[_Waiting] = []
        self._quiet_until = 0.0
        self._tokens = Tokens.of(self._rules, keys_in(keyring, config))

    def use(self, keyring: Keyring) -> None:
        """The keys may have changed."""
        tokens = Tokens.of(self._rules, keys_in(keyring, self._config))
        if tokens is not self._tokens:
            self._tokens = tokens
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                self._decide(each)

    def tick(self, now: float) -> None:
        """Once a second: those that have waited in vain."""
        late = [each for each in self._waiting if each.until <= now or not each.waits]
        if not late:
            return
        self._waiting = [each for each in self._waiting if each not in late]
        if any(each.waits for each in late):
            self._quiet_until = now + _PAUSE
        for each in late:
            self._decide(each)

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        request: Exchange = exchange
        if request.admitted:
            return PASS
        value = get(request.head.fields, _AUTHORIZATION)
        subject = self._tokens.recall(value, wall()) if value is not None else None
        if subject is None:
            return self._check(request, value)
        request.user = subject
        return PASS

    def _check(self, exchange: Exchange, value: bytes | None) -> int:
        try:
            exchange.user = self._tokens.check(value, wall())
        except Refused as error:
            if not error.unknown_key or not self._may_wait():
                return self._refuse(exchange, error)
            waiting = _Waiting(exchange, value, self._context.now + _PATIENCE)
            self._waiting.append(waiting)
            exchange.get_passage().note(waiting)
            if self._tokens.has_keys:  # else they are asked for in any case
                self._context.stats.add(KEYS_WANTED, 1)
            return HOLD
        return PASS

    def _may_wait(self) -> bool:
        context = self._context  # which has no tap where there is no control process that fetches (``rsp -t``)
        fetched = context.tap is not None and not self._config.jwks.startswith(FILE)
        return fetched and len(self._waiting) < _MOST_WAITING and context.now >= self._quiet_until

    def _decide(self, waiting: _Waiting) -> None:
        """It has waited long enough, or there are other keys."""
        exchange = waiting.exchange
        passage = exchange.passage
        if not waiting.waits or passage is None:
            return
        waiting.waits = False
        try:
            exchange.user = self._tokens.check(waiting.value, wall())
        except Refused as error:
            self._refuse(exchange, error)
            return
        passage.go_on()

    def _refuse(self, exchange: Exchange, error: Refused) -> int:
        exchange.refuse(error.status, error.reason, self._challenge(error))
        return DONE

    def _challenge(self, error: Refused) -> bytes:
        """RFC 6750 section 3."""
        if error.status == 503:
            return b""
        told = b"WWW-Authenticate: Bearer realm=%b" % self._realm
        if error.error:
            told += b', error="%b", error_description="%b"' % (error.error.encode(), error.reason.encode())
        return told + b"\r\n"
