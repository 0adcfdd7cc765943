"""The hooks for all requests: what servers do before any location is found, and the fields of what they answer then."""

from typing import Final

from rsp.importing.nginx.rewrite.branches import line_of
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import AS_RECEIVED, Names, Unsayable
from rsp.importing.site import Script

_ANSWERED: Final = """local function answered(req, server, answer)
  if answer then req.ctx.answered = server end
  return answer
end"""


class Before:
    """``on_request`` and ``on_response`` of the whole file."""

    def __init__(self) -> None:
        self._calls: list[str] = []
        self._fields: dict[str, list[str]] = {}

    def add(self, name: str, condition: str, function: str, fields: list[str]) -> None:
        """``function`` is for requests that meet ``condition``; ``fields``: lines for responses, where it answers."""
        called = f"{function}(req)"
        if fields:
            self._fields[name] = fields
            called = f'answered(req, "{name}", {called})'
        self._calls.append(f"  if {condition} then return {called} end" if condition else f"  return {called}")

    def add_last(self, function: str, condition: str, fields: dict[str, list[str]]) -> None:
        """``function`` is for the same requests as what has been added for ``condition``, behind that.

        ``fields``: lines for responses, by what it puts into ``req.ctx.answered``.
        """
        self._fields |= fields
        start = f"  if {condition} then return " if condition else "  return "
        for number, call in enumerate(self._calls):
            if call.startswith(start):
                called = call[len(start) :].removesuffix(" end") if condition else call[len(start) :]
                both = f"local answer = {called} if answer then return answer end return {function}(req)"
                self._calls[number] = f"  if {condition} then {both} end" if condition else f"  {both}"
                return
        self.add("", condition, function, [])

    def write(self, result: Result) -> None:
        if self._fields:
            is_called = any("answered(req, " in call for call in self._calls)
            lines = [*([_ANSWERED] if is_called else []), "function on_response(req, res)"]
            for name, fields in self._fields.items():
                lines += [f'  if req.ctx.answered == "{name}" then', *(f"    {line}" for line in fields), "  end"]
            result.scripts.append(Script("\n".join([*lines, "end"])))
        if self._calls:
            *others, last = self._calls
            if any(AS_RECEIVED in str(part) for part in (*result.scripts, *result.routes)):
                others.insert(0, f"  {AS_RECEIVED} = req.target")
            lines = [f"  do {line.strip()} end" if line.startswith("  return") else line for line in others]
            result.scripts.append(Script("\n".join(["function on_request(req)", *lines, last, "end"])))


def fields_of(level: Level, names: Names, result: Result) -> list[str]:
    """add_header of ``level``, for what is answered before there is a route."""
    found: list[str] = []
    some: list[str] = []
    for each in level.all("add_header"):
        try:
            lines = line_of(each, names.with_response(), way="set") if each.args[1:] else []
        except Unsayable as error:
            result.routes.lost(each, str(error))
            continue
        if each.args[2:] == ["always"]:
            found += lines
        else:
            some += [f"  {line}" for line in lines]
    return [*found, *(["if res.status < 400 then", *some, "end"] if some else [])]
