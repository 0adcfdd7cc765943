"""``access_log`` and ``log_format``: where lines go, and what is in them.

A format that is an object of JSON becomes ``format = "json"`` with its fields, any other a text.  The format of nginx's
own packages, ``main``, is ``combined`` and one field more; rsp's ``combined`` has other ones there.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from rsp.config.log_fields import DEFAULT_JSON
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import field, pieces
from rsp.importing.site import Value

_COMBINED: Final = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
_MAIN: Final = f'{_COMBINED} "$http_x_forwarded_for"'
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z0-9_][A-Za-z0-9_.\-]*)\}")
_EMPTY: Final = {"upstream_cache_status": "-", "gzip_ratio": "-", "pipe": "."}  # in rsp, for all requests
_FIELDS: Final = {
    "args": "query", "binary_remote_addr": "client", "body_bytes_sent": "bytes", "bytes_sent": "bytes",
    "document_uri": "path", "host": "host", "http_host": "authority", "http_referer": "referer",
    "http_user_agent": "user_agent", "proxy_protocol_addr": "client", "query_string": "query", "remote_addr": "client",
    "remote_user": "user", "request": "request", "request_id": "request_id", "request_length": "bytes_received",
    "request_method": "method", "request_time": "duration", "request_uri": "target", "scheme": "scheme",
    "server_name": "host", "server_protocol": "protocol", "ssl_cipher": "tls_cipher",
    "ssl_client_fingerprint": "client_cert_fingerprint", "ssl_client_s_dn": "client_cert_subject",
    "ssl_protocol": "tls_version", "ssl_server_name": "sni", "ssl_session_reused": "tls_resumed", "status": "status",
    "time_iso8601": "time", "time_local": "time_local", "upstream_addr": "upstream",
    "upstream_connect_time": "connect", "upstream_header_time": "first_byte", "upstream_response_time": "upstream_time",
    "uri": "path",
}  # fmt: skip
_FAMILIES: Final = {
    "http_": "header.", "sent_http_": "response.header.", "upstream_http_": "response.header.", "arg_": "query.",
    "cookie_": "cookie.",
}  # fmt: skip
_OTHER: Final = {
    "bytes_sent": "bytes are those of the body",
    "request_length": "bytes_received are those of the body",
    "server_name": "host is that of the request",
    "ssl_session_reused": "tls_resumed is 1 or 0",
}
_NUMBER: Final = re.compile(r"(?<=[:\[,\s])(\$\{?\w+\}?)(?=\s*[,}\]])")


class Formats:
    """``log_format`` of one file, by name; as keys of ``access_log``."""

    def __init__(self, http: Level, result: Result) -> None:
        self._result = result
        self._texts = {each.value: each for each in http.own("log_format")}
        self._known: dict[str, dict[str, Value]] = {}

    def keys(self, name: str, statement: Statement) -> Mapping[str, Value]:
        """``format`` and ``fields``; none: the lines are rsp's own."""
        if name in ("", "combined"):
            return {}
        if name not in self._texts:
            self._result.settings.note(
                statement, f'the log_format "{name}" is defined elsewhere: lines have rsp\'s format `combined`'
            )
            return {}
        if name not in self._known:
            self._known[name] = self._translated(self._texts[name])
        return self._known[name]

    def _translated(self, statement: Statement) -> dict[str, Value]:
        words = statement.args[1:]
        text = "".join(word for number, word in enumerate(words) if number or not word.startswith("escape="))
        if text in (_COMBINED, _MAIN):
            if text == _MAIN:
                note = "in rsp's `combined`, peers, times and the request id stand in the place of X-Forwarded-For"
                self._result.settings.note(statement, note)
            return {}
        parsed = _object(text)
        return self._json(parsed, statement) if parsed is not None else self._text(text, statement)

    def _text(self, text: str, statement: Statement) -> dict[str, Value]:
        parts: list[str] = []
        lost: list[str] = []
        seen: list[str] = []
        for literal, name in pieces(text):
            parts.append(_PLACEHOLDER.sub(r"{{\1}}", literal))
            own = field_of(name)
            if own:
                parts.append(f"{{{own}}}")
                seen.append(name)
            elif name:
                parts.append(_EMPTY.get(name, "-"))
                lost += [name] if name not in _EMPTY else []
        self._tell(statement, seen, lost, "a dash stands")
        if not seen:
            return {}
        return {"format": "".join(parts).replace("\n", " ")}

    def _json(self, parsed: Mapping[str, str], statement: Statement) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        lost: list[str] = []
        seen: list[str] = []
        for key, value in parsed.items():
            (literal, name), *more = pieces(value)
            own = field_of(name) if not literal and not more else ""
            if own:
                seen.append(name)
                if own != key or key not in DEFAULT_JSON:
                    fields[key] = own
            elif name not in _EMPTY:
                lost.append(key)
        said_of = ", ".join(lost)
        if lost:
            self._result.settings.note(statement, f"lines of JSON have no {said_of}: rsp has no such field")
        self._tell(statement, seen, [], "")
        return {"format": "json", **({"fields": fields} if fields else {})}

    def _tell(self, statement: Statement, seen: list[str], lost: list[str], instead: str) -> None:
        if lost:
            names = ", ".join(f"${name}" for name in dict.fromkeys(lost))
            self._result.settings.note(statement, f"{instead} for {names}, which logs of rsp do not have")
        unlike = [_OTHER[name] for name in dict.fromkeys(seen) if name in _OTHER]
        if unlike:
            self._result.settings.note(statement, f"in rsp, {', '.join(unlike)}")


def field_of(name: str) -> str:
    """rsp's name for a variable; empty: there is none."""
    for prefix, family in _FAMILIES.items():
        if name.startswith(prefix) and name not in _FIELDS:
            given = name.removeprefix(prefix)
            return family + (field(given) if family.endswith("header.") else given)
    return _FIELDS.get(name, "")


def _object(text: str) -> dict[str, str] | None:
    """Keys and what stands for each; ``None``: it is no flat object of JSON."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        parsed = json.loads(_NUMBER.sub(r'"\1"', text))
    except ValueError:
        return None
    if not isinstance(parsed, dict) or any(isinstance(value, (dict, list)) for value in parsed.values()):
        return None
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in parsed.items()}


def whole(http: Level, formats: Formats, result: Result) -> Value:
    """Of the whole file; ``None``: it says nothing."""
    found = http.own("access_log")
    if not found:
        return None
    if found[-1].value == "off":
        return "off"
    return logged(found, formats, result)


def logged(statements: list[Statement], formats: Formats, result: Result) -> Value:
    """Where ``access_log`` writes to."""
    logs: list[Value] = []
    for statement in statements:
        words = statement.args[1:]
        if any(word.startswith("if=") for word in words):
            text = "rsp logs all requests; access_log = { when = ... } has a condition (docs/logs.md)"
            result.settings.note(statement, text)
        path = _path(statement, result)
        name = words[0] if words and words[0] != "gzip" and "=" not in words[0] else ""
        keys = formats.keys(name, statement) if path != "off" else {}
        log: Value = {"path": path, **keys} if keys else path
        if log not in logs:
            logs.append(log)
    return logs[0] if len(logs) == 1 else logs


def _path(statement: Statement, result: Result) -> str:
    path = statement.value
    if path.startswith("syslog:"):
        match = re.search(r"server=([^,\s]+)", path)
        path = f"syslog:{match[1].removeprefix('unix:')}" if match else "stdout"
        if match and not re.match(r"unix:|\[|[\d.]+(?::|$)", match[1]):
            text = f"rsp sends logs to addresses, not to names: write that of {match[1]} in the place of stdout"
            result.settings.note(statement, text)
            path = "stdout"
    path = {"/dev/stdout": "stdout", "off": "off", "on": "./on"}.get(path, path)
    if "$" in path:
        result.settings.note(statement, "the name of a log has no variables in rsp; it goes to standard output")
        path = "stdout"
    return path
