"""Site blocks: their addresses, snippets and imports, global options."""

import glob
import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from rsp.importing.caddy.tokens import Node, parse, variables
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Note, Origin, Site, Unreadable, Untranslated

_DEPTH: Final = 12
_PLACEHOLDER: Final = re.compile(r"<([A-Za-z][\w.-]*)>|\$\{([A-Za-z_]\w*)\}")  # which another program fills in
_ARGUMENT: Final = re.compile(r"\{args(?:\[([0-9]+)(?::([0-9]*))?\]|\.([0-9]+)|\[:\])\}")


class Address(Struct, frozen=True):
    """``host`` is empty for all.  ``port`` may be a variable of the environment."""

    host: str
    port: str
    tls: bool


class SiteBlock(Struct):
    addresses: list[Address]
    nodes: list[Node]
    origin: Origin
    text: str


class Source(Struct):
    """``options``: those for all, ``{ ... }`` at the beginning.  ``below``: host and path of sites that are lost."""

    sites: list[SiteBlock] = field(default_factory=list)
    options: list[Node] = field(default_factory=list)
    below: list[tuple[str, str]] = field(default_factory=list)


class _Below(Inexpressible):
    """A site below a path."""

    def __init__(self, host: str, path: str) -> None:
        super().__init__("a site below a path: use handle")
        self.where = host, path


def read_source(path: Path, text: str, site: Site) -> Source:
    """Raises :class:`Unreadable`."""
    nodes = parse(path.name, text)
    expander = _Expander(path, site)
    found = Source()
    nodes = expander.top(nodes)
    if nodes and not nodes[0].words and nodes[0].block is not None:
        found.options = expander.expand(nodes[0].block)
        nodes = nodes[1:]
    if nodes and nodes[0].block is None:
        nodes = [Node(nodes[0].words, nodes[0].origin, nodes[1:])]  # one site, without braces
    for node in nodes:
        if node.block is None:
            site.add(Untranslated("it stands outside of all sites", node.text, node.origin))
            continue
        if node.name.startswith("&("):
            site.add(Untranslated("rsp has no named routes", node.text, node.origin))
            continue
        names = [name for word in node.words for name in word.split(",") if name]
        addresses: list[Address] = []
        for name in names:
            try:
                addresses.append(_address(name, found.options))
            except Inexpressible as error:
                site.add(Untranslated(str(error), name, node.origin))
                if isinstance(error, _Below):
                    found.below.append(error.where)
        inner = expander.expand(node.block)
        if addresses:
            found.sites.append(SiteBlock(addresses, inner, node.origin, " ".join(node.words)))
    return found


def option(options: list[Node], name: str) -> str:
    """The first value of a global option; empty: it is not there."""
    return next((each.rest[0] for each in options if each.name == name and each.rest), "")


def _address(text: str, options: list[Node]) -> Address:
    text = _PLACEHOLDER.sub(lambda match: f"{{${_name(match[1] or match[2])}}}", text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    if scheme not in ("", "http", "https"):
        raise Inexpressible(f"rsp has no sites of {scheme}")
    masked = rest
    known = variables(rest)
    for index, (_, _, written) in enumerate(known):
        masked = masked.replace(written, f"\0{index}\0")
    host, slash, path = masked.partition("/")
    if slash and path.strip("/*"):
        name = re.sub(r":[0-9]*$", "", host).lower()
        raise _Below("" if name == "*" or "\0" in name else name, f"/{path.rstrip('*')}")
    host, _, port = host.rpartition(":") if re.search(r":[^\]:]*$", host) else (host, "", "")
    for index, (_, _, written) in enumerate(known):
        host, port = host.replace(f"\0{index}\0", written), port.replace(f"\0{index}\0", written)
    if re.search(r"[^\w.*\[\]:{}$-]", host) or (not known and not re.fullmatch(r"[0-9]*", port)):
        raise Inexpressible("this is no address of a site")
    if any(default is None and name.upper().endswith("EXTRA_DIRECTIVES") for name, default, _ in known):
        raise Inexpressible("the site's text is in a variable of the environment")
    http, https = option(options, "http_port") or "80", option(options, "https_port") or "443"
    tls = scheme != "http" and port != http and (scheme == "https" or bool(host) or port == https)
    if tls and option(options, "auto_https") == "off" and scheme != "https":
        tls = False
        port = port or https
    if host == "*":
        host = ""
    return Address(host.lower() if not known else host, port or (https if tls else http), tls)


def _name(placeholder: str) -> str:
    """Of the variable of the environment that is read in the place of a template's placeholder."""
    return re.sub(r"\W+", "_", placeholder).strip("_").upper()


class _Expander:
    """Puts snippets and other files in the place of ``import``."""

    def __init__(self, path: Path, site: Site) -> None:
        self.path = path
        self.site = site
        self.snippets: dict[str, Node] = {}

    def top(self, nodes: list[Node], depth: int = 0) -> list[Node]:
        found: list[Node] = []
        for node in nodes:
            if node.name.startswith("(") and node.name.endswith(")") and node.block is not None:
                self.snippets[node.name[1:-1]] = node
            elif node.name == "import" and node.block is None:
                found += self.top(self._imported(node, depth), depth + 1)
            else:
                found.append(node)
        return found

    def expand(self, nodes: list[Node], depth: int = 0) -> list[Node]:
        found: list[Node] = []
        for node in nodes:
            if node.name == "import":
                found += self.expand(self._imported(node, depth), depth + 1)
            elif len(node.words) == 1 and (known := variables(node.name)) and known[0][2] == node.name:
                name, default, _ = known[0]
                text = os.environ.get(name) or default or ""
                if not text:
                    said = f"the variable {name} of the environment has no text here, and so adds nothing"
                    self.site.add(Note(said, node.origin))
                found += self.expand(parse(self.path.name, text), depth + 1)
            else:
                block = None if node.block is None else self.expand(node.block, depth)
                found.append(Node(node.words, node.origin, block))
        return found

    def _imported(self, node: Node, depth: int) -> list[Node]:
        if depth > _DEPTH or not node.rest:
            self.site.add(Untranslated("an import of itself", node.text, node.origin))
            return []
        name, *arguments = node.rest
        if (snippet := self.snippets.get(name)) is not None:
            return [_filled(each, arguments) for each in snippet.block or []]
        pattern = str(self.path.parent / name)
        found_files = sorted(glob.glob(pattern))  # noqa: PTH207 - the pattern may be absolute
        files = [file for file in found_files if Path(file).is_file()]  # no devices, and no pipes
        if not files:
            if not glob.has_magic(pattern):
                self.site.add(Untranslated("there is no such file or snippet", node.text, node.origin))
            else:
                self.site.add(Note(f"no file here matches {name}, which Caddy takes for nothing", node.origin))
            return []
        found: list[Node] = []
        for file in files:
            try:
                text = Path(file).read_text(encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise Unreadable(f"{node.origin}: {file}: {error.strerror}") from None
            found += [_filled(each, arguments) for each in parse(file, text)]
        return found


def _filled(node: Node, arguments: list[str]) -> Node:
    def value(match: "re.Match[str]") -> str:
        first = match[1] or match[3]
        if match[2] is not None or first is None:
            last = int(match[2]) if match[2] else None
            return " ".join(arguments[int(first or 0) : last])
        return arguments[int(first)] if int(first) < len(arguments) else ""

    words: list[str] = []
    for word in node.words:
        if word in ("{args[:]}",):
            words += arguments
        else:
            words.append(_ARGUMENT.sub(value, word))
    block = None if node.block is None else [_filled(each, arguments) for each in node.block]
    return Node(words, node.origin, block)
