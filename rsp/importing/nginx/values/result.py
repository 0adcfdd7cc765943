"""What the translation of one nginx.conf collects, in the parts that a site.lua has.

Each family of directives adds to this; ``reader.py`` puts the parts together at the end.
"""

import re
from collections import Counter
from typing import Final

from msgspec import Struct, field

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.environment import named
from rsp.importing.site import Declaration, Note, Part, Script, Setting, Site, Untranslated, Value

_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_PATTERN: Final = re.compile(r"local (\w+) = regex\(")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.\-]+")


class Parts(list[Part]):
    """Parts of one kind, in order.  ``told``: lines of a hook that make what peers are told, beside these."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def lost(self, statement: Statement, reason: str) -> None:
        """``statement`` cannot be translated, for ``reason``: half a sentence."""
        statement.used = True
        self.append(Untranslated(reason, statement.text, statement.origin))

    def note(self, statement: Statement | None, text: str) -> None:
        self.append(Note(text, statement.origin if statement is not None else None))


class Result(Struct):
    """``names``: of upstreams, by what they are made of; ``scripts``: functions that routes name."""

    site: Site
    settings: Parts = field(default_factory=Parts)
    listeners: Parts = field(default_factory=Parts)
    certificates: Parts = field(default_factory=Parts)
    upstreams: Parts = field(default_factory=Parts)
    scripts: Parts = field(default_factory=Parts)
    routes: Parts = field(default_factory=Parts)
    pages: Parts = field(default_factory=Parts)
    names: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, value: Value, statement: Statement | None = None) -> None:
        """A setting; tables of one name are joined, the first value of a key stays."""
        for part in self.settings:
            if isinstance(part, Setting) and part.name == name:
                if isinstance(part.value, dict) and isinstance(value, dict):
                    part.value = {**value, **part.value}
                return
        self.settings.append(Setting(name, value, statement.origin if statement is not None else None))

    def upstream(self, wish: str, items: list[Value], keys: dict[str, Value], origin: Statement | None) -> str:
        """The name of an upstream with these peers and keys, which is declared unless there is one."""
        made_of = f"{items} {sorted(keys.items(), key=str)}"
        if made_of in self.names:
            return self.names[made_of]
        wish = _UNFIT.sub("-", named(wish)).strip("-") or "app"
        name, number = wish, 2
        while name in self.names.values():
            name = f"{wish}-{number}"
            number += 1
        self.names[made_of] = name
        where = origin.origin if origin is not None else None
        self.upstreams.append(Declaration("upstream", name, items, keys, where))
        return name

    def script(self, text: str) -> None:
        """Once."""
        if not any(isinstance(part, Script) and part.text == text for part in self.scripts):
            self.scripts.append(Script(text))

    def drop_unused(self) -> None:
        """Expressions that nothing asks for, as those of an ``if`` that has only chosen what a cache keeps."""
        parts = (*self.settings, *self.upstreams, *self.scripts, *self.routes, *self.pages)
        counts = Counter(word for part in parts for word in _NAME.findall(str(part)))
        for part in [each for each in self.scripts if isinstance(each, Script)]:
            lines = part.text.split("\n")
            kept = [line for line in lines if (found := _PATTERN.match(line)) is None or counts[found[1]] > 1]
            if not kept:
                self.scripts.remove(part)
            part.text = "\n".join(kept)

    def finish(self) -> None:
        """Into the site, in its order."""
        for parts in (
            self.settings,
            self.listeners,
            self.certificates,
            self.upstreams,
            self.scripts,
            self.routes,
            self.pages,
        ):
            for part in parts:
                self.site.add(part)
