"""Access logs with fields of the user's choice: as JSON, or in a text of the user's own; and for some requests only."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from rsp.config.log_fields import DEFAULT_JSON
from rsp.config.placeholders import Template, names
from rsp.exchange.condition import Condition
from rsp.exchange.fields import Reader, Value, reader_or_group
from rsp.exchange.request_log import RequestLog
from rsp.exchange.subject import Subject
from rsp.logs.access_log import AccessLog
from rsp.logs.combined import escape
from rsp.logs.json_line import number, text

_CUT: Final = b"..."
_TINY: Final = 16  # bytes: a value that is not cut


class JsonFieldsLog(RequestLog):
    """``fields``: what each key stands for; ``""``: it is left out.  Those of the default come first."""

    __slots__ = ("_log", "_parts")

    def __init__(self, log: AccessLog, fields: Mapping[str, str]) -> None:
        log.json = True
        self._log = log
        named = {**dict(zip(DEFAULT_JSON, DEFAULT_JSON, strict=True)), **fields}
        self._parts = [(json.dumps(key).encode() + b":", reader_or_group(name)) for key, name in named.items() if name]

    def write(self, exchange: Any, ended: float) -> None:
        values = [read(exchange, ended) for _, read in self._parts]
        line = self._line(values)
        widest = limit = self._log.widest
        while widest and len(line) > widest and limit > _TINY:
            limit //= 2
            line = self._line([_cut(value, limit) for value in values])
        self._log.add(line)

    def _line(self, values: list[Value]) -> bytes:
        pairs = zip(self._parts, values, strict=True)
        return b"{" + b",".join(key + _as_json(value) for (key, _), value in pairs) + b"}\n"


def added(fields: Mapping[str, str]) -> Callable[[Subject, float], bytes]:
    """What comes behind the fields of the default: ``fields``, and the end of the line."""
    parts = [(b"," + json.dumps(key).encode() + b":", reader_or_group(name)) for key, name in fields.items() if name]

    def more(exchange: Subject, ended: float) -> bytes:
        return b"".join([key + _as_json(read(exchange, ended)) for key, read in parts]) + b"}\n"

    return more


class TemplateLog(RequestLog):
    """``template``: a text with placeholders."""

    __slots__ = ("_log", "_parts")

    def __init__(self, log: AccessLog, template: str) -> None:
        self._log = log
        parts = Template(template + "\n", names(template)).parts
        self._parts: list[bytes | Reader] = [
            part if isinstance(part, bytes) else reader_or_group(part) for part in parts
        ]

    def write(self, exchange: Any, ended: float) -> None:
        self._log.add(
            b"".join(part if isinstance(part, bytes) else _as_text(part(exchange, ended)) for part in self._parts)
        )


class SelectiveLog(RequestLog):
    """``inner``, for requests that ``condition`` holds for, if there is one, and of them for the share ``sample``."""

    __slots__ = ("_condition", "_inner", "_sample")

    def __init__(self, inner: RequestLog, condition: Condition | None, sample: float) -> None:
        self._inner = inner
        self._condition = condition
        self._sample = sample

    def write(self, exchange: Any, ended: float) -> None:
        if self._sample < 1 and random.random() >= self._sample:  # noqa: S311 - nothing depends on it
            return
        if self._condition is None or self._condition.holds(exchange, ended):
            self._inner.write(exchange, ended)


def _as_json(value: Value) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, bytes):
        return b'"' + text(value) + b'"'
    return _digits(value)


def _as_text(value: Value) -> bytes:
    if value is None:
        return b"-"
    if isinstance(value, bytes):
        return escape(value) or b"-"
    return _digits(value)


def _digits(value: float) -> bytes:
    if isinstance(value, int):
        return b"%d" % value
    return number(value) if value >= 0 else b"-" + number(-value)


def _cut(value: Value, limit: int) -> Value:
    return value[: limit - len(_CUT)] + _CUT if isinstance(value, bytes) and len(value) > limit else value
