"""nginx.conf as statements, with what it includes in the place of ``include``.

This room knows nginx's syntax and where its files are, no directive but ``include``.  crossplane's lexer reads the
characters; what is made of the words is ours, because a fragment or a broken include has to be read as well.
"""

import contextlib
import glob
import re
import tempfile
from pathlib import Path
from typing import Final

from crossplane.errors import NgxParserBaseException
from crossplane.lexer import lex
from msgspec import Struct

from rsp.importing.nginx.syntax.stock import stock
from rsp.importing.nginx.syntax.templates import WHOLE, marked
from rsp.importing.site import Note, Origin, Unreadable, Untranslated

_STATUS: Final = re.compile("[0-9]{3}")
_ESCAPES: Final = re.compile(r"""\\([\\"'trn])""")
_SPACES: Final = re.compile(r"(?<!\\)\s+")
_WHOLE: Final = "the file does not say which directives take the place of this"
MISSING: Final = "there is no such file here; what it says is not translated"
TEMPLATE: Final = " (template)"  # behind the name of a statement with placeholders that nothing takes the place of
_ENTRIES: Final = frozenset(("map", "geo", "types", "split_clients", "upstream", "charset_map", "match"))
# How many arguments the code of other rooms relies on.
LEAST: Final = {
    "if": 1, "return": 1, "rewrite": 2, "set": 2, "location": 1, "upstream": 1, "include": 1, "map": 2, "geo": 1,
    "split_clients": 2, "error_page": 2, "try_files": 2, "limit_req_zone": 2, "limit_conn_zone": 2, "proxy_pass": 1,
    "fastcgi_pass": 1, "uwsgi_pass": 1, "grpc_pass": 1, "listen": 1, "limit_except": 1, "user": 1,
}  # fmt: skip
_DEEPEST_BLOCK: Final = 100
_DEEPEST: Final = 8  # includes in includes
_BASES: Final = ("/etc/nginx/", "/usr/local/nginx/conf/", "/usr/local/etc/nginx/", "/opt/nginx/conf/", "conf/")
ABOVE: Final = 4  # folders above the file in which an included file is looked for


class Statement(Struct, eq=False):
    """``block``: what stands in braces, or ``None``.  ``used``: it has been translated, or reported."""

    name: str
    args: list[str]
    origin: Origin
    block: "list[Statement] | None" = None
    used: bool = False

    @property
    def value(self) -> str:
        """The first argument, or an empty text."""
        return self.args[0] if self.args else ""

    @property
    def text(self) -> str:
        """As it stands in the file, in one line; of a block, what is in it too."""
        words = " ".join([self.name.removesuffix(TEMPLATE), *map(_written, self.args)])
        if self.block is None:
            return f"{words};"
        inner = " ".join(statement.text for statement in self.block)
        return f"{words} {{ {inner} }}" if inner else f"{words} {{}}"


def _written(argument: str) -> str:
    if not argument or (any(mark in argument for mark in " \t\n;{}#\"'") and "${" not in argument):
        escaped = argument.replace("\\", "\\\\").replace('"', '\\"') if '"' in argument else argument
        return f'"{escaped}"'
    return argument


def check_status(statement: Statement) -> None:
    """Where nginx expects a status there is one: it becomes a number in Lua.  Raises :class:`Unreadable`."""
    statuses: list[str] = []
    if statement.name in ("limit_req_status", "limit_conn_status"):
        statuses = statement.args
    elif statement.name == "return":
        statuses = [word for word in statement.args[:1] if word[:1].isdigit()]  # else a URL
    elif statement.name == "error_page":
        statuses = [word.removeprefix("=") for word in statement.args[:-1] if word != "="]
    for word in statuses:
        if _STATUS.fullmatch(word) is None:
            raise Unreadable(f"{statement.origin}: {statement.name}: expected a status such as 404")


class Tree:
    """``statements``: of the main file, ``text`` where it has been read.

    ``remarks``: what could not be read, and what was read elsewhere.
    """

    def __init__(self, path: Path, prefix: Path, text: str | None = None) -> None:
        self._prefix = prefix
        self._main = path
        self.remarks: list[Note | Untranslated] = []
        self.statements = self._file(path, str(path), 0, text)

    def _file(self, path: Path, shown: str, depth: int, text: str | None = None) -> list[Statement]:
        """Raises :class:`Unreadable`, with file and line."""
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if text is None else text
        except OSError as error:
            raise Unreadable(f"{shown}: {error.strerror}") from None
        count = len(self.remarks)
        try:
            return self._read(_tokens(marked(text), shown), shown, path, depth)
        except Unreadable:
            del self.remarks[count:]
            with contextlib.suppress(Unreadable):
                return self._read(_tokens(marked(text, has_single=True), shown), shown, path, depth)
            raise

    def _read(self, tokens: list[tuple[str, int, bool]], shown: str, path: Path, depth: int) -> list[Statement]:
        outer: list[list[Statement]] = []
        owners: list[str] = []
        current: list[Statement] = []
        words: list[str] = []
        line = 1
        for word, at, is_quoted in tokens:
            if not is_quoted and word.startswith("#"):
                continue
            if is_quoted or word not in (";", "{", "}"):
                line = at if not words else line
                said = [word] if is_quoted or "${" not in word else _SPACES.split(word.strip())  # crossplane takes more
                words += [_ESCAPES.sub(_unescaped, each) if "\\" in each else each for each in said]
                continue
            if word == "}":
                if words:
                    raise Unreadable(f"{shown}:{line}: {_shown(words[0])} is not ended by ';'")
                if not outer:
                    raise Unreadable(f'{shown}:{at}: unexpected "}}"')
                current = outer.pop()
                owners.pop()
                continue
            if not words:
                if word == ";":
                    continue
                raise Unreadable(f'{shown}:{at}: unexpected "{word}"')
            statement = Statement(words[0], words[1:], Origin(shown, line))
            if statement.name == WHOLE:
                self.remarks.append(Untranslated(_WHOLE, statement.value, statement.origin))
                words = []
                continue
            if len(statement.args) < LEAST.get(statement.name, 0):
                statement.name += " (incomplete)"  # no directive's name, so it is reported
            check_status(statement)
            words = []
            if word == "{":
                if len(outer) >= _DEEPEST_BLOCK:
                    raise Unreadable(f"{shown}:{at}: blocks are nested too deeply")
                statement.block = []
                current.append(statement)
                outer.append(current)
                owners.append(statement.name)
                current = statement.block
            elif statement.name == "include" and statement.args:
                current += self._included(statement, path, depth, has_entries=bool({*owners[-1:]} & _ENTRIES))
            else:
                current.append(statement)
        if words:
            raise Unreadable(f"{shown}:{line}: {_shown(words[0])} is not ended by ';'")
        if outer:
            raise Unreadable(f'{shown}: unexpected end of file, expected "}}"')
        return current

    def _included(self, statement: Statement, path: Path, depth: int, *, has_entries: bool) -> list[Statement]:
        """What stands in the place of an ``include``: itself, if there is no such file.

        ``has_entries``: it stands in a block of entries, where every name is a value.
        """
        pattern = statement.value
        if depth >= _DEEPEST:
            self.remarks.append(Untranslated("includes are nested too deeply", statement.text, statement.origin))
            return []
        found, elsewhere = self._find(pattern, path)
        if not found:
            known = stock(pattern)
            if known is not None:
                return self._stock(known, statement, path, depth)
            if glob.has_magic(pattern):
                self.remarks.append(Note(f"include {pattern} matches no file here", statement.origin))
                return []
            if has_entries:
                self.remarks.append(Untranslated(MISSING, statement.text, statement.origin))
                return []
            return [statement]
        if elsewhere:
            said = ", ".join(map(str, found[:3]))
            self.remarks.append(Note(f"include {pattern} was read from {said}", statement.origin))
        statements: list[Statement] = []
        for file in found:
            try:
                statements += self._file(file, self._shown(file), depth + 1)
            except Unreadable as error:
                self.remarks.append(Untranslated(str(error), statement.text, statement.origin))
        return statements

    def _stock(self, text: str, statement: Statement, path: Path, depth: int) -> list[Statement]:
        """The content of a file that comes with nginx, which is not on this machine."""
        tokens = [(word, statement.origin.line, False) for word in text.split()]
        return self._read(tokens, statement.origin.file, path, depth + 1)

    def _find(self, pattern: str, path: Path) -> tuple[list[Path], bool]:
        """The files, and whether they are not where nginx would look."""
        if found := _matches(self._prefix / pattern):
            return found, False
        relative = next((pattern[len(base) :] for base in _BASES if pattern.startswith(base)), pattern)
        folders = [self._prefix, path.parent, *list(path.parent.resolve().parents)[:ABOVE]]
        for name in [relative] if not relative.startswith(("/", "~")) else _ends(relative):
            for folder in folders:
                if found := _matches(folder / name):
                    return found, True
        return [], False

    def _shown(self, path: Path) -> str:
        """As a user would name it: relative to the main file's folder where it is below that."""
        try:
            return str(self._main.parent / path.resolve().relative_to(self._main.parent.resolve()))
        except ValueError:
            return str(path)


def _tokens(text: str, shown: str) -> list[tuple[str, int, bool]]:
    """Of crossplane, which reads files alone.  Raises :class:`Unreadable`."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape", suffix=".conf") as file:
        file.write(text)
        file.flush()
        try:
            return list(lex(file.name))
        except NgxParserBaseException as error:
            raise Unreadable(f"{shown}:{error.lineno or 1}: {_plain(error.strerror)}") from None


def _ends(pattern: str) -> list[str]:
    """How an absolute name ends, the longest first, with at least one folder: another machine's folders differ."""
    words = pattern.lstrip("~/").split("/")
    return ["/".join(words[number:]) for number in range(1, len(words) - 1)]


def _matches(path: Path) -> list[Path]:
    text = str(path)
    try:
        names = sorted(glob.glob(text)) if glob.has_magic(text) else [text]  # noqa: PTH207 - hidden files as nginx
        return [Path(name) for name in names if Path(name).is_file()]
    except (OSError, ValueError):
        return []


def _unescaped(match: re.Match[str]) -> str:
    return {"t": "\t", "r": "\r", "n": "\n"}.get(match[1], match[1])


def _plain(message: str | None) -> str:
    return (message or "it cannot be read").replace("expecting", "expected")


def mark(statement: Statement) -> None:
    """It has been translated, with all that is in it."""
    statement.used = True
    mark_all(statement.block or [])


def mark_all(block: list[Statement]) -> None:
    for statement in block:
        mark(statement)


def _shown(word: str) -> str:
    """Not more than a directive's name: a file that is no configuration may hold secrets."""
    return f'"{word}"' if re.fullmatch(r"\w{1,40}", word) else "a directive"
