"""Words for logs, metrics, the dashboard and traces that people bring from other programs, by where they stand, and
what says the same in rsp.
"""

from typing import Any, Final

import msgspec

from rsp.config.observe import AccessLog, Dashboard, Metrics, Tracing
from rsp.config.schema import Settings
from rsp.config.units import show

_METRICS: Final = 'metrics = "127.0.0.1:9145"'
_DASHBOARD: Final = 'dashboard = "127.0.0.1:9146"'
_TRACING: Final = 'tracing = { endpoint = "http://127.0.0.1:4318/v1/traces" }'
_FORMAT: Final = 'access_log = { path = "access.log", format = "{client} {status}" }'
_EXAMPLES: Final = {"metrics": _METRICS, "dashboard": _DASHBOARD, "tracing": _TRACING}

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("prometheus", "metricsport", "exporter", "stubstatus"), _METRICS),
    **dict.fromkeys(("stats", "statspage", "statsuri", "status", "statuspage"), f"{_DASHBOARD}, or rspctl top"),
    **dict.fromkeys(
        ("otel", "otlp", "opentelemetry", "opentracing", "jaeger", "zipkin", "telemetry", "oteltrace", "trace"),
        _TRACING,
    ),
    **dict.fromkeys(("log", "logs", "logging"), 'access_log = "stdout", log_level = "info"; errors: standard error'),
    "errorlog": 'log_level = "error"; errors go to standard error',
    "accesslogs": 'access_log = "stdout"',
    "logformats": _FORMAT,
    "loglevels": 'log_level = "info"',
}  # fmt: skip

WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    AccessLog: {
        **dict.fromkeys(("file", "filename", "output", "destination", "target", "sink", "to"), "in rsp: path"),
        **dict.fromkeys(("if", "filter", "condition", "where", "filters"), "in rsp: when = 'status >= 500'"),
        **dict.fromkeys(("rate", "sampling", "ratio", "percentage"), "in rsp: sample = 0.01"),
        **dict.fromkeys(("encoder", "logformat", "type", "template"), 'in rsp: format = "json"'),
        **dict.fromkeys(("buffer", "flush", "buffersize", "bufferingsize", "async"), "rsp always buffers log lines"),
        **dict.fromkeys(("rotate", "roll", "rollsize", "maxsize", "gzip"), "rsp does not rotate files; use logrotate"),
        **dict.fromkeys(("level", "loglevel"), 'a separate setting: log_level = "info"'),
        **dict.fromkeys(("mask", "redact", "logmask"), 'a separate setting: log_mask = { "ticket" }'),
    },
    Metrics: {
        **dict.fromkeys(("path", "uri", "metricspath"), "the path is always /metrics"),
        **dict.fromkeys(("listen", "bind", "addr", "port"), f"in rsp: {_METRICS}"),
        **dict.fromkeys(("users", "password", "auth", "basicauth"), "metrics have no password; use a private address"),
        **dict.fromkeys(("host", "servername", "names"), 'in rsp: hosts = { "proxy.example.net" }'),
    },
    Dashboard: {
        **dict.fromkeys(("path", "uri", "prefix"), "the path is always /"),
        **dict.fromkeys(("listen", "bind", "addr", "port"), f"in rsp: {_DASHBOARD}"),
        **dict.fromkeys(("password", "user", "auth", "basicauth", "htpasswd", "passwd"), 'in rsp: users = "htpasswd"'),
        **dict.fromkeys(("host", "servername", "names"), 'in rsp: hosts = { "proxy.example.net" }'),
        **dict.fromkeys(("admin", "write", "control", "readonly"), "in rsp: actions = true"),
    },
    Tracing: {
        **dict.fromkeys(("url", "address", "collector", "target", "host", "exporter"), f"in rsp: {_TRACING}"),
        **dict.fromkeys(("rate", "ratio", "sampling", "samplerate", "samplingrate", "probability"), "in rsp: sample"),
        **dict.fromkeys(("threshold", "latency"), 'in rsp: slow = "1s"'),
    },
}  # fmt: skip

# Settings of rsp's own that other programs write without "=".
_DIRECTIVES: Final = {"log_format": _FORMAT, "access_log": _FORMAT, "error_log": SAID["errorlog"]}


def hint_of_directive(word: str) -> str:
    """For a line that begins with ``word`` and is no Lua."""
    return f" (in rsp: {_DIRECTIVES[word]})" if word in _DIRECTIVES else ""


def of_what(setting: str | int) -> str:
    """What else may be meant by a value that the ``setting`` does not have."""
    return f" (the lines of requests: {_FORMAT})" if setting == "log_format" else ""


def instead(struct: type, path: tuple[str | int, ...], given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong type, or ``""``."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    if struct is AccessLog and "fields" in path:
        return _field(key, given)
    if key == "sample" and isinstance(given, str) and given.strip().endswith("%"):
        return _share(given.strip()[:-1])
    if key == "access_log" and not isinstance(given, str | dict | list) and given is not False:
        return '; write access_log = "stdout"'
    if len(path) == 1 and struct in (Settings, Metrics, Dashboard, Tracing) and key in _EXAMPLES:
        return _whole(key, given)
    return ""


def _whole(key: str, given: Any) -> str:
    if given is False:
        return f'; leave "{key}" out'
    if key == "tracing" and isinstance(given, str) and "://" in given:
        return f"; write tracing = {{ endpoint = {show(given)} }}"
    return "" if isinstance(given, list | dict) else f"; write {_EXAMPLES[key]}"


def _field(key: str, given: Any) -> str:
    if isinstance(given, list) and given and isinstance(given[0], str):
        return f'; write {{ name = "{given[0]}" }}'
    return f'; write {key} = "" to leave it out' if given is False else ""


def _share(percent: str) -> str:
    try:
        return f"; write {float(percent) / 100:g}"
    except ValueError:
        return ""
