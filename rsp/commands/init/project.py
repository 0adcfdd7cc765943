"""What the files of a directory say about the application in it."""

import json
from pathlib import Path
from typing import Any, Final

from rsp.commands.init.found import Backend, Files, content, name_of

_FOLDERS: Final = ("dist", "build", "public", "_site", "site", "out", "www", "html", "")
_SCRIPTS: Final = ("", "public", "web", "www", "html")
# Packages of servers, with the port that they listen on by default.
_NODE_SERVERS: Final = {
    "next": 3000, "nuxt": 3000, "express": 3000, "fastify": 3000, "koa": 3000, "@nestjs/core": 3000,
    "@remix-run/serve": 3000, "@sveltejs/adapter-node": 3000, "astro": 4321,
}  # fmt: skip
_NODE_PAGES: Final = ("react", "vue", "svelte", "preact", "solid-js", "@angular/core")


def static_files(here: Path) -> Files | None:
    folder = next((here / name for name in _FOLDERS if (here / name / "index.html").is_file()), None)
    if folder is None:
        return None
    packages = _packages(here)
    is_application = not packages.isdisjoint(_NODE_PAGES) and packages.isdisjoint(_NODE_SERVERS)
    return Files(str(folder), is_application, is_project=folder == here)


def scripts(here: Path) -> str | None:
    """The directory of PHP scripts."""
    return next((str(here / name) for name in _SCRIPTS if (here / name / "index.php").is_file()), None)


def expected(here: Path) -> Backend | None:
    """The server that the files are for, which does not listen now."""
    name = name_of(str(here))

    def backend(port: int, said: str) -> Backend:
        return Backend(name, (f"127.0.0.1:{port}",), said)

    if (here / "manage.py").is_file():
        return backend(8000, "manage.py is here: Django. Start it on this port: python manage.py runserver 8000")
    packages = _packages(here)
    server = next((package for package in _NODE_SERVERS if package in packages), None)
    if server is not None:
        port = _NODE_SERVERS[server]
        return backend(port, f"package.json is here, with {server} (port {port} by default). Start it: npm start")
    if (here / "config.ru").is_file():
        return backend(3000, "config.ru is here: Ruby. Start it on this port: puma -p 3000")
    if (root := scripts(here)) is not None:
        said = "index.php is here, and no PHP-FPM was found. Start it, and write the address that it listens on"
        return Backend("php", ("unix:/run/php/php-fpm.sock",), said, protocol="fastcgi", root=root)
    return None


def _packages(here: Path) -> set[str]:
    """Of package.json."""
    try:
        data: Any = json.loads(content(here / "package.json"))
    except (ValueError, RecursionError):
        return set()
    parts = [data.get(key) for key in ("dependencies", "devDependencies")] if isinstance(data, dict) else []
    return {str(name) for part in parts if isinstance(part, dict) for name in part}
