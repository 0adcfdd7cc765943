"""Services that decide on access, as oauth2-proxy and Authelia answer; and the application behind them.

Paths, statuses, fields and cookies are those that their documentation and their sources have.
"""

import base64
import re
import socket
from urllib.parse import parse_qs, quote, urlsplit

from tests.everywhere import _unchunked as unchunked
from tests.harness import Backend, receive

PORTAL = "https://portal.site.example/"
SESSION = "authelia_session=s3cret"
BASIC = "Basic " + base64.b64encode(b"ann:good").decode()


def fields_of(head: bytes) -> dict[str, str]:
    """By name in lower case; several of one name as a list in one value."""
    found: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def answer(status: int, body: bytes = b"", *lines: str) -> bytes:
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n" + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + body


class AuthService(Backend):
    """``asked``: method, target and fields of each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        super().__init__(self._by_path)

    def _by_path(self, connection: socket.socket, head: bytes, rest: bytes) -> bool:
        method, target = head.decode("latin-1").split(" ", 2)[:2]
        fields, url = fields_of(head), urlsplit(target)
        self.asked.append((method, target, fields))
        assert not rest and "content-length" not in fields and "transfer-encoding" not in fields
        if url.path == "/hang-up":
            return False
        if url.path == "/broken":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
            return False
        if url.path == "/in-parts":
            connection.sendall(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n")
            connection.sendall(b"4\r\n you\r\n0\r\n\r\n")
            return True
        by_path = {
            "/api/authz/forward-auth": self._forward_auth, "/api/authz/auth-request": self._auth_request,
            "/oauth2/auth": self._oauth2_auth, "/oauth2/start": self._oauth2_start,
            "/oauth2/callback": self._oauth2_callback, "/": self._oauth2_static,
        }  # fmt: skip
        connection.sendall(by_path.get(url.path, self._nothing)(method, url.query, fields))
        return True

    def _nothing(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        return answer(404, b"no such path")

    # -- Authelia

    def _user(self, fields: dict[str, str]) -> str | None:
        signed = SESSION in fields.get("cookie", "") or fields.get("authorization") == BASIC
        return "ann" if signed else None

    def _forward_auth(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        asked = [fields.get(f"x-forwarded-{name}") for name in ("method", "proto", "host", "uri")]
        if None in asked:
            return answer(400, b"fields are missing")
        verb, scheme, host, uri = (str(each) for each in asked)
        user = self._user(fields)
        if user is None and "text/html" in fields.get("accept", ""):
            wanted = quote(f"{scheme}://{host}{uri}", safe="")
            page = f'<a href="{PORTAL}">log in</a>'.encode()
            status = 302 if verb in ("GET", "HEAD", "OPTIONS") else 303
            return answer(status, page, f"Location: {PORTAL}?rd={wanted}&rm={verb}", "Content-Type: text/html")
        if user is None:
            return answer(401, b"401 Unauthorized", 'WWW-Authenticate: Basic realm="Authorization Required"')
        if uri.partition("?")[0].endswith("/admin"):
            return answer(403, b"403 Forbidden")
        return answer(
            200, b"200 OK", f"Remote-User: {user}", "Remote-Groups: staff,dev", "Remote-Name: Ann Example",
            "Remote-Email: ann@site.example", f"Set-Cookie: {SESSION}; HttpOnly", "Set-Cookie: seen=1",
        )  # fmt: skip

    def _auth_request(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        url = urlsplit(fields.get("x-original-url", ""))
        if not url.netloc or "x-original-method" not in fields:
            return answer(400, b"fields are missing")
        if self._user(fields) is None:
            return answer(401, b"401 Unauthorized", f"Location: {PORTAL}", "WWW-Authenticate: Basic realm=a")
        if url.path.endswith("/admin"):
            return answer(403, b"403 Forbidden")
        return answer(200, b"200 OK", "Remote-User: ann")

    # -- oauth2-proxy

    def _oauth2_auth(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        match = re.search(r"_oauth2_proxy=(\w+)", fields.get("cookie", ""))
        if match is None:
            return answer(401, b"Unauthorized\n", "Content-Type: text/plain; charset=utf-8")
        groups = parse_qs(query).get("allowed_groups")
        if groups and "staff" not in groups:
            return answer(403, b"Forbidden\n")
        lines = [f"X-Auth-Request-User: {match[1]}", f"X-Auth-Request-Email: {match[1]}@site.example"]
        lines += ["Gap-Auth: ann@site.example", "Set-Cookie: _oauth2_proxy=refreshed; Path=/; HttpOnly"]
        return answer(202, b"Accepted", *lines)

    def _oauth2_static(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        """With --upstream=static://202 and --reverse-proxy."""
        found = self._oauth2_auth(method, "", fields)
        wanted = "{x-forwarded-proto}://{x-forwarded-host}{x-forwarded-uri}".format(**fields)
        return found if b" 202 " in found[:20] else self._oauth2_start(method, "rd=" + quote(wanted, safe=""), fields)

    def _oauth2_start(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        state = quote(parse_qs(query).get("rd", ["/"])[0], safe="")
        back = quote(f"https://{fields['host']}/oauth2/callback", safe="")
        location = f"https://id.site.example/authorize?redirect_uri={back}&state={state}"
        return answer(302, b"", f"Location: {location}", "Set-Cookie: _oauth2_proxy_csrf=x; HttpOnly")

    def _oauth2_callback(self, method: str, query: str, fields: dict[str, str]) -> bytes:
        if "_oauth2_proxy_csrf=x" not in fields.get("cookie", ""):
            return answer(403, b"csrf")
        state = parse_qs(query)["state"][0]
        return answer(302, b"", f"Location: {state}", "Set-Cookie: _oauth2_proxy=ann; Path=/; HttpOnly")


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    """An application that says what it was sent; a WebSocket of its kind."""
    fields = fields_of(head)
    if fields.get("upgrade") == "websocket":
        user = fields.get("remote-user", "-").encode()
        connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + user)
        return False
    said = head + _body(connection, fields, rest)
    head_only = head.startswith(b"HEAD ")
    connection.sendall(answer(200, said, "Set-Cookie: app=1")[: -len(said) if head_only else None])
    return True


def _body(connection: socket.socket, fields: dict[str, str], received: bytes) -> bytes:
    chunked = "transfer-encoding" in fields
    size = int(fields.get("content-length", 0))
    while not received.endswith(b"0\r\n\r\n") if chunked else len(received) < size:
        received += receive(connection, 65536)
    return unchunked(received) if chunked else received
