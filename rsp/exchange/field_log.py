"""Access logs with fields of the user's choice: as JSON, or in a text of the user's own; and for some requests only."""

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rsp.config.log_fields import DEFAULT_JSON, Known
from rsp.config.placeholders import Template
from rsp.config.predicate import Predicate
from rsp.exchange.fields import Reader, Value, reader
from rsp.exchange.request_log import RequestLog
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
        self._parts = [(json.dumps(key).encode() + b":", reader(name)) for key, name in named.items() if name]

    def write(self, exchange: Any, ended: float) -> None:
        values = [read(exchange, ended) for _, read in self._parts]
        line = self._line(values)
        widest = self._log.widest
        while widest and len(line) > widest and _shorten(values):
            line = self._line(values)
        self._log.add(line)

    def _line(self, values: list[Value]) -> bytes:
        pairs = zip(self._parts, values, strict=True)
        return b"{" + b",".join(key + _as_json(value) for (key, _), value in pairs) + b"}\n"


class TemplateLog(RequestLog):
    """``template``: a text with placeholders."""

    __slots__ = ("_log", "_parts")

    def __init__(self, log: AccessLog, template: str) -> None:
        self._log = log
        parts = Template(template + "\n", Known()).parts
        self._parts: list[bytes | Reader] = [part if isinstance(part, bytes) else reader(part) for part in parts]

    def write(self, exchange: Any, ended: float) -> None:
        self._log.add(
            b"".join(part if isinstance(part, bytes) else _as_text(part(exchange, ended)) for part in self._parts)
        )


class SelectiveLog(RequestLog):
    """``inner``, for requests that ``when`` matches, if there is one, and of them for the share ``sample``."""

    __slots__ = ("_inner", "_matches", "_readers", "_sample")

    def __init__(self, inner: RequestLog, when: Predicate | None, sample: float) -> None:
        self._inner = inner
        self._sample = sample
        self._matches = when.matches if when is not None else None
        self._readers = _raw_readers(when.fields if when is not None else ())

    def write(self, exchange: Any, ended: float) -> None:
        if self._sample < 1 and random.random() >= self._sample:  # noqa: S311 - nothing depends on it
            return
        if self._matches is not None:
            readers = self._readers
            if not self._matches(lambda name: readers[name](exchange, ended)):
                return
        self._inner.write(exchange, ended)


def _raw_readers(names: Iterable[str]) -> dict[str, Reader]:
    return {name: reader(name, raw=True) for name in names}


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


def _shorten(values: list[Value]) -> bool:
    """Whether the longest text among them can be halved, and has been."""
    at = max(range(len(values)), key=lambda index: len(value) if isinstance(value := values[index], bytes) else 0)
    longest = values[at]
    if not isinstance(longest, bytes) or len(longest) <= _TINY:
        return False
    values[at] = longest[: len(longest) // 2 - len(_CUT)] + _CUT
    return True
