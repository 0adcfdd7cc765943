"""What stands in the place of a client's stream that is gone, and of a responder that is not there: they do nothing."""

from typing import Final

from rsp.http.limits import Limits
from rsp.http.message import ResponseHead
from rsp.http.peer_stream import Responder
from rsp.http.stream import ClientStream
from rsp.net.proxy_header import Address


class _NoStream(ClientStream):
    __slots__ = ()

    def send_interim(self, head: ResponseHead) -> None:
        pass

    def send_response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        pass

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def use(self, limits: Limits) -> None:
        pass

    def set_deadline(self, moment: float) -> None:
        pass

    def open_tunnel(self, head: ResponseHead) -> None:
        pass

    def send_raw(self, data: bytes) -> None:
        pass

    def send_eof(self) -> None:
        pass

    def finish(self, keep_alive: bool) -> None:
        pass

    def reset(self, reason: str) -> None:
        pass

    def local_name(self) -> bytes:
        return b""

    def ends(self) -> tuple[Address, Address] | None:
        return None


class _NoResponder(Responder):
    __slots__ = ()

    def __init__(self) -> None:
        self.forget()

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def abort(self, reason: str) -> None:
        pass

    def enough(self) -> None:
        pass

    def tunnel_up(self, data: bytes) -> None:
        pass

    def tunnel_up_eof(self) -> None:
        pass

    def close_tunnel(self) -> None:
        pass


NO_STREAM: Final = _NoStream()
NO_RESPONDER: Final = _NoResponder()
