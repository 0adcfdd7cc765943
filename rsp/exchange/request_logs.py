"""The access logs of a configuration in their running form."""

from typing import Final

from rsp.config.log_settings import Declared, logs
from rsp.config.observe import AccessLog as Declaration
from rsp.config.predicate import Predicate
from rsp.exchange.field_log import JsonFieldsLog, SelectiveLog, TemplateLog
from rsp.exchange.log_lines import CombinedLog, JsonLog
from rsp.exchange.request_log import RequestLog
from rsp.logs.access_log import AccessLog
from rsp.logs.access_logs import AccessLogs
from rsp.logs.json_line import text
from rsp.logs.secrets import Secrets

COMBINED: Final = "combined"
JSON: Final = "json"


class RequestLogs:
    """``everywhere``: the instance's `access_log`, for routes without one of their own."""

    def __init__(self, everywhere: Declared, taken: AccessLogs, secrets: Secrets) -> None:
        self._everywhere = logs(everywhere)
        self._taken = taken
        self._secrets = secrets
        self._shared: dict[int, RequestLog] = {}  # by the id of their declaration: those that know no route

    def of(self, route: str, own: Declared | None = None) -> tuple[RequestLog, ...]:
        """Those of the route with that name."""
        declared = self._everywhere if own is None else logs(own)
        return tuple(self._made(each, route) for each in declared)

    def _made(self, declared: Declaration, route: str) -> RequestLog:
        known = self._shared.get(id(declared))
        if known is not None:
            return known
        made = self._written(declared, self._taken.at(declared.path), route)
        if declared.when is not None or declared.sample < 1:
            made = SelectiveLog(made, Predicate.parse(declared.when) if declared.when else None, declared.sample)
        if any(declared is each for each in self._everywhere) and not _knows_route(declared):
            self._shared[id(declared)] = made
        return made

    def _written(self, declared: Declaration, log: AccessLog, route: str) -> RequestLog:
        if declared.format == COMBINED:
            return CombinedLog(log, self._secrets)
        if _knows_route(declared):
            return JsonLog(log, self._secrets, text(route.encode()))
        if declared.format == JSON:
            return JsonFieldsLog(log, declared.fields)
        return TemplateLog(log, declared.format)


def _knows_route(declared: Declaration) -> bool:
    """A log in plain JSON has the name of its route made ready."""
    return declared.format == JSON and not declared.fields
