"""Routes with `auth = { basic = ... }`: a name and a password of the file, or 401 (RFC 7617).

A request whose credentials were right before costs a look into the cache; others wait here for a thread.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from rsp.auth.passwords import Busy, Users
from rsp.config.auth_rules import USERS
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, HOLD, PASS, Filter, Notes
from rsp.http.lines import get
from rsp.http.values import quoted
from rsp.tls.material import Keyring

_AUTHORIZATION: Final = b"authorization"
_SCHEME: Final = b"basic "


class _Waiting(Notes):
    """Of a request whose password is checked."""

    __slots__ = ("cancel",)

    def __init__(self) -> None:
        self.waits = True
        self.cancel: Callable[[], None] | None = None

    def call_off(self, exchange: Any) -> None:
        cancel, self.cancel = self.cancel, None
        self.waits = False
        if cancel is not None:
            cancel()


class BasicAuthFilter(Filter):
    """``file``: as the configuration names it; the keyring has its content."""

    __slots__ = ("_challenge", "_file", "_users")

    def __init__(self, file: str, realm: str, keyring: Keyring) -> None:
        self._file = file
        self._challenge = b'WWW-Authenticate: Basic realm=%b, charset="UTF-8"\r\n' % quoted(realm)
        self.use(keyring)

    def use(self, keyring: Keyring) -> None:
        """The file may have changed."""
        self._users = Users.of(keyring.files.get(f"{USERS} {self._file}", b""))

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        request: Exchange = exchange
        if request.admitted:
            return PASS
        value = get(request.head.fields, _AUTHORIZATION)
        user = self._users.recall(value) if value is not None else None
        if user is None:
            return self._ask(request, value)
        request.user = user
        return PASS

    def _ask(self, exchange: Exchange, value: bytes | None) -> int:
        if value is None or value[: len(_SCHEME)].lower() != _SCHEME:
            return self._refuse(exchange, "a user name and a password are required")
        waiting = _Waiting()
        given, client = value[len(_SCHEME) :].strip(b" "), exchange.placeholder("client")
        try:
            waiting.cancel = self._users.ask(value, given, client, partial(self._checked, exchange, waiting))
        except Busy as error:
            exchange.refuse(error.status, str(error), b"Retry-After: 1\r\n")
            return DONE
        exchange.get_passage().note(waiting)
        return HOLD

    def _checked(self, exchange: Exchange, waiting: _Waiting, user: bytes | None) -> None:
        """``user``: whose password it is; ``None``: no user's."""
        passage = exchange.passage
        if not waiting.waits or passage is None:
            return
        waiting.waits, waiting.cancel = False, None
        if user is None:
            self._refuse(exchange, "the user name or the password is wrong")
            return
        exchange.user = user
        passage.go_on()

    def _refuse(self, exchange: Exchange, reason: str) -> int:
        exchange.refuse(401, reason, self._challenge)
        return DONE
