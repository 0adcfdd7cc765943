"""``sub_filter``: texts in bodies that take the place of others, by a hook with ``res.filter``.

nginx compares them in any case, and takes the first of all that there are at a place.
"""

from mimetypes import guess_all_extensions
from typing import Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Declaration

_CALL: Final = "res.filter = substituted("
_FUNCTION: Final = """local function substituted(texts, once)
  local left, longest = "", 0
  for _, text in ipairs(texts) do longest = math.max(longest, #text.old) end
  return function(chunk, last)
    local body, made, from = left .. chunk, {}, 1
    local lower = body:lower()
    while true do
      local first, place
      for _, text in ipairs(texts) do
        local found = not text.done and lower:find(text.old, from, true)
        if found and (not place or found < place) then first, place = text, found end
      end
      if not place then break end
      made[#made + 1] = body:sub(from, place - 1)
      made[#made + 1] = first.new
      from, first.done = place + #first.old, once
    end
    local kept = last and 0 or math.min(longest - 1, #body - from + 1)
    made[#made + 1] = body:sub(from, #body - kept)
    left = body:sub(#body - kept + 1)
    return table.concat(made)
  end
end"""


def lines(level: Level, names: Names, parts: Parts) -> list[str]:
    """For the hook of responses of a level."""
    found: list[str] = []
    for statement in level.all("sub_filter"):
        try:
            old, new, *more = [*statement.args, "", ""]
            if more != ["", ""]:
                raise Unsayable("nginx takes two words")
            if not names.is_plain(old):
                raise Unsayable("the text that is to be replaced depends on the request")
            found.append(f"  {{ old = {quoted(names.expand(old).lower())}, new = {names.lua(new)} }},")
        except Unsayable as error:
            parts.lost(statement, str(error))
    if not found:
        return []
    once = level.value("sub_filter_once", "on") == "on"
    types = _types(level)
    kept = level.is_on("sub_filter_last_modified")
    inside = [
        f"{_CALL}{{",
        *found,
        f"}}, {'true' if once else 'false'})",
        *(["res.headers.ETag = nil", 'res.headers["Last-Modified"] = nil'] if not kept else []),
    ]
    if "*" in types:
        return inside
    kind = '(res.headers["Content-Type"] or ""):lower():match("^[^;%s]*")'
    condition = " or ".join(f"kind == {quoted(each.lower())}" for each in types)
    return [f"local kind = {kind}", f"if {condition} then", *(f"  {line}" for line in inside), "end"]


def of_whole_files(level: Level) -> list[str]:
    """For the hook of requests, where files are sent: nginx sends no parts of what it changes."""
    if not level.all("sub_filter"):
        return []
    types = _types(level)
    if "*" in types:
        return ["req.headers.Range = nil"]
    endings = sorted({ending[1:] for each in types for ending in guess_all_extensions(each)})
    listed = ", ".join(f"{index(ending)} = true" for ending in endings)
    return [
        'local ending = req.path:match("%.([^./]*)$")',
        f"if not ending or ({{ {listed} }})[ending] then req.headers.Range = nil end",
    ]


def _types(level: Level) -> list[str]:
    told = level.last("sub_filter_types")
    return list(dict.fromkeys(("text/html", *(told.args if told is not None else ()))))


def declare(result: Result) -> None:
    """The function that the hooks ask for."""
    if any(_CALL in str(part) for part in result.routes if isinstance(part, Declaration)):
        result.script(_FUNCTION)
