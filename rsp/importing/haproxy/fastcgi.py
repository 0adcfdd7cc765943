"""``fcgi-app``: an application that speaks FastCGI, as keys of the upstreams that use it."""

import re
from typing import Any, Final

from rsp.importing.haproxy.sections import Line, Section
from rsp.importing.haproxy.values import placeholders
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Note, Origin, Site, Untranslated
from rsp.importing.wordlist import words as word_set

# The expressions that split a path behind the extension of its script.
_SPLIT: Final = re.compile(r"\^?\(/?\.[+*]\??\\(\.\w+)\)\(?/?.*")
_OF_RSP: Final = word_set(
    """
    SCRIPT_FILENAME SCRIPT_NAME PATH_INFO PATH_TRANSLATED CONTENT_LENGTH REQUEST_METHOD GATEWAY_INTERFACE HTTP_PROXY
    """
)


class Applications:
    def __init__(self, site: Site, sections: list[Section]) -> None:
        self.site = site
        self.sections = {each.name: each for each in sections if each.kind == "fcgi-app"}
        self.reached: set[str] = set()

    def keys(self, lines: list[Line], origin: Origin) -> dict[str, Any]:
        """Of the upstream of a backend with these ``lines``, the servers of which speak FastCGI."""
        line = next((each for each in reversed(lines) if each.first == "use-fcgi-app" and len(each.words) > 1), None)
        section = self.sections.get(line.words[1]) if line is not None else None
        if line is None or section is None:
            text = line.text if line is not None else "proto fcgi"
            self.site.add(Untranslated("the fcgi-app is not in this file", text, origin))
            return {}
        line.used = True
        keys: dict[str, Any] = {}
        for each in section.lines:
            try:
                self._line(each, keys, told=section.name not in self.reached)
            except Inexpressible as error:
                self.site.add(Untranslated(str(error), each.text, each.origin))
        if "split" in keys:
            keys.setdefault("index", f"index{keys['split']}")
        self.reached.add(section.name)
        index = keys.get("index", "index.php")
        said = f"a path without a script goes to {index}; from HAProxy, PHP-FPM answers it with 404"
        self.site.add(Note(said, section.origin))
        if not any(each.first == "path-info" for each in section.lines):
            self.site.add(Note("rsp splits a path behind .php: what follows is PATH_INFO", section.origin))
        return keys

    def _line(self, line: Line, keys: dict[str, Any], *, told: bool) -> None:
        """Raises :class:`Inexpressible`."""
        name, value = line.first, line.words[1] if len(line.words) > 1 else ""
        if name == "docroot":
            keys["root"] = value
        elif name == "index":
            keys |= {"index": value} if value != "index.php" else {}
        elif name == "path-info":
            if (match := _SPLIT.fullmatch(value)) is None:
                raise Inexpressible("rsp splits a path behind the extension of a script: split")
            if match[1] != ".php":
                keys["split"] = match[1]
        elif name == "set-param" and len(line.words) == 3:
            if value in _OF_RSP:
                raise Inexpressible(f"rsp sets {value} by itself")
            keys.setdefault("params", {})[value] = placeholders(line.words[2], frozenset())
        elif name == "set-param":
            raise Inexpressible("rsp sets a variable for all requests")
        elif name in ("log-stderr", "option", "no"):
            if told:
                self.site.drop(name if name == "log-stderr" else f"option {line.words[-1]}")
        else:
            raise Inexpressible("rsp has no such line for FastCGI")

    def unused(self, section: Section) -> None:
        if section.name not in self.reached:
            self.site.add(Note(f'the fcgi-app "{section.name}" is not used', section.origin))
