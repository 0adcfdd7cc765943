"""What a policy may ask of a peer."""


class Candidate:
    """``name``: unique among its siblings; ``weight``: its share relative to them, as it is now; ``nominal``: the same
    as it was configured.

    ``turn`` is where :class:`~rsp.balance.policies.RoundRobin` keeps its accounts.
    """

    __slots__ = ("name", "nominal", "turn", "weight")

    def __init__(self, name: bytes, weight: float) -> None:
        self.name = name
        self.nominal = self.weight = weight
        self.turn = 0.0

    def load(self) -> int:
        """Exchanges that run there, for all workers."""
        return 0

    def latency(self) -> float:
        """Seconds that it takes to answer, as far as is known."""
        return 0.0
