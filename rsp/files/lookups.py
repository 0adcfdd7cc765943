"""Looks for files that threads make, one for all requests that want the same name."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from rsp.files.outcomes import BROKEN, BUSY
from rsp.files.threads import Busy, submit

Done = Callable[[Any], object]


class _Look:
    """One that runs or waits; ``done``: what is called at its end."""

    __slots__ = ("done", "future")

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        self.future = future
        self.done: list[Done] = []


class Lookups:
    """Of one tree."""

    __slots__ = ("_looks",)

    def __init__(self) -> None:
        self._looks: dict[bytes, _Look] = {}

    def ask(
        self,
        name: bytes,
        owner: object,
        look: Callable[[bytes], Any],
        keep: Callable[[bytes, Any], Any],
        done: Done,
    ) -> Callable[[], None]:
        """Have a thread ``look`` for ``name``, then ``keep`` what it has found and call ``done`` with it, in the loop.

        What is returned calls it off.
        """
        running = self._looks.get(name)
        if running is None:
            try:
                future = asyncio.wrap_future(submit(owner, look, name))
            except Busy:
                return asyncio.get_running_loop().call_soon(done, BUSY).cancel
            running = self._looks[name] = _Look(future)
            future.add_done_callback(partial(self._ended, name, running, keep))
        running.done.append(done)
        return partial(self._call_off, name, running, done)

    def _ended(
        self, name: bytes, look: _Look, keep: Callable[[bytes, Any], Any], future: "asyncio.Future[Any]"
    ) -> None:
        if future.cancelled():
            return
        del self._looks[name]
        found = keep(name, future.result() if future.exception() is None else BROKEN)
        for done in list(look.done):  # a callback may cancel others
            if done in look.done:
                done(found)

    def _call_off(self, name: bytes, look: _Look, done: Done) -> None:
        """``done`` is not called any more; a look that no request waits for gives its place to others."""
        if done in look.done:
            look.done.remove(done)
        if not look.done and self._looks.get(name) is look and look.future.cancel():
            del self._looks[name]
