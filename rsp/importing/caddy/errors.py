"""``handle_errors``: what it says for each status becomes a page, or what a hook answers.

It is walked through once for each status that rsp answers by itself, so that conditions on the status are known.
"""

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from rsp.importing.caddy.tokens import Node
from rsp.importing.lua import quoted
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Code, Declaration, Note, Origin, Script, Site

STATUSES: Final = (400, 401, 403, 404, 405, 408, 410, 413, 414, 416, 429, 431, 500, 501, 502, 503, 504)
_NAMES: Final = {413: "Request Entity Too Large", 414: "Request URI Too Long", 416: "Requested Range Not Satisfiable"}
_ORDER: Final = [
    "root",
    "header",
    "redir",
    "rewrite",
    "try_files",
    "templates",
    "handle",
    "route",
    "respond",
    "reverse_proxy",
    "file_server",
]
_NUMBERS: Final = re.compile(r"\{(?:err|http\.error)\.status_code\}")
_TEXTS: Final = re.compile(r"\{(?:err|http\.error)\.status_text\}")
_CONDITION: Final = re.compile(
    r"\{(?:err|http\.error)\.status_code\}\s*(?:(==|!=|>=|<=|>|<)\s*([0-9]{3})|in\s*\[([0-9,\s]*)\])"
)
_REQUEST: Final = {
    "{err.status_code}": "status",
    "{host}": "req.host", "{http.request.host}": "req.host", "{method}": "req.method", "{uri}": "req.target",
    "{http.request.uri}": "req.target", "{path}": "req.path", "{http.request.uri.path}": "req.path",
}  # fmt: skip

_STATUS: Final = "{err.status_code}"


class Outcome(Struct, frozen=True):
    """``file``: of a page; else ``body``, ``to`` (a redirect) or nothing."""

    status: int = 0
    body: str | None = None
    file: str = ""
    to: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class Errors(Struct):
    """Of a site.  ``outcomes``: by the status of the error."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    origin: Origin | None = None
    name: str = ""  # of the table of answers, or of the function
    is_one: bool = False  # the same for all statuses: a function

    def keys(self) -> dict[str, Any]:
        """Of all routes of the site."""
        if not self.name:
            return {}
        return {"on_error": Code(f"answer_{self.name}")}

    def answer(self, status: int) -> dict[str, Any] | None:
        """Keys of a route for ``error`` with this status; ``None``: rsp's own answer."""
        outcome = self.outcomes.get(status)
        if outcome is None or (outcome.body is None and not outcome.file and not outcome.to):
            return None
        if outcome.file:  # a page is sent where a hook says the status
            return {
                "respond": {"status": status},
                "on_request": Code(f"function(req) return respond({status}) end"),
            }
        return {
            "respond": {"status": status},
            "on_request": Code(f"function(req) return {self._called(status)} end"),
        }

    def _called(self, status: int) -> str:
        return f"{self.name}(req, {status})" if self.is_one else f"{self.name}[{status}](req)"


def read(site: Site, nodes: list[Node], root: str, number: int) -> Errors:
    """Declares pages, and answers for a hook.  Raises :class:`Inexpressible`."""
    errors = Errors()
    for node in nodes:
        errors.origin = node.origin
        inner = {each.name: each for each in node.block or [] if each.name.startswith("@")}
        for status in STATUSES:
            if status not in errors.outcomes and _is_for(node.rest, status):
                outcome = _walk(node.block or [], inner, status, root)
                if outcome is not None:
                    errors.outcomes[status] = outcome
    _pages(site, errors)
    answers = {status: each for status, each in errors.outcomes.items() if each.body is not None or each.to}
    if answers:
        errors.name = f"errors_{number}" if number else "errors"
        site.add(_script(errors, answers))
    return errors


def _is_for(codes: list[str], status: int) -> bool:
    return not codes or any(code == str(status) or code.lower() == f"{status // 100}xx" for code in codes)


def _walk(nodes: list[Node], named: dict[str, Node], status: int, root: str, path: str = "") -> Outcome | None:
    """``None``: nothing answers."""
    named = {**named, **{each.name: each for each in nodes if each.name.startswith("@")}}
    fields: list[tuple[str, str]] = []
    handled = False
    plain = [each for each in nodes if not each.name.startswith("@")]
    for node in plain:
        if node.name not in _ORDER:
            raise Inexpressible(f"rsp has no {node.name} for errors")
    for node in sorted(plain, key=lambda each: (_ORDER.index(each.name), not each.rest[:1])):
        values = list(node.rest)
        if values and values[0].startswith("@"):
            if not _holds(named.get(values.pop(0)), status):
                continue
        elif values[:1] == ["*"]:
            values.pop(0)
        if node.name == "root" and values:
            root = values[-1]
        elif node.name == "header" and len(values) == 2 and values[0][0] not in "+-?>":
            fields.append((values[0], _told(values[1], status)))
        elif node.name in ("rewrite", "try_files") and values:
            path = "\n".join(_told(value, status) for value in values)
        elif node.name in ("handle", "route"):
            if values or handled:
                if handled:
                    continue
                raise Inexpressible("a path below handle_errors")
            handled = True
            found = _walk(node.block or [], named, status, root, path)
            if found is not None:
                return found
        elif node.name == "respond":
            return _responded(values, status, tuple(fields))
        elif node.name == "redir" and values:
            code = {"permanent": 301, "temporary": 302}.get(values[-1]) or int(values[-1] if len(values) > 1 else 302)
            return Outcome(code, to=_told(values[0], status), fields=tuple(fields))
        elif node.name == "file_server" and not node.block:
            return Outcome(status, file=_file(root, path))
        else:
            raise Inexpressible(f"rsp has no {node.text} for errors")
    return None


def _holds(matcher: Node | None, status: int) -> bool:
    text = "" if matcher is None else " ".join([*matcher.rest, *(each.text for each in matcher.block or [])])
    match = _CONDITION.fullmatch(text.removeprefix("expression").strip().strip("`"))
    if match is None:
        raise Inexpressible("rsp knows the status of an error: {err.status_code} == 404")
    if match[3] is not None:
        return str(status) in re.findall(r"[0-9]+", match[3])
    wanted = int(match[2])
    return {
        "==": status == wanted, "!=": status != wanted, ">=": status >= wanted, "<=": status <= wanted,
        ">": status > wanted, "<": status < wanted,
    }[match[1]]  # fmt: skip


def _told(text: str, status: int) -> str:
    text = _NUMBERS.sub(str(status), text)
    return _TEXTS.sub(_NAMES.get(status) or HTTPStatus(status).phrase, text)


def _responded(values: list[str], status: int, fields: tuple[tuple[str, str], ...]) -> Outcome:
    if len(values) == 1 and re.fullmatch(r"[1-5][0-9][0-9]", values[0]):
        return Outcome(int(values[0]), "", fields=fields)
    code = _told(values[1], status) if len(values) > 1 else str(status)
    if not code.isdigit():
        raise Inexpressible(f"rsp has no status {code}")
    return Outcome(int(code), _told(values[0], status) if values else "", fields=fields)


def _file(root: str, path: str) -> str:
    """The first of ``path`` that is there; none on this machine: the first."""
    if not root or not path or "{" in root + path:
        raise Inexpressible("a page for an error is a file that is named")
    files = [f"{root.rstrip('/')}/{each.lstrip('/')}" for each in path.split("\n") if not each.startswith("=")]
    return next((each for each in files if Path(each).is_file()), files[0])


def _pages(site: Site, errors: Errors) -> None:
    """Statuses of one file are one page.  Files that are not here are told, as the lines that they would be."""
    files: dict[str, list[int]] = {}
    for status, outcome in errors.outcomes.items():
        if outcome.file:
            files.setdefault(outcome.file, []).append(status)
    declared = {
        status
        for part in site.parts
        if isinstance(part, Declaration) and part.word == "page"
        for status in _list(part.keys["status"])
    }
    for file, statuses in files.items():
        told: Any = statuses[0] if len(statuses) == 1 else statuses
        if any(isinstance(p, Declaration) and p.word == "page" and p.keys.get("file") == file for p in site.parts):
            continue
        if declared.intersection(statuses):
            raise Inexpressible("pages of rsp are for all sites of a file")
        if Path(file).is_file():
            site.add(Declaration("page", keys={"status": told, "file": file}, origin=errors.origin))
        elif len(files) == 1 or statuses == [404]:
            line = f"page {{ status = {'{ ' + ', '.join(map(str, statuses)) + ' }' if len(statuses) > 1 else told}, "
            said = f'{file} is not on this machine; where it is, add: {line}file = "{file}" }}'
            site.add(Note(said, errors.origin))
    if files:
        site.add(Note("pages for errors are for all sites of this file", errors.origin))


def _list(value: Any) -> list[int]:
    return value if isinstance(value, list) else [value]


def _script(errors: Errors, answers: dict[int, Outcome]) -> Script:
    same = {_by_status(outcome, status) for status, outcome in answers.items()}
    if len(same) == 1 and set(answers) == set(STATUSES):
        errors.is_one = True
        lines = [
            f"local function {errors.name}(req, status) return {_answer(same.pop(), 'status')} end",
            f"local function answer_{errors.name}(req, err) return {errors.name}(req, err.status) end",
        ]
        return Script("\n".join(lines), errors.origin, ["What handle_errors answers."])
    lines = [f"local {errors.name} = {{"]
    for status, outcome in answers.items():
        lines.append(f"  [{status}] = function(req) return {_answer(outcome, str(outcome.status))} end,")
    said = "What handle_errors answers, by the status of the error."
    lines += [
        "}",
        f"local function answer_{errors.name}(req, err)",
        f"  local found = {errors.name}[err.status]",
        "  if found then return found(req) end",
        "end",
    ]
    return Script("\n".join(lines), errors.origin, [said])


def _by_status(outcome: Outcome, status: int) -> Outcome:
    """With a placeholder in the place of ``status``."""

    def told(text: str) -> str:
        return text.replace(str(status), _STATUS)

    body = told(outcome.body) if outcome.body is not None else None
    fields = tuple((name, told(value)) for name, value in outcome.fields)
    return Outcome(0 if outcome.status == status else outcome.status, body, outcome.file, told(outcome.to), fields)


def _answer(outcome: Outcome, status: str) -> str:
    """``status``: of the answer, in Lua, unless the outcome has one."""
    status = str(outcome.status) if outcome.status else status
    table = ", ".join(f"[{quoted(name)}] = {_lua(value)}" for name, value in outcome.fields)
    if outcome.to and not table:
        return f"redirect({_lua(outcome.to)}, {status})"
    if outcome.to:
        return f'respond({status}, "", {{ Location = {_lua(outcome.to)}, {table} }})'
    return f"respond({status}, {_lua(outcome.body or '')}{f', {{ {table} }}' if table else ''})"


def _lua(text: str) -> str:
    """An expression of Lua.  Raises :class:`Inexpressible`."""
    pieces: list[str] = []
    for piece in re.split(r"(\{[\w.-]+\})", text):
        if not piece:
            continue
        if re.fullmatch(r"\{[\w.-]+\}", piece):
            if piece not in _REQUEST:
                raise Inexpressible(f"rsp has no placeholder for {piece} where it answers an error")
            pieces.append(_REQUEST[piece])
        else:
            pieces.append(quoted(piece))
    return " .. ".join(pieces) or '""'
