"""Where an imported configuration differs from nginx on purpose; docs/import.md has each reason."""

from collections.abc import Callable
from typing import Final

from tests.interop.import_battery import Request
from tests.interop.import_oracle import Seen

Predicate = Callable[[Request, Seen, Seen, str], bool]

# Each predicate gets the request, nginx's response, rsp's, and the line that says what differs.
DIFFERENCES: Final[tuple[tuple[Predicate, str], ...]] = ()


def reason_for(request: Request, nginx: Seen, rsp: Seen, line: str) -> str | None:
    return next((reason for told, reason in DIFFERENCES if told(request, nginx, rsp, line)), None)
