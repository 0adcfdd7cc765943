"""The path of ``ready``, for those that ask whether this instance is to get requests: Kubernetes, balancers of clouds.

It comes before all hooks and routes, on every listener.  The answer is 503 from SIGTERM or SIGQUIT on, in all workers
at once: the master says in the scoreboard that it stops.
"""

from http import HTTPStatus
from typing import Final

from rsp.exchange.exchange import Exchange
from rsp.exchange.handler import Handler
from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.ipc.worker_cells import STAGE, STOPPING

_TYPE: Final = b"text/plain; charset=utf-8"
_NOT_KEPT: Final = b"Cache-Control: no-store\r\n"


class Ready(Handler):
    __slots__ = ()

    def start(self, exchange: Exchange) -> None:
        if exchange.context.scoreboard.row(RETIRED_ROW)[STAGE] == STOPPING:
            exchange.answer((HTTPStatus.SERVICE_UNAVAILABLE, _TYPE, _NOT_KEPT, b"stopping\n"))
        else:
            exchange.answer((HTTPStatus.OK, _TYPE, _NOT_KEPT, b"ready\n"))
