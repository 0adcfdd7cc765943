"""The one way in which a message can be wrong."""


class ProtocolError(Exception):
    """A message that cannot be understood beyond doubt.

    ``status`` is what to answer when a client sent it (RFC 9110 section 15); a backend that sends such a
    message is answered for with 502, whatever ``status`` says.  ``str(error)`` is one clear clause.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
