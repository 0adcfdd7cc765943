"""Where an imported configuration differs from nginx on purpose; docs/import.md has each reason.

Each is told by the line that says what differs (import_oracle.py): "status: nginx 200, rsp 101".
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from tests.interop.import_battery import Request
from tests.interop.import_oracle import Seen

_TABLE: Final = (
    (r"(request|response) x-request-id: nginx \[\],", "X-Request-ID: rsp gives each request an id, for peers and logs."),
    (r"request x-forwarded-(for|host|proto): nginx \[\],", "X-Forwarded-For, -Host and -Proto go to all peers, if the file sets one of them anywhere."),
    (r"response www-authenticate: .*charset=", "rsp says that passwords are UTF-8 (RFC 7617)."),
    (r"response expires: nginx \[.*\], rsp \[\]", "`expires`: Cache-Control alone; caches prefer it to Expires (RFC 9111)."),
    (r"response content-type: nginx \['application/javascript'\]", "JavaScript is `text/javascript` (RFC 9239)."),
    (r"response content-type: nginx \['(text/[\w.+-]+)'\], rsp \['\1; charset=utf-8'\]", "Text has `charset=utf-8` in its Content-Type."),
    (r"response content-type: nginx \['(\w+/[\w.+-]+)'\], rsp \['(application/octet-stream|text/plain; charset=utf-8|text/plain)'\]", "`return` with a text: the type is that of `default_type`, for every path."),
    (r"location: nginx https?://[^/]+(/.*), rsp (http://[^/]+)?\1$", "Location is relative where the configuration says a path, as with `absolute_redirect off`."),
    (r"response content-type: nginx \['application/octet-stream'\], rsp \['text/html", "`alias` of an exact path: the type is that of the file's name, not of the path."),
    (r"response allow: nginx \[\], rsp \['GET, HEAD'\]|status: nginx (404|403|503|204|410|301|302), rsp 405|status: nginx 405, rsp 404", "Files: 405 and Allow for methods other than GET and HEAD, whether or not there is such a file."),
    (r"status: nginx (403|301), rsp 404|location: nginx .*, rsp None", "Files: a directory without an index file is 404, not 403."),
    (r"status: nginx 404, rsp 301|location: nginx None, rsp /[\w/.\-]+/$", "Files: the directory of a location gets a slash at its end by a redirect, whether or not it is there."),
    (r"response vary: nginx \[\], rsp \['Accept-Encoding'\]", "Vary: Accept-Encoding is sent where a response may be compressed, as with `gzip_vary on`."),
    (r"response (cache-control|x-index): nginx .*, rsp \[\]", "`try_files`, `index`, `error_page`: the fields are those of the path's location, not those of the location that the file or page has (`location = /index.html`)."),
    (r"response set-cookie: nginx \[(.*)\], rsp \[\1(?:, )?'.*\]", "`auth_request`: cookies that the service sets reach the client."),
    (r"request (x-[\w-]+|REMOTE_USER): nginx \['user'\], rsp \[\]", "`$remote_user` is the user whose password rsp has checked; nginx takes the name from Authorization, checked or not."),
    (r"request (?:x-forwarded-)?host: nginx \['([^']*):\d+'\], rsp \['\1'\]", "Host and X-Forwarded-Host are the client's Host: `$host:$server_port` adds the port where the client left it out, rsp does not."),
    (r"status: nginx 0, rsp 444", "`return 444` answers 444 instead of closing the connection."),
    (r"response content-type: nginx \['[^']*', '([^']*)'\], rsp \['\1'\]", "Content-Type of `add_header` takes the place of the type that nginx sends as well."),
    (r"response content-type: nginx \['([\w+./-]+); charset=[\w-]+'\], rsp \['\1'\]", "`charset`: responses of peers keep their Content-Type; nginx adds the charset where it has none. A note says so."),
    (r"(request|response) [\w-]+: nginx \['([^']*)', '\2'\], rsp \['\2'\]", "A field that is set twice with the same value is sent once."),
    (r"body: nginx b'own page for 404', rsp b''", "An `internal` location answers 404 without the page of `error_page`."),
    (r"response ratelimit(-policy)?: nginx \[\],", "Responses that `limit_req` has counted have RateLimit fields."),
    (r"response [\w-]+: nginx \[\], rsp \[['\"]", "`add_header` holds for all statuses, with and without `always`; Cache-Control without `always` only below 400, as in nginx."),
)  # fmt: skip
_FORWARDED: Final = "X-Forwarded-* of clients: rsp believes, and passes on, only those of `trusted` proxies."
_PATHS: Final = "A path with `//`, dot segments or needless escapes gets 400, if its normal form is another location's, or if RFC 3986 reads its dot segments in another way than nginx: `/a//../b` (docs/routes.md)."
_COOKIES: Final = (
    "`proxy_pass` with a path: the Path of cookies is mapped back, as with `proxy_cookie_path`; a note says so."
)
_HIDDEN: Final = "Files that begin with a dot are not served, and links do not lead out of the directory."
_AS_SENT: Final = "A path that is rewritten, and `$uri` in fields and redirects, are as the client wrote them, with escapes, `//` and dot segments; nginx has their normal form."
_ENCODED: Final = (
    "A query that `rewrite` makes or changes is encoded, as `%2F` for a slash; applications read the same."
)
_EMPTY: Final = "`try_files $uri $uri/`: a directory without an index file counts as missing, so what comes last is sent; nginx redirects to its slash, and says 403 there."
_LARGE: Final = "A body above `client_max_body_size` gets 413 also where nginx redirects, or answers by itself; where a hook for all requests answers, it does not get 413."
_ESCAPED: Final = "Characters that a URL cannot have are escaped in Location."
_ONE: Final = "`location /robots.txt` with `root` or `alias` is for that path alone; a note says so."
_METHODS: Final = "`try_files $uri @app`: methods other than GET and HEAD go on, whether or not there is such a file or directory; nginx answers 405 where there is one."
_OF_INDEX: Final = (
    "A directory whose index keeps clients out refuses other methods than GET in the same way; nginx answers 405 first."
)
_NEWER: Final = "If-Modified-Since: a date after that of the file is 304, too, as with `if_modified_since before`."
_UPGRADE: Final = "WebSockets pass on every route to a peer, not only where Upgrade is set."

DIFFERENCES: Final = [(re.compile(pattern), reason) for pattern, reason in _TABLE]
REASONS: Final = [
    *(reason for _, reason in DIFFERENCES),
    _PATHS,
    _COOKIES,
    _HIDDEN,
    _AS_SENT,
    _ENCODED,
    _EMPTY,
    _LARGE,
    _ESCAPED,
    _OF_INDEX,
    _NEWER,
    _METHODS,
    _ONE,
    _FORWARDED,
    _UPGRADE,
]


def _is_same(theirs: str, ours: str) -> bool:
    """Whether targets differ in how their queries are encoded."""
    return theirs != ours and "?" in theirs and unquote_to_bytes(theirs) == unquote_to_bytes(ours)


def _normal(text: str) -> str:
    path = re.sub(r"^https?://[^/?]*", "", unquote_to_bytes(text.encode("latin-1")).decode("latin-1"))
    path = re.sub(r"/(?:\./)+", "/", re.sub(r"/+", "/", path))
    return re.sub(r"/[^/]+/\.\./", "/", path)


def _bare(location: str) -> bytes:
    """Without its scheme and host, and its escapes."""
    return unquote_to_bytes(re.sub(r"^https?://[^/?]*", "", location).encode("latin-1")).rstrip(b"?")


def reason_for(request: Request, nginx: Seen, rsp: Seen, line: str) -> str | None:
    """Why rsp differs for ``request``, or ``None``."""
    if ("Upgrade", "websocket") in request.fields and (rsp.status == 101 or "request upgrade" in line):
        return _UPGRADE
    if any(name == "X-Forwarded-For" for name, _ in request.fields) and re.match(
        r"request x-(forwarded|real)|location: nginx http://.*, rsp https://|body: .*\bhttp\b.*\bhttps\b", line
    ):
        return _FORWARDED
    if re.search(r"/\.|%|//|;", request.target) and (rsp.status in (400, 404) or nginx.status == 400):
        return _PATHS
    is_same_peer = (nginx.saw and nginx.saw[0]) == (rsp.saw and rsp.saw[0])
    if line.startswith(("target:", "body:")) and re.search(r"%|//|/\.|\?$", request.target) and is_same_peer:
        return _AS_SENT
    if line.startswith(("target:", "body:")) and nginx.saw and rsp.saw and _is_same(nginx.saw[2], rsp.saw[2]):
        return _ENCODED
    match = re.match(
        r"(?:request|response) [\w-]+: nginx \['(.*)'\], rsp \['(.*)'\]|location: nginx (.*), rsp (.*)", line
    )
    pair = [each for each in match.groups() if each is not None] if match is not None else []
    if len(pair) == 2 and re.search(r"%|//|/\.", request.target) and _normal(pair[0]) == _normal(pair[1]):
        return _AS_SENT
    if request.target[-1:] == "/" and nginx.status == 405 and rsp.status in (401, 403) and request.method != "GET":
        return _OF_INDEX
    if request.target.startswith("/empty") and nginx.status in (301, 403):
        return _EMPTY
    if nginx.status == 405 and nginx.saw is None and rsp.saw is not None and request.method not in ("GET", "HEAD"):
        return _METHODS
    if nginx.saw is None and nginx.status == 404 and re.match(r"/[\w%\-]+\.(html|txt|xml|ico)[^?]", request.target):
        return _ONE
    if request.size and (rsp.status == 413 or (nginx.status == 413 and rsp.saw is None)):
        return _LARGE
    if (
        line.startswith("location:")
        and rsp.location
        and nginx.location
        and _bare(nginx.location) == _bare(rsp.location)
    ):
        return _ESCAPED
    if rsp.status == 304 and nginx.status == 200:
        return _NEWER
    if "/." in request.target and nginx.saw is None and nginx.status == 200:
        return _HIDDEN
    if line.startswith("response set-cookie") and nginx.saw and rsp.saw and nginx.saw[2] != request.target:
        return _COOKIES
    for pattern, reason in DIFFERENCES:
        if pattern.match(line) and not ("add_header" in reason and (rsp.status < 400 or rsp.saw)):
            return reason
    return None
