"""Names of peers: looked up when they are new, again when their answer has had its time; the master is told of changes.

A host with addresses of both families has peers of one (``families.py``).  When its peers fail, the other family is
looked at; when neither accepts connections, both are watched until one family accepts them.

A resolver that fails changes nothing: what was known stays.  Only when it says twice that there is no such name, its
peers go.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from rsp.config.instance import Dns
from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.ipc.peer_table import Target
from rsp.logs import log
from rsp.net.families import Families
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

_LOOK: Final = 1.0  # seconds
_DOUBT_AGAIN: Final = 2.0  # least time between two looks at peers that fail


class Names:
    """``found(name, targets)`` is called when an answer is new; with ``None`` when there is none and never was.

    ``failing(name)``: whether all its peers have failed since they last answered.
    """

    def __init__(self, found: Callable[[Peer, list[Target] | None], None], failing: Callable[[Peer], bool]) -> None:
        self._found = found
        self._failing = failing
        self._families = Families()
        self._settings: Dns | None = None
        self._tasks: dict[Peer, asyncio.Task[None]] = {}

    def arrange(self, config: Config, tried: Config | None) -> None:
        """Follow the names in ``config``, and in one that is being tried, and no others."""
        if config.settings.dns != self._settings:
            self._settings = config.settings.dns
            self._follow(set())
        upstreams = [*config.upstreams, *(tried.upstreams if tried is not None else ())]
        self._follow({peer.address for upstream in upstreams for peer in upstream.peers if peer.address.is_name})

    def _follow(self, names: set[Peer]) -> None:
        for name in set(self._tasks) - names:
            self._tasks.pop(name).cancel()
        for name in names - set(self._tasks):
            self._tasks[name] = asyncio.get_running_loop().create_task(self._watch(name, self._settings or Dns()))

    async def _watch(self, name: Peer, settings: Dns) -> None:
        lookup = Lookup(settings, self._families)
        known: list[Target] | None = None
        missing = 0
        failing = False
        while True:
            try:
                answer = await lookup.find(name)
            except (LookupFailed, NoSuchName) as error:
                missing = missing + 1 if isinstance(error, NoSuchName) else 0
                if not failing:
                    kept = "; the previous result stays in use" if known else ""
                    log.line(f"Peer {name}: {error}{kept}", log.WARNING)
                failing = True
                if known is None:
                    self._found(name, None)
                elif missing >= 2 and known:
                    log.line(f"Peer {name}: the name no longer exists; its peers are removed", log.WARNING)
                    known = []
                    self._found(name, known)
                await asyncio.sleep(settings.retry)
                continue
            missing, failing = 0, False
            if answer.targets != known:
                if known is not None:
                    log.line(
                        f"Peer {name}: now {', '.join(target.address for target in answer.targets) or 'no address'}"
                    )
                known = answer.targets
                self._found(name, known)
            await self._rest(name, lookup, min(max(answer.ttl, settings.min_ttl), settings.max_ttl))

    async def _rest(self, name: Peer, lookup: Lookup, seconds: float) -> None:
        """Until the answer has had its time, or may be of the wrong family."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        until, quiet = now + seconds, now + _DOUBT_AGAIN
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, _LOOK))
            if lookup.undecided or (loop.time() > quiet and self._failing(name)):
                lookup.doubt()
                return
