"""A configuration in its running form, built once and swapped as one reference."""

from rsp.balance.round_robin import RoundRobin
from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.proxy.pool import Pool
from rsp.route import Router


class Group:
    """An upstream at run time: its peers' pools, and the policy that chooses among them."""

    __slots__ = ("name", "policy", "pools")

    def __init__(self, name: str, pools: list[Pool], weights: list[int], offset: float) -> None:
        self.name = name
        self.pools = pools
        self.policy = RoundRobin(weights, offset)


class Site:
    """``pools`` are shared with the previous site: idle connections outlive a reload.

    ``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.
    """

    def __init__(self, config: Config, pools: dict[Peer, Pool], offset: float) -> None:
        self.config = config
        self.timeouts = config.settings.timeouts
        self.limits = config.settings.limits
        groups: dict[str, Group] = {}
        for upstream in config.upstreams:
            for peer in upstream.peers:
                pool = pools.setdefault(peer.address, Pool(peer.address))
                pool.keepalive = upstream.keepalive
            members = [pools[peer.address] for peer in upstream.peers]
            weights = [peer.weight for peer in upstream.peers]
            groups[upstream.name] = Group(upstream.name, members, weights, offset)
        self.router = Router((route.host, route.path, groups[route.to]) for route in config.routes)
        self.groups = groups
