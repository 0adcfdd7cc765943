"""The access logs of a configuration in their running form."""

from typing import Final

from rsp.config.log_fields import DEFAULT_JSON
from rsp.config.log_settings import Declared, logs
from rsp.config.observe import AccessLog as Declaration
from rsp.exchange.condition import Condition
from rsp.exchange.field_log import JsonFieldsLog, SelectiveLog, TemplateLog, added
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
        self._taken = taken
        self._secrets = secrets
        self._everywhere = self._made(everywhere)

    def of(self, route: str, own: Declared | None = None) -> tuple[RequestLog, ...]:
        """Those of the route with that name."""
        made = self._everywhere if own is None else self._made(own)
        return tuple(each.of(route) for each in made)

    def _made(self, declared: Declared) -> list["_Made"]:
        return [_Made(each, self._taken.at(each.path), self._secrets) for each in logs(declared)]


class _Made:
    """One declaration: what all of its routes share is made once, because there may be thousands."""

    def __init__(self, declared: Declaration, log: AccessLog, secrets: Secrets) -> None:
        self._log = log
        self._secrets = secrets
        self._sample = declared.sample
        self._condition = Condition(declared.when) if declared.when is not None else None
        self._more = added(declared.fields) if declared.fields else None
        # A log in JSON that has all fields of the default has the name of its route made ready.
        self._knows_route = declared.format == JSON and declared.fields.keys().isdisjoint(DEFAULT_JSON)
        self._one: RequestLog | None = None  # for all routes
        if declared.format == JSON:
            self._fields = JsonFieldsLog(log, declared.fields)
        if not self._knows_route:
            self._one = self._selective(self._fields if declared.format == JSON else self._of_text(declared.format))

    def of(self, route: str) -> RequestLog:
        if self._one is not None:
            return self._one
        name = text(route.encode())
        return self._selective(JsonLog(self._log, self._secrets, name, self._more, self._fields))

    def _of_text(self, form: str) -> RequestLog:
        return CombinedLog(self._log, self._secrets) if form == COMBINED else TemplateLog(self._log, form)

    def _selective(self, inner: RequestLog) -> RequestLog:
        if self._condition is None and self._sample >= 1:
            return inner
        return SelectiveLog(inner, self._condition, self._sample)
