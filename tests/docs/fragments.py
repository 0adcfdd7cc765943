"""Lua of the pages as files that load.

A block that has ``listen`` and its upstreams is a whole file.  What a fragment leaves out is added, and no more:

- a listener, a certificate where TLS is meant, each upstream and store that is named and not declared, a route;
- each file that is named; absolute paths lead into a folder of the test;
- ``route { to = "app", ... }`` around a block of a route's keys, such as ``cors = { ... }``; so for an upstream's;
- ``...`` stands for what is left out.

Where the statements of a fragment are alternatives, of which a site has one, each of them loads by itself; those that
need a request stand in a hook.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rsp.config.errors import ConfigError
from rsp.config.schema import Route, Settings, Upstream
from rsp.lua.evaluate import evaluate
from tests.certificates import authority
from tests.countries import write_countries

_NAMED = re.compile(r'\b(?:to|else_to|forward) = "([\w@-]+)"|\bproxy ?\(?"([\w-]+)"')
_SHARES = re.compile(r"\bto = \{([^}]*)\}")
_SUFFIXES = r"\.(?:pem|key|crl|crt|txt|lst|mmdb|html|json|password|secret|token)"
_FILE = re.compile(rf'"(?:file:)?([\w./*-]*(?:{_SUFFIXES}|htpasswd|password|token))"')
_STATEMENT = re.compile(r"(?m)^(?=[a-z_]+(?: *[({\"]| = )|(?:return|local|if|for) )")
_DECLARATIONS = ("route", "upstream", "listen", "certificate", "page", "store", "test", "every")
_CONTENT = {
    "htpasswd": "ann:$2y$05$abcdefghijklmnopqrstuuJvIkNsLZJ8qWqFQTlHXSM1QxvVcO9yC\n",
    "keys.json": '{"keys": []}\n',
    "office.txt": "10.0.0.0/8\n",
    "office.lst": "10.0.0.0/8\n",
    "bad.txt": "198.51.100.0/24\n",
}


def mistakes(text: str, folder: Path) -> list[str]:
    """Why a block does not load; empty if it does."""
    text = re.sub(r"(?<![\".])\.\.\.(?![\".])", "", text)
    whole = _load(text, folder)
    if not whole or (re.search(r"^listen ", text, re.MULTILINE) and re.search(r"^upstream ", text, re.MULTILINE)):
        return whole
    parts = [part for part in _STATEMENT.split(text) if part.strip() and not part.startswith("--")]
    return [message for part in parts for message in _part(part, folder)] if parts else whole


def _part(text: str, folder: Path) -> list[str]:
    plain = _load(text, folder)
    if not plain or re.match(r"\w+", text)[0] in (*_DECLARATIONS, *Settings.__struct_fields__):
        return plain
    return _load(f"function on_request(req)\n{text}\nend\n", folder)


def _load(text: str, folder: Path) -> list[str]:
    site = folder / "site.lua"
    site.write_text(_completed(text, folder))
    try:
        evaluate(str(site))
    except ConfigError as error:
        return list(error.messages)
    return []


def _completed(text: str, folder: Path) -> str:
    first = re.match(r"(?:--.*\n|\s)*([a-z_]+) = ", text)
    if first and first[1] not in Settings.__struct_fields__:
        inside = text.rstrip().rstrip(",")
        if first[1] in Route.__struct_fields__:
            target = "" if first[1] in ("files", "redirect", "respond") else 'to = "app", '
            text = f"route {{ {target}{inside} }}\n"
        elif first[1] in Upstream.__struct_fields__:
            text = f'upstream "app" {{ "127.0.0.1:9", {inside} }}\n'
    text += "".join(f"{line}\n" for line in _missing(text))
    for name in {match[1] for match in _FILE.finditer(text)}:
        _write(folder / name.lstrip("/").replace("*", "site"))
    return re.sub(r'"(file:)?(/(?:etc|srv|var/lib)/)', lambda match: f'"{match[1] or ""}{folder}{match[2]}', text)


def _missing(text: str) -> Iterator[str]:
    secure = re.search(r"\btls = true\b|client_ca", text)
    if not re.search(r"^\s*listen|^listenPort", text, re.MULTILINE):
        yield f'listen "127.0.0.1:9"{" { tls = true }" if secure else ""}'
    if secure and not re.search(r"^certificate ", text, re.MULTILINE):
        yield 'certificate { "added.pem" }'
    named = {name for match in _NAMED.findall(text) for name in match if name}
    for shares in _SHARES.findall(text):
        named |= set(re.findall(r"(\w+) = [\d.]+", shares))
    declared = set(re.findall(r'\bupstream ?\(?"([^"]+)"', text))
    routed = re.search(r"^\s*route\b", text, re.MULTILINE)
    if not routed and "backendAddress" not in text:
        named.add("app")
        yield 'route { to = "app" }'
    yield from (f'upstream "{name}" {{ "127.0.0.1:9" }}' for name in sorted(named - declared))
    for store in sorted(set(re.findall(r'cluster = "(\w+)"', text)) - set(re.findall(r'\bstore "(\w+)"', text))):
        yield f'store "{store}" {{ "redis://127.0.0.1:9/0" }}'


def _write(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    ca = authority()
    if path.suffix == ".mmdb":
        write_countries(path, {"192.0.2.0/24": "DE"})
    elif path.suffix == ".crl":
        path.write_bytes(ca.crl())
    elif path.suffix in (".pem", ".key", ".crt"):
        made = ca.issue("example.com")
        made.write(path.parent, "made")
        part = "made.key" if "key" in path.stem or path.suffix == ".key" else "made.bundle.pem"
        path.write_bytes(ca.pem if "ca" in path.stem.split("-") else (path.parent / part).read_bytes())
    else:
        path.write_text(_CONTENT.get(path.name, "secret\n"))
