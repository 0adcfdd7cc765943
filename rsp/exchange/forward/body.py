"""A request's body on its way to a peer: what waits to be sent, and what was sent and may have to be sent again."""


class RequestBody:
    """``waiting``: pieces that were not sent yet, ``size`` bytes in all.  ``spent``: it cannot be sent once more.

    ``trailers``: ``None`` until all of the body is there.
    """

    __slots__ = ("_kept", "_kept_size", "size", "spent", "trailers", "waiting")

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.size = 0
        self.spent = False
        self.trailers: list[bytes] | None = None
        self._kept: list[bytes] | None = None  # what was sent
        self._kept_size = 0

    def add(self, pieces: list[bytes]) -> None:
        """More has arrived, and cannot be sent yet."""
        self.waiting += pieces
        for piece in pieces:
            self.size += len(piece)

    def take(self, most: int) -> list[bytes]:
        """What waits, which is sent now; it is kept for another try, up to ``most`` bytes in all."""
        pieces, self.waiting, self.size = self.waiting, [], 0
        self.keep(pieces, most)
        return pieces

    def keep(self, pieces: list[bytes], most: int) -> None:
        """These are being sent."""
        if self.spent or not pieces:
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
        if self._kept:
            self.waiting = self._kept + self.waiting
            self.size += self._kept_size
        self._kept, self._kept_size = None, 0

    def replace(self, body: bytes) -> None:
        """``body`` in the place of what waits."""
        self.waiting = [body] if body else []
        self.size = len(body)
        self.trailers = []
