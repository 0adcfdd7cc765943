"""What the master has been told that names stand for, so that it is told only of what changes: of 10,000 targets a few
come and go at a time, and all of them are a message of 300 KB."""

from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.ipc.channel import Found, FoundChange
from rsp.ipc.peer_table import MOST_TARGETS, Target
from rsp.logs import log


class Answers:
    """By name."""

    def __init__(self) -> None:
        self._told: dict[Peer, dict[Peer, Target]] = {}

    def news(self, name: Peer, targets: list[Target] | None) -> Found | FoundChange | None:
        """What the master has to be told now that ``name`` stands for ``targets``; ``None``: nothing."""
        if targets is None:
            return Found(name, None)
        if len(targets) > MOST_TARGETS:
            many = f"{len(targets)} members, of which {MOST_TARGETS} are used"
            log.once_a_second(f"many {name}", f"{name.partition('#')[0]} has {many}", log.WARNING)
        before, now = self._told.get(name), {target.address: target for target in targets[:MOST_TARGETS]}
        self._told[name] = now
        if before is None:
            return Found(name, list(now.values()))
        come = [target for address, target in now.items() if before.get(address) != target]
        gone = [address for address in before if address not in now]
        if len(come) + len(gone) > len(now):
            return Found(name, list(now.values()))
        return FoundChange(name, come, gone) if come or gone else None

    def only(self, *configs: Config | None) -> None:
        """Forget what none of ``configs`` names, as the master does."""
        upstreams = [upstream for config in configs if config is not None for upstream in config.upstreams]
        names = {peer.address for upstream in upstreams for peer in upstream.given}
        self._told = {name: targets for name, targets in self._told.items() if name in names}
