"""A page for operators as one document: what is in it, what its browser may do, and what keeps other pages out.

Rules of this room: it knows no particular page.  A page of another origin gets nothing to read (no CORS), and cannot
give an order: an order needs the page's token, JSON, and an ``Origin`` that is the page's own.
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator, Iterable
from importlib.resources.abc import Traversable
from typing import Final

from rsp.control.web import Refused, Request, Response

JSON: Final = "application/json"


def assembled(page: Traversable, styles: Iterable[Traversable], scripts: Iterable[Traversable]) -> Response:
    """The page with its style and script in it, and the policy that allows these and nothing else."""
    style = "".join(part.read_text("utf-8") for part in styles)
    script = "".join(part.read_text("utf-8") for part in scripts)
    text = page.read_text("utf-8").replace("{style}", style, 1).replace("{script}", script, 1)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return secured(200, "text/html; charset=utf-8", text.encode(), {"Content-Security-Policy": policy})


def secured(
    status: int,
    kind: str,
    body: bytes | AsyncGenerator[bytes, None],
    fields: dict[str, str] | None = None,
    *,
    live: bool = False,
) -> Response:
    """With what keeps other pages out."""
    always = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
    return Response(status, kind, body, {**always, **(fields or {})}, live)


def check_order(request: Request, token: str) -> None:
    """Raises :class:`Refused` for an order that another page may have sent."""
    fields = request.fields
    if fields.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        raise Refused(403, "an order from another site")
    origin = fields.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != fields.get(b"host", b""):
        raise Refused(403, "an order from another origin")
    if fields.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON.encode():
        raise Refused(415, "an order is application/json")
    if not secrets.compare_digest(fields.get(b"x-csrf-token", b""), token.encode()):
        raise Refused(403, "the token of the page is missing or old; load the page again")


def event(name: bytes, encoded: bytes) -> bytes:
    """For a stream of events; JSON has no line break."""
    return b"event: %b\ndata: %b\n\n" % (name, encoded)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
