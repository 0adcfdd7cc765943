"""A request's body on its way to a peer: what waits to be sent, and what was sent and may have to be sent again.

The rest comes from the client's stream, or from a :class:`BodySource`, where the body was held (``spooled.py``).
"""

from typing import Final

_NOTHING: Final[list[bytes]] = []  # never changed


class BodySource:
    """What has the rest of a body, in the place of the client's stream; it can give all of it again."""

    __slots__ = ()

    def pause(self) -> None:
        """No more for now."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def rewind(self) -> None:
        """From the beginning, at the next :meth:`resume`."""
        raise NotImplementedError

    def whole(self) -> bytes | None:
        """All of it at once, for those that know that it is small; ``None``: it cannot be read."""
        raise NotImplementedError


class RequestBody:
    """``waiting``: pieces that were not sent yet, ``size`` bytes in all.  ``spent``: it cannot be sent once more.

    ``trailers``: ``None`` until all of the body is there.  ``source``: has the rest of it, and keeps what was sent.
    """

    __slots__ = ("_kept", "_kept_size", "_shared", "size", "source", "spent", "trailers", "waiting")

    def __init__(self) -> None:
        self.set_up()

    def set_up(self) -> None:
        """What the constructor does, for those who make one for each request."""
        self.waiting: list[bytes] = _NOTHING
        self.size = 0
        self.spent = False
        self.trailers: list[bytes] | None = None
        self.source: BodySource | None = None
        self._shared = False  # ``waiting`` is a list of others, which is not changed
        self._kept: list[bytes] | None = None  # what was sent
        self._kept_size = 0

    def add(self, pieces: list[bytes]) -> None:
        """More has arrived, and cannot be sent yet."""
        if not self.waiting:
            self.waiting, self._shared = pieces, True
        elif self._shared:
            self.waiting, self._shared = self.waiting + pieces, False
        else:
            self.waiting += pieces
        for piece in pieces:
            self.size += len(piece)

    def take(self, most: int) -> list[bytes]:
        """What waits, which is sent now; it is kept for another try, up to ``most`` bytes in all."""
        pieces, self.waiting, self.size = self.waiting, _NOTHING, 0
        self.keep(pieces, most)
        return pieces

    def keep(self, pieces: list[bytes], most: int) -> None:
        """These are being sent."""
        if self.spent or self.source is not None or not pieces:
            return
        for piece in pieces:
            self._kept_size += len(piece)
        if self._kept_size > most:
            self.spent = True
            self._kept = None
        elif self._kept is None:
            self._kept = list(pieces)
        else:
            self._kept += pieces

    def take_back(self) -> None:
        """All of it is to be sent again."""
        if self.source is not None:
            self.waiting, self.size, self.trailers = _NOTHING, 0, None
            self.source.rewind()
            return
        if self._kept:
            self.waiting, self._shared = self._kept + self.waiting, False
            self.size += self._kept_size
        self._kept, self._kept_size = None, 0

    def replace(self, body: bytes) -> None:
        """``body`` in the place of what waits."""
        self.waiting, self._shared = [body] if body else [], False
        self.size = len(body)
        self.trailers = []
