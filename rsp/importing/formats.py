"""Which formats there are, and how a file tells which of them it is."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.site import Site

FORMATS: Final = ("nginx", "caddy", "haproxy")
_HAPROXY: Final = re.compile(r"^\s*(?:global|defaults|frontend\s+\S+|backend\s+\S+|listen\s+[\w-]+)\s*$", re.MULTILINE)
_NGINX_BLOCK: Final = re.compile(
    r"^\s*(?:http|server|events|stream|location\s[^{]*|upstream\s+\S+|if\s*\([^{]*)\s*\{", re.MULTILINE
)
_NGINX: Final = re.compile(r"^\s*[a-z_]+(?:\s[^{};]*)?;", re.MULTILINE)
_CADDY: Final = re.compile(
    r"^\s*(?:reverse_proxy|file_server|handle|handle_path|respond|php_fastcgi|encode|redir|import)\b[^;]*$"
    r"|^(?:\{|\(\S+\)\s*\{|(?:https?://)?[\w.*:{}$-]+(?:,?\s+\S+)*\s*\{)\s*$",
    re.MULTILINE,
)


def guess(path: str, text: str) -> str | None:
    """One of ``FORMATS``, by the file's name, or else its content."""
    name = Path(path).name.lower()
    if "caddyfile" in name or name.endswith(".caddy"):
        return "caddy"
    if "haproxy" in name or name.endswith(".cfg"):
        return "haproxy"
    if "nginx" in name:
        return "nginx"
    plain = re.sub(r"(?m)(?:^|\s)#.*$", "", text)
    for format, pattern in (("nginx", _NGINX_BLOCK), ("haproxy", _HAPROXY), ("nginx", _NGINX), ("caddy", _CADDY)):
        if pattern.search(plain):
            return format
    return "nginx" if name.endswith((".conf", ".vhost")) or not plain.strip() else None


def read(format: str, path: str, text: str, prefix: str | None) -> Site:
    """Raises :class:`rsp.importing.site.Unreadable`."""
    if format == "caddy":
        from rsp.importing.caddy import reader as caddy  # only what is needed is imported

        return caddy.read(Path(path), text)
    if format == "haproxy":
        from rsp.importing.haproxy import reader as haproxy

        return haproxy.read(Path(path), text)
    from rsp.importing.nginx import reader as nginx

    return nginx.read(Path(path), text, prefix)
