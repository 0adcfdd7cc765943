"""An exchange that waits for a thread, which waits for a disk."""

from collections.abc import Callable

from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.inert import NO_RESPONDER
from rsp.http.peer_stream import Responder


class Waiting(Responder):
    """``cancel``: called where what is waited for is of no more use; ``None``: nothing is waited for."""

    __slots__ = ("cancel", "exchange")

    def hold(self, exchange: Exchange) -> None:
        """From here on ``exchange`` waits."""
        self.forget()
        self.exchange = exchange
        self.cancel: Callable[[], object] | None = None
        exchange.responder = self

    def let_go(self) -> bool:
        """It waits no more; whether it has waited until now."""
        self.cancel = None
        if self.exchange.responder is not self or self.exchange.over:
            return False
        self.exchange.responder = NO_RESPONDER
        return True

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """An upstream may be asked after all."""
        exchange = self.exchange
        if exchange.body is None:
            exchange.body = RequestBody()
        exchange.body.add(pieces)
        exchange.body.trailers = trailers
        if trailers is None and exchange.body.size > exchange.limits.buffer:
            exchange.source_full()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def abort(self, reason: str) -> None:
        cancel, self.cancel = self.cancel, None
        if cancel is not None:
            cancel()

    def enough(self) -> None:
        pass
