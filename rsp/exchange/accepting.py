"""What begins with a new connection at a listener: TLS, a PROXY header, or HTTP at once.

Some connections were made before a reload: they wait in the queue of a listener that the configuration in force has
changed or does not have, or a sibling that had the configuration before has accepted them.  They are served as by the
configuration before, because their clients begin as its listener expected.
"""

from rsp.config.schema import Config, Listener
from rsp.exchange.service import HttpService
from rsp.net.acceptor import Accepted
from rsp.net.context import WorkerContext
from rsp.net.handshake import Handshakes
from rsp.net.proxy_listener import ProxyListener
from rsp.net.secure import TlsTransport
from rsp.net.transport import Transport
from rsp.tls.names import ServerNames

Way = tuple[type[Transport], Accepted]  # what carries a connection, and what begins with it


class Accepting:
    """The ways at all listeners, by address: of the configuration in force, which ``service`` has, and of the one
    before."""

    def __init__(self, context: WorkerContext, service: HttpService, handshakes: Handshakes) -> None:
        self._context = context
        self._service = service
        self._handshakes = handshakes
        self._version = 0
        self._ways: dict[str, Way] = {}
        self._before: dict[str, Way] = {}
        self._secure: set[str] = set()  # addresses that clients use TLS at

    def use(self, config: Config, version: int, names: ServerNames | None) -> None:
        """``config`` is in force.  ``names``: for its handshakes, if it has any."""
        secure: set[str] = {listener.address for listener in config.listeners if listener.tls}
        handshakes = self._handshakes
        handshakes.former = {}
        if handshakes.names is not None:
            handshakes.former = dict.fromkeys(self._secure - secure, handshakes.names)
        handshakes.names = names
        self._secure = secure
        self._before = self._ways
        self._ways = {listener.address: self._way(listener) for listener in config.listeners}
        self._version = version

    def has(self, address: str) -> bool:
        """Whether the configuration in force does."""
        return address in self._ways

    def at(self, address: str, version: int | None = None) -> Way:
        """``version``: of the configuration by which it was accepted, if it was not accepted here."""
        first, second = self._ways, self._before
        if version not in (None, self._version):
            first, second = second, first
        return first.get(address) or second.get(address) or (Transport, self._service.accept)

    def _way(self, listener: Listener) -> Way:
        kind, accepted = self._after_header(listener)
        if listener.proxy_protocol is not None:
            limits = self._service.limits_of(listener.address)
            accepted = ProxyListener(self._context, listener.proxy_protocol.from_, limits, accepted).accept
        return kind, accepted

    def _after_header(self, listener: Listener) -> Way:
        """The same, once a PROXY header has been taken off, if there is one."""
        if listener.tls:
            return TlsTransport, self._handshakes.accept
        if listener.http2 == "prior-knowledge":
            return Transport, self._service.accept_either
        return Transport, self._service.accept
