"""Services of a compose file that publish ports on this machine."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from rsp.commands.init.found import Backend, content, name_of

_NAMES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_MOST_PORTS: Final = 32  # of one range
_HIGHEST: Final = 65535
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?-)([^}]*))?\})")
_SHORT: Final = re.compile(
    r"(?:(?P<host>\[[^\]]+\]|[^:\[\]]+):)?(?:(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?:)"
    r"(?P<inside>\d{1,5})(?:-\d+)?(?P<kind>/\w+)?"
)
# Ports of databases, queues and mail, inside of containers.
_NOT_WEB: Final = frozenset((
    21, 22, 25, 53, 110, 143, 389, 465, 587, 993, 995, 1433, 1521, 1883, 2181, 2379, 3306, 4222, 5432, 5671, 5672,
    6379, 6432, 8125, 9042, 9092, 9200, 9300, 11211, 26257, 27017,
))  # fmt: skip


def composed(here: Path) -> tuple[list[Backend], list[str]]:
    """Those that could be web servers, in the order of the file; and remarks."""
    file = next((here / name for name in _NAMES if (here / name).is_file()), None)
    if file is None:
        return [], []
    try:
        data = yaml.safe_load(content(file))
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        # The last ones come of values that their tag does not allow: !!int ''
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark is not None else ""
        return [], [f"{file.name}{where}: cannot be read as YAML, and is left out"]
    services = data.get("services") if isinstance(data, dict) else None
    variables = {**_dotenv(here / ".env"), **os.environ}
    backends, notes = [], []
    for name, service in services.items() if isinstance(services, dict) else ():
        published = list(_published(service, variables)) if isinstance(service, dict) else []
        web = [(address, inside) for address, inside in published if inside not in _NOT_WEB]
        if web:
            inside = web[0][1]
            addresses = tuple(dict.fromkeys(address for address, port in web if port == inside))
            said = f"service {_text(name)!r} of {file.name}, port {inside} of its container"
            backends.append(Backend(name_of(_text(name)), addresses, said))
        elif not published:
            notes.append(f"{file.name}: service {_text(name)!r} publishes no port on this machine, and is left out")
    return backends, notes


def _published(service: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Addresses on this machine, each with the port in the container."""
    ports = service.get("ports")
    for port in ports if isinstance(ports, list) else ():
        found = _SHORT.fullmatch(_filled(_short(port), variables))
        if found is None or found["kind"] not in (None, "/tcp"):
            continue
        host = found["host"] or ""
        host = "127.0.0.1" if host in ("", "0.0.0.0", "[::]", "localhost") else host
        first = int(found["first"])
        last = min(int(found["last"] or first), first + _MOST_PORTS, _HIGHEST)
        yield from ((f"{host}:{number}", int(found["inside"])) for number in range(max(first, 1), last + 1))


def _short(port: Any) -> str:
    """Of a port, the short form."""
    if isinstance(port, dict):
        host, *others = (port.get(key, "") for key in ("host_ip", "published", "target"))
        text = ":".join(_text(part) for part in (host, *others))
        return f"{text.removeprefix(':')}/{'tcp' if port.get('protocol', 'tcp') == 'tcp' else 'other'}"
    return _text(port)


def _text(value: Any) -> str:
    """Of a name or a number that is no longer than one of a port."""
    return str(value) if isinstance(value, str) or (isinstance(value, int) and 0 <= value <= _HIGHEST) else ""


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """With the values of ``$NAME``, ``${NAME}`` and ``${NAME:-default}``."""

    def value(found: re.Match[str]) -> str:
        given = variables.get(found[1] or found[2])
        empty_counts = found[3] != ":-"
        return given if given is not None and (given or empty_counts) else found[4] or ""

    return _VARIABLE.sub(value, text)


def _dotenv(file: Path) -> dict[str, str]:
    """Plain lines ``NAME=value``."""
    lines = content(file).decode("utf-8", "replace").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
