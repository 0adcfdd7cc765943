"""Which formats there are, and how a file tells which of them it is."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.site import Site

FORMATS: Final = ("nginx", "caddy", "haproxy")
_HAPROXY: Final = re.compile(r"^\s*(?:global|defaults|frontend\s+\S+|backend\s+\S+|listen\s+[\w-]+)\s*$", re.MULTILINE)
_NGINX: Final = re.compile(
    r"^\s*(?:(?:http|server|events|stream|location\s[^{]*|upstream\s+\S+|if\s*\([^{]*)\s*\{|[a-z_]+(?:\s[^{};]*)?;)",
    re.MULTILINE,
)
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
    for format, pattern in (("haproxy", _HAPROXY), ("nginx", _NGINX), ("caddy", _CADDY)):
        if pattern.search(plain):
            return format
    return "nginx" if name.endswith((".conf", ".vhost")) or not plain.strip() else None


def read(format: str, path: str, prefix: str | None) -> Site:
    """Raises :class:`rsp.importing.site.Unreadable`."""
    if format == "caddy":
        from rsp.importing.caddy.reader import read_caddyfile  # only what is needed is imported

        return read_caddyfile(path)
    if format == "haproxy":
        from rsp.importing.haproxy.reader import read_haproxy

        return read_haproxy(path)
    from rsp.importing.nginx.reader import read_nginx

    return read_nginx(path, prefix)
