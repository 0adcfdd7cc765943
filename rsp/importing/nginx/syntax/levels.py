"""nginx's inheritance: a directive of http holds in a server that does not have it, and so on down to locations.

A level is a block with the one around it.  What repeats (``add_header``, ``proxy_set_header``, ``allow``) is inherited
as a whole: a level that has one of them inherits none.  What is asked for counts as translated.
"""

from collections.abc import Iterator

from rsp.importing.nginx.syntax.tree import Statement

PASSING = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")


class Level:
    """``kind``: ``http``, ``server``, ``location``, ``if``, ``limit_except``."""

    def __init__(self, kind: str, block: list[Statement], outer: "Level | None" = None) -> None:
        self.kind = kind
        self.block = block
        self.outer = outer
        self._own: dict[str, list[Statement]] = {}
        for statement in block:
            self._own.setdefault(statement.name, []).append(statement)

    def own(self, *names: str) -> list[Statement]:
        """Of this level alone, in the order of ``names``."""
        found = [statement for name in names for statement in self._own.get(name, ())]
        for statement in found:
            statement.used = True
        return found

    def has(self, *names: str) -> bool:
        return any(name in self._own for name in names)

    def all(self, *names: str) -> list[Statement]:
        """Of the nearest level that has one of ``names``."""
        level: Level | None = self
        while level is not None:
            if level.has(*names):
                found = [statement for statement in level.block if statement.name in names]
                for statement in found:
                    statement.used = True
                return found
            level = level.outer
        return []

    def last(self, name: str) -> Statement | None:
        found = self.all(name)
        return found[-1] if found else None

    def value(self, name: str, default: str = "") -> str:
        """The first argument."""
        found = self.last(name)
        return found.value if found is not None else default

    def is_on(self, name: str) -> bool:
        return self.value(name, "off") == "on"

    def is_set_below_http(self, name: str) -> bool:
        """Whether ``name`` is set at this level or around it, up to but without the level ``http``."""
        level: Level | None = self
        while level is not None and level.kind != "http":
            if level.has(name):
                return True
            level = level.outer
        return False

    def family(self) -> str:
        """What the directives for its peers begin with: ``proxy``, unless it passes requests by another protocol."""
        passing = (name.removesuffix("_pass") for name in self._own if name in PASSING)
        return next(passing, "proxy")

    def around(self) -> Iterator["Level"]:
        """This level and those around it, the innermost first."""
        level: Level | None = self
        while level is not None:
            yield level
            level = level.outer
