"""An exchange after 101 Switching Protocols: bytes both ways, until both sides have ended.

Rules of this room: nothing is decided here.
"""

from rsp.exchange.forward.sticky import Binding
from rsp.exchange.subject import Subject
from rsp.http.message import ResponseHead


class Tunnel(Subject):
    """``open_ends``: sides that may still send."""

    __slots__ = ("open_ends",)

    open_ends: int

    def switched(self, head: ResponseHead, data: bytes) -> None:
        self.response_started = True
        self.response_head = head
        self.status = 101
        for rule in self.route.field_rules:
            rule.apply(self, head)
        lines = self.responder.last_lines
        if lines:
            head.fields += Binding.secured(lines) if self.placeholder("scheme") == b"https" else lines
        self.stream.open_tunnel(head)
        if data:
            self.tunnel_down(data)

    def tunnel_up(self, data: bytes) -> None:
        self.received += len(data)
        self.responder.tunnel_up(data)

    def tunnel_up_eof(self) -> None:
        self.responder.tunnel_up_eof()
        self._half_closed()

    def tunnel_down(self, data: bytes) -> None:
        self.sent += len(data)
        self.stream.send_raw(data)

    def tunnel_down_eof(self) -> None:
        self.stream.send_eof()
        self._half_closed()

    def _half_closed(self) -> None:
        """One side sends no more; when both have said so, that is the end."""
        self.open_ends -= 1
        if self.open_ends == 0:
            self.responder.close_tunnel()
            self.tunnel_lost()

    def tunnel_lost(self) -> None:
        raise NotImplementedError
