"""Names of peers: looked up when they are new, again when their answer has had its time, and told when it changes.

A resolver that fails changes nothing: what was known stays.  Only when it says twice that there is no such name, its
peers go.
"""

import asyncio
from collections.abc import Callable

from rsp import log
from rsp.config.schema import Config, Dns
from rsp.config.units import Peer
from rsp.lookup import Lookup, LookupFailed, NoSuchName
from rsp.members import Target


class Names:
    """``found(name, targets)`` is called when an answer is new; with ``None`` when there is none and never was."""

    def __init__(self, found: Callable[[Peer, list[Target] | None], None]) -> None:
        self._found = found
        self._settings: Dns | None = None
        self._tasks: dict[Peer, asyncio.Task[None]] = {}

    def arrange(self, config: Config, tried: Config | None) -> None:
        """Follow the names in ``config``, and in one that is being tried, and no others."""
        if config.settings.dns != self._settings:
            self._settings = config.settings.dns
            self._follow(set())
        upstreams = [*config.upstreams, *(tried.upstreams if tried is not None else ())]
        self._follow({peer.address for one in upstreams for peer in one.peers if peer.address.is_name})

    def _follow(self, names: set[Peer]) -> None:
        for name in set(self._tasks) - names:
            self._tasks.pop(name).cancel()
        for name in names - set(self._tasks):
            self._tasks[name] = asyncio.get_running_loop().create_task(self._watch(name, self._settings or Dns()))

    async def _watch(self, name: Peer, settings: Dns) -> None:
        lookup = Lookup(settings)
        known: list[Target] | None = None
        missing = 0
        failing = False
        while True:
            try:
                answer = await lookup.find(name)
            except (LookupFailed, NoSuchName) as error:
                missing = missing + 1 if isinstance(error, NoSuchName) else 0
                if not failing:
                    kept = "; what was known stays in use" if known else ""
                    log.line(f"Peer {name}: {error}{kept}")
                failing = True
                if known is None:
                    self._found(name, None)
                elif missing >= 2 and known:
                    log.line(f"Peer {name}: there is no such name any more, its peers go")
                    known = []
                    self._found(name, known)
                await asyncio.sleep(settings.retry)
                continue
            missing, failing = 0, False
            if answer.targets != known:
                if known is not None:
                    log.line(f"Peer {name}: now {', '.join(target.address for target in answer.targets) or 'nobody'}")
                known = answer.targets
                self._found(name, known)
            await asyncio.sleep(min(max(answer.ttl, settings.min_ttl), settings.max_ttl))
