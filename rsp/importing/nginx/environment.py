"""Variables of the environment, as ``envsubst`` fills them in before nginx reads the file: ``${API_HOST}``.

nginx's own variables are written in lower case, so one in capitals that neither nginx nor the file knows is of the
environment.  While the file is translated, something takes its place that looks like what is expected there: a host,
a port, a directory.  In the result it becomes ``os.getenv``.
"""

import re
from typing import Final

from rsp.importing.environment import with_environment
from rsp.importing.nginx.surroundings import every
from rsp.importing.nginx.tree import Statement
from rsp.importing.nginx.variables import is_known
from rsp.importing.site import Code, Declaration, Heading, Note, Script, Site, Table, Untranslated, Value

_VARIABLE: Final = re.compile(r"\$(?:\{([A-Z][A-Z0-9_]*)\}|([A-Z][A-Z0-9_]*)(?![A-Za-z0-9_]))")
_PATHS: Final = ("root", "alias", "ssl_certificate", "ssl_certificate_key", "auth_basic_user_file", "access_log")
_PEERS: Final = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass", "server")
_TEXTS: Final = ("listen", "server_name", "return", "add_header", "proxy_set_header", "set", *_PATHS, *_PEERS)
_CONSTANT: Final = ("listen", "server", "server_name")  # where nginx has no variables of its own
_FIRST_PORT: Final = 61001
_MADE: Final = re.compile(r"\.env\d+(?:\.whole)?\.invalid|-61\d{3}$")


class Environment:
    """Those of one file.  What stands for them is in no other text of it."""

    def __init__(self, statements: list[Statement]) -> None:
        self._known: dict[str, tuple[str, str | None, str]] = {}  # stand-in: name, default, as it was written
        settled = {word.lstrip("$") for each in every(statements) if each.name == "set" for word in each.args[:1]}
        settled |= {
            each.args[-1].lstrip("$") for each in every(statements) if each.name in ("map", "geo") and each.args
        }
        for statement in every(statements):
            if statement.name in _TEXTS:
                for number, word in enumerate(statement.args):
                    if statement.name != "set" or number:
                        statement.args[number] = self._filled(statement.name, word, settled)

    def _filled(self, directive: str, word: str, settled: set[str]) -> str:
        def stand_in(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            made = self._made(directive, name, word[: match.start()], word[match.end() :])
            if made is None or name in settled or (directive not in _CONSTANT and is_known(name.lower())):
                return match[0]
            text, default = made
            for known, (other, _, _) in self._known.items():
                if other == name and _kind(known) == _kind(text):
                    return known
            self._known[text] = (name, default, match[0])
            return text

        return _VARIABLE.sub(stand_in, word)

    def _made(self, directive: str, name: str, before: str, after: str) -> tuple[str, str | None] | None:
        """What stands for it, and its default in the result; ``None``: it cannot be told what it is."""
        number = len(self._known) + 1
        plain = name.lower().replace("_", "-").strip("-")
        if before.endswith(":") or (directive == "listen" and not before):
            return (str(_FIRST_PORT + number), None) if after[:1] in ("", "/", "$") else None
        if directive in _PATHS:
            return (
                (f"/{plain}.env{number}.invalid", f"/{plain}")
                if not before
                else (f"{plain}.env{number}.invalid", plain)
            )
        if directive == "listen" or (directive in _PEERS and "://" not in before and before and directive != "server"):
            return None
        if directive in _PEERS and directive != "server" and not before and directive.startswith(("proxy", "grpc")):
            return None  # a whole URL: with TLS, or without
        if directive in _PEERS and after[:1] in ("", "/"):
            return f"{plain}.env{number}.whole.invalid", None
        return f"{plain}.env{number}.invalid", None

    def restore(self, site: Site) -> None:
        """``os.getenv`` in the place of what stands for variables."""
        if not self._known:
            return
        for index, part in enumerate(site.parts):
            if isinstance(part, Heading):
                site.parts[index] = Heading(self._as_written(part.text))
            elif isinstance(part, Note):
                site.parts[index] = Note(self._as_written(part.text), part.origin)
            elif isinstance(part, Untranslated):
                site.parts[index] = Untranslated(
                    self._as_written(part.reason), self._as_written(part.text), part.origin
                )
            elif isinstance(part, Script):
                part.text = self._in_lua(part.text)
            elif isinstance(part, Declaration):
                part.keys = {name: self._in_code(value) for name, value in part.keys.items()}
        with_environment(site, self._variables)

    def _pattern(self) -> str:
        return "|".join(re.escape(text) for text in sorted(self._known, key=len, reverse=True))

    def _variables(self, text: str) -> list[tuple[str, str | None, str]]:
        found: list[tuple[str, str | None, str]] = []
        for match in re.finditer(rf"({self._pattern()})(?:(?<=\.whole\.invalid)(:\d+))?", text):
            name, default, _ = self._known[match[1]]
            if match[2]:
                default = f"{name.lower().replace('_', '-')}.invalid{match[2]}"
            found.append((name, default, match[0]))
        return found

    def _as_written(self, text: str) -> str:
        return re.sub(self._pattern(), lambda match: self._known[match[0]][2], text)

    def _in_lua(self, text: str) -> str:
        """Within literals in double quotes; elsewhere the result does not load, and is given up."""
        return re.sub(self._pattern(), lambda match: f'" .. (os.getenv("{self._known[match[0]][0]}") or "") .. "', text)

    def _in_code(self, value: Value) -> Value:
        if isinstance(value, Code):
            return Code(self._in_lua(value.text))
        if isinstance(value, dict):
            return {name: self._in_code(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._in_code(each) for each in value]
        return Table([self._in_code(each) for each in value.items], value.keys) if isinstance(value, Table) else value


def _kind(text: str) -> str:
    return re.sub(r"[a-z0-9\-]+\.env\d+|\d+", "", text)


def named(wish: str) -> str:
    """The name of an upstream without what stands for a variable."""
    return _MADE.sub("", wish)
