"""What may look at a request and its response on their way, and change, answer or refuse them.

The filters of a route are a tuple that is fixed when the configuration is loaded; without any, an exchange asks
nothing.  Requests pass them in order, those for all routes before routing; responses and errors pass them in reverse
order.
"""

from typing import Any, Final

from rsp.http.message import ResponseHead

PASS: Final = 0  # go on
HOLD: Final = 1  # wait: the filter calls ``exchange.passage.go_on()`` later
DONE: Final = 2  # the filter has answered, or the exchange is over


class Notes:
    """What filters know of one exchange; ``waits``: a filter waits for something.

    ``following``: other notes that are told of the end, see ``exchange.tell_of_end``.
    """

    __slots__ = ("following", "waits")

    following: "Notes | None"

    def __init__(self) -> None:
        self.waits = False

    def withdraw(self) -> None:
        """So is the response that they look at; they will see another one."""

    def call_off(self, exchange: Any) -> None:
        """What filters wait for is of no more use."""

    def ended(self, exchange: Any, status: int) -> None:
        """The exchange is over, as :meth:`Filter.ended`; for notes that have asked for it."""

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """What arrives of the request's body, for notes in ``exchange.passage.tapping``."""


class FieldRule:
    """Changes the fields of every response of a route: of peers' and of rsp's own, errors included, after the
    configuration's own rules for fields.  It costs less than a filter that looks at responses."""

    __slots__ = ()

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        """``exchange``: as for a :class:`Filter`."""


class Filter:
    """Shared by all exchanges of a configuration, so what it notes of an exchange is in ``exchange.passage.notes``.

    ``exchange`` is an :class:`rsp.exchange.exchange.Exchange`, which is above this room.  None of the phases may raise.
    """

    __slots__ = ()

    def is_light(self) -> bool:
        """Whether requests that it lets pass need no passage: where it holds one, it asks ``exchange.get_passage()``.

        A passage costs 1,100 instructions, half of what a filter may.
        """
        return False

    def looks_back(self) -> bool:
        """Whether responses and errors pass it; they are held for that."""
        return False

    def request(self, exchange: Any) -> int:
        """``exchange.head`` may be changed, the body taken, the upstream chosen (``exchange.passage``)."""
        return PASS

    def response(self, exchange: Any) -> int:
        """``exchange.passage.held`` is the response, with what has come of its body; all of it may be changed."""
        return PASS

    def body(self, exchange: Any, pieces: list[bytes], last: bool) -> list[bytes] | None:
        """The body's next pieces as they are to be sent, where the filter asked for them (``held.filter_body``).

        ``None``: it failed; the response ends here.
        """
        return pieces

    def error(self, exchange: Any, status: int, reason: str) -> int:
        """rsp is about to answer with an error of its own."""
        return PASS

    def ended(self, exchange: Any, status: int) -> None:
        """The exchange is over; ``status``: as logged.  For filters that look back."""
