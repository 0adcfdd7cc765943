"""What operators see of an instance, at work: figures for ``rspctl top``, and the dashboard where there is one."""

import asyncio
import contextlib
import os

import msgspec

from rsp.config.dashboard_rules import dashboard_of
from rsp.config.difference import difference
from rsp.config.schema import Config, encode_hook
from rsp.control.dashboard import Dashboard
from rsp.control.figures import Figures
from rsp.control.live import Live
from rsp.control.recent import Recent, without_secrets
from rsp.control.state import Mistake, State
from rsp.control.watching import Handle, Watching
from rsp.control.web import Handler, Request, Response
from rsp.ipc.channel import Outcome
from rsp.ipc.sheet import ReadBlocks
from rsp.ipc.tap import Logged


class Panel:
    """``orders``: handlers for what operators may order, by method and path."""

    def __init__(self, state: State, watching: Watching, blocks: ReadBlocks, orders: dict[str, Handler]) -> None:
        self._watching = watching
        self._recent = Recent()
        self._figures = Figures(state, self._recent, blocks)
        self._live = Live(self._figures)
        self._dashboard = Dashboard(state, self._live, self._recent, orders)
        self.site = self._dashboard.site
        self._reading: asyncio.Task[None] | None = None
        self._slow: Handle | None = None
        self._change: asyncio.Future[str] | None = None  # what the last configuration has changed
        self._telling: asyncio.Task[None] | None = None
        watching.on_logged = self._logged

    def handlers(self) -> dict[str, Handler]:
        """For the admin socket."""
        return {"GET /figures": self._snapshot}

    async def _snapshot(self, _request: Request) -> Response:
        data = await self._figures.snapshot()
        return Response(200, "application/json", msgspec.json.encode(data, enc_hook=encode_hook))

    def arrange(self, config: Config) -> None:
        """``config`` is in force.  Without a dashboard nothing is read and nothing is watched."""
        self._dashboard.arrange(config)
        if dashboard_of(config.settings) is None:
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None
            if self._slow is not None:
                self._slow.close()
                self._slow = None
        elif self._reading is None:
            self._reading = asyncio.ensure_future(self._live.run())

    def tick(self, now: float) -> None:
        """Once a second."""
        if self._reading is None:
            return
        slow = self._recent.slow
        changed = slow.tick(now)
        with contextlib.suppress(Mistake):  # as many watches as there may be are open: later, then
            if self._slow is None:
                take = lambda lines, _dropped: slow.seen(lines)  # noqa: E731
                self._slow = self._watching.open("line", "", take, slower=slow.threshold)
            elif changed:
                self._slow.change(slow.threshold)

    def warnings(self, since: float) -> list[str]:
        """What workers have warned of since that time of day: why they refuse a configuration that they try."""
        return self._recent.warnings(since, but_of=os.getppid())

    def _logged(self, message: Logged) -> None:
        self._recent.logged(message.level, message.at, message.pid, message.text)

    # -- reloads

    def changes(self, before: Config, after: Config) -> None:
        """Another configuration is in force.  Comparing large ones takes a while, so a thread does it."""
        loop = asyncio.get_running_loop()
        self._change = loop.run_in_executor(None, _difference, before, after)

    def ended(self, outcome: Outcome) -> None:
        """A reload or an upgrade."""
        change, self._change = (self._change, None) if outcome.good else (None, self._change)
        self._telling = asyncio.ensure_future(self._tell(outcome, change))

    async def _tell(self, outcome: Outcome, change: asyncio.Future[str] | None) -> None:
        self._recent.ended(outcome, await change if change is not None else "")


def _difference(before: Config, after: Config) -> str:
    try:
        return without_secrets(difference(before, after))
    except Exception as error:  # the reload is shown without it
        return f"cannot be shown: {type(error).__name__}"
