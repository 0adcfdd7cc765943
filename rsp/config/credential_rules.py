"""Mistakes in how rsp gets into an engine: credentials and TLS."""

from collections.abc import Iterator

from rsp.config.engines import Access
from rsp.config.errors import Path
from rsp.config.tls_rules import secure_mistakes


def credential_mistakes(access: Access, secure: bool, with_tls: str) -> Iterator[tuple[Path, str]]:
    """``secure``: the URL says TLS; ``with_tls``: what such a URL begins with."""
    for key in ("password", "token"):
        if getattr(access, key) is not None and getattr(access, f"{key}_file") is not None:
            yield (f"{key}_file",), f'"{key}" and "{key}_file" cannot be used together'
    for key in ("password", "token"):
        if getattr(access, key) == "":
            yield (key,), f"{key}: it is empty; leave it out if it is not needed"
    if access.username is not None and access.password is None and access.password_file is None:
        yield (("username",), 'username: the password is missing: add  password_file = "password"')
    if access.tls is not None and not secure:
        yield ("tls",), f"tls: the URL is not one with TLS: write {with_tls}..."
    elif access.tls is not None:
        yield from secure_mistakes(access.tls, "this engine")
