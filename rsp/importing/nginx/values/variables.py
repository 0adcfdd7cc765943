"""nginx's variables as rsp's placeholders, or where there is none, as expressions of Lua for a hook.

A :class:`Names` is what a level knows: the server's name, what ``set`` has given a constant value, what a regular
expression's groups are called, which maps there are.  A text that cannot be said raises :class:`Unsayable`.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from rsp.importing.lua import index, member, quoted

_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[A-Za-z0-9_]+)\}|(?P<plain>[1-9]|[A-Za-z0-9_]+))")
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z0-9_][A-Za-z0-9_.\-]*)\}")
_FAMILIES: Final = ("http_", "arg_", "cookie_", "sent_http_", "upstream_http_", "upstream_cookie_", "ssl_client_")
_OTHERS: Final = frozenset(
    """
    request request_body request_body_file request_completion request_length request_method request_time server_addr
    server_name server_port server_protocol ssl_ciphers ssl_curve ssl_curves ssl_early_data ssl_session_id
    ssl_session_reused upstream_bytes_received upstream_bytes_sent upstream_cache_status upstream_connect_time
    upstream_first_byte_time upstream_header_time upstream_queue_time upstream_response_length upstream_response_time
    """.split()  # noqa: SIM905 - a list of words
)
_DEPTH: Final = 8  # of variables in values of variables

_TEXTS: Final[dict[str, str]] = {
    "host": "{host}",
    "http_host": "{authority}",
    "scheme": "{scheme}",
    "request_uri": "{uri}",
    "uri": "{path}",
    "document_uri": "{path}",
    "fastcgi_script_name": "{path}",
    "args": "{query}",
    "query_string": "{query}",
    "remote_addr": "{client}",
    "binary_remote_addr": "{client}",
    "proxy_protocol_addr": "{client}",
    "remote_user": "{user}",
    "request_id": "{request_id}",
    "time_iso8601": "{time}",
    "ssl_protocol": "{tls.version}",
    "ssl_cipher": "{tls.cipher}",
    "ssl_server_name": "{tls.sni}",
    "ssl_client_s_dn": "{client_cert_subject}",
    "upstream_addr": "{peer}",
    "proxy_add_x_forwarded_for": "{client}",
}

_LUA: Final[dict[str, str]] = {
    "host": "req.host",
    "http_host": '(req.headers.Host or "")',
    "scheme": "req.scheme",
    "request_uri": "req.target",
    "uri": "req.path",
    "document_uri": "req.path",
    "request_filename": "",
    "args": "req.query",
    "query_string": "req.query",
    "is_args": '(req.query ~= "" and "?" or "")',
    "remote_addr": "req.client",
    "binary_remote_addr": "req.client",
    "proxy_protocol_addr": "req.client",
    "remote_user": '(req.user or "")',
    "request_id": "req.id",
    "request_method": "req.method",
    "https": '(req.scheme == "https" and "on" or "")',
    "ssl_protocol": '(req.tls and req.tls.version or "")',
    "ssl_cipher": '(req.tls and req.tls.cipher or "")',
    "ssl_server_name": '(req.tls and req.tls.sni or "")',
    "ssl_client_s_dn": '(req.tls and req.tls.subject or "")',
    "ssl_client_i_dn": '(req.tls and req.tls.issuer or "")',
    "ssl_client_serial": '(req.tls and req.tls.serial or "")',
    "ssl_client_verify": '(req.tls and req.tls.verified and "SUCCESS" or "NONE")',
    "content_type": '(req.headers["Content-Type"] or "")',
    "content_length": '(req.headers["Content-Length"] or "")',
    "ssl_alpn_protocol": '(req.tls and req.tls.alpn or "")',
    "ssl_session_reused": '(req.tls and (req.tls.resumed and "r" or ".") or "")',
    "http2": '(req.tls and req.tls.alpn == "h2" and "h2" or "")',
    "http3": '""',
    "server_port": '(req.listener:match("%d+$") or "")',
    "proxy_protocol_port": '(req.proxy and (req.proxy.source or ""):match("%d+$") or "")',
    "proxy_protocol_server_addr": '(req.proxy and (req.proxy.destination or ""):match("^%[?(.-)%]?:%d+$") or "")',
    "proxy_protocol_server_port": '(req.proxy and (req.proxy.destination or ""):match("%d+$") or "")',
    "date_gmt": 'os.date("!%A, %d-%b-%Y %H:%M:%S GMT")',
    "date_local": 'os.date("!%A, %d-%b-%Y %H:%M:%S GMT")',
    "time_local": 'os.date("!%d/%b/%Y:%H:%M:%S +0000")',
    "msec": "time.now()",
    "time_iso8601": "time.iso(time.now())",
}
AS_RECEIVED: Final = "req.ctx.received"  # what a hook for all requests has kept of the request's target
ASKS_RESPONSE: Final = re.compile(r"\bres\.(?:headers|status|duration)|, res\)")
# Of the response.  nginx's own types of files have no charset, unless the file says so.
_RESPONSE: Final[dict[str, str]] = {
    "status": "tostring(res.status)",
    "sent_http_content_type": '((res.headers["Content-Type"] or ""):gsub(req.peer and "" or "; charset=utf%-8$", ""))',
    "upstream_status": "tostring(res.status)",
    "upstream_addr": '(req.peer or "")',
    "request_time": 'string.format("%.3f", res.duration)',
    "upstream_header_time": '(req.peer and string.format("%.3f", res.duration) or "")',
    "upstream_response_time": '(req.peer and "-" or "")',  # nginx does not know it yet, either
}


class Unsayable(Exception):
    """Half a sentence that says why."""


class Functions(Protocol):
    """Variables that are computed by functions of the file: maps."""

    def call(self, name: str) -> str | None:
        """An expression of Lua with ``req`` in it."""


class Names:
    """``constants``: text of nginx by variable; ``captures``: what of the route's regular expression is known.

    ``has_response``: the hook has ``res`` as well as ``req``; ``has_groups``: the route's expression has the groups of
    ``captures``, so that there are placeholders for them; ``is_rewritten``: paths may be others than those of clients.
    """

    def __init__(
        self,
        constants: Mapping[str, str],
        functions: Functions,
        captures: frozenset[str] = frozenset(),
        has_response: bool = False,
        has_groups: bool = True,
        is_rewritten: bool = False,
    ) -> None:
        self.constants = constants
        self.functions = functions
        self.captures = captures
        self.has_response = has_response
        self.has_groups = has_groups
        self.is_rewritten = is_rewritten

    def with_response(self) -> "Names":
        """For a hook of responses."""
        rewritten = self.is_rewritten
        return Names(self.constants, self.functions, self.captures, has_response=True, is_rewritten=rewritten)

    def expand(self, text: str, depth: int = 0) -> str:
        """With the variables in the place of which a constant text is known."""
        if depth > _DEPTH or "$" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            known = self.constants.get(match["braced"] or match["plain"])
            return match[0] if known is None else self.expand(known, depth + 1)

        return _VARIABLE.sub(value, text)

    def text(self, text: str) -> str:
        """With placeholders.  Raises :class:`Unsayable`."""
        parts: list[str] = []
        for literal, name in pieces(self.expand(text)):
            parts.append(_PLACEHOLDER.sub(r"{{\1}}", literal))
            if name:
                parts.append(self._placeholder(name))
        return "".join(parts)

    def is_plain(self, text: str) -> bool:
        """Whether it has no variables."""
        return not any(name for _, name in pieces(self.expand(text)))

    def lua(self, text: str) -> str:
        """As an expression of Lua in a hook with ``req``.  Raises :class:`Unsayable`."""
        parts: list[str] = []
        for literal, name in pieces(self.expand(text)):
            if literal:
                parts.append(quoted(literal))
            if name:
                parts.append(self._expression(name))
        return " .. ".join(parts) or '""'

    def _placeholder(self, name: str) -> str:
        if name in self.captures and self.has_groups:
            return f"{{{name}}}"
        if name == "request_uri" and self.is_rewritten:
            raise Unsayable("a rewrite has changed the path that rsp has in {uri}")
        if name in _TEXTS:
            return _TEXTS[name]
        for prefix, word in (("http_", "header"), ("cookie_", "cookie")):
            if name.startswith(prefix):
                given = name.removeprefix(prefix)
                return f"{{{word}.{field(given) if word == 'header' else given}}}"
        raise Unsayable(f"rsp has no placeholder for ${name}")

    def _expression(self, name: str) -> str:
        if name in self.captures:
            return f'(found[{name}] or "")' if name.isdigit() else f'(found{member(name)} or "")'
        if name == "request_uri" and self.is_rewritten:
            return f"({AS_RECEIVED} or req.target)"
        if _LUA.get(name):
            return _LUA[name]
        if name.startswith("http_"):
            return f'(req.headers{index(field(name[5:]))} or "")'
        for prefix, bag in (("cookie_", "cookies"), ("arg_", "args")):
            if name.startswith(prefix):
                return f'(req.{bag}{index(name.removeprefix(prefix))} or "")'
        called = _RESPONSE.get(name) or self._response_field(name) or self.functions.call(name)
        if called is None:
            raise Unsayable(f"rsp does not know ${name}")
        if not self.has_response and name == "request_time":
            return '"0.000"'  # no time has passed
        if not self.has_response and ASKS_RESPONSE.search(called):
            raise Unsayable(f"${name} is not known before the response")
        return called

    @staticmethod
    def _response_field(name: str) -> str | None:
        for prefix in ("sent_http_", "upstream_http_"):
            if name.startswith(prefix):
                return f'(res.headers{index(field(name.removeprefix(prefix)))} or "")'
        return None


def is_known(name: str) -> bool:
    """Whether it is a variable of nginx itself, as far as the others of this room know them."""
    return name in _TEXTS or name in _LUA or name in _RESPONSE or name in _OTHERS or name.startswith(_FAMILIES)


def pieces(text: str) -> list[tuple[str, str]]:
    """Literal text and the name of the variable behind it; the last may have none."""
    found: list[tuple[str, str]] = []
    at = 0
    for match in _VARIABLE.finditer(text):
        found.append((text[at : match.start()], match["braced"] or match["plain"]))
        at = match.end()
    if at < len(text) or not found:
        found.append((text[at:], ""))
    return found


def field(name: str) -> str:
    """``X-Real-Ip`` for ``x_real_ip``."""
    return "-".join(part.capitalize() for part in name.split("_"))
