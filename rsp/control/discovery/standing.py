"""How a source of members does, for operators."""

import msgspec


class Standing(msgspec.Struct, frozen=True):
    """``since``: seconds since the epoch; ``problem``: a clause, or empty."""

    upstream: str
    source: str
    state: str
    since: float
    members: int
    changes: int
    errors: int
    flapping: list[str]
    problem: str
