"""Groups of the regular expressions in ``server_name``, which are variables of the server."""

from rsp.importing.lua import member
from rsp.importing.nginx.matching.servers import Server
from rsp.importing.nginx.rewrite.guards import Extended
from rsp.importing.nginx.values.maps import named_groups, pattern
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Names, Unsayable, pieces


def know(server: Server, name: str, result: Result) -> None:
    """``name``: what names of Lua begin with."""
    expressions = [said[1:] for said in server.server_names if said.startswith("~") and named_groups(said)]
    asked = {word for each in every(server.statement.block or []) for arg in each.args for _, word in pieces(arg)}
    groups = {group for said in expressions for group in named_groups(said)} & asked
    if not groups:
        return
    try:
        patterns = [pattern(f"~*{said}") for said in expressions]
    except Unsayable:
        return  # the name is reported
    tried = " or ".join(f"{name}_host_{number}.match(req.host)" for number in range(1, len(patterns) + 1))
    lines = [f"local {name}_host_{number} = {said}" for number, said in enumerate(patterns, 1)]
    lines += [f"local function groups_of_{name}(req)", f"  return {tried} or {{}}", "end"]
    result.script("\n".join(lines))
    called = f"groups_of_{name}(req)"
    known = {each: f'({called}{f"[{each}]" if each.isdigit() else member(each)} or "")' for each in groups}
    functions = Extended(server.names.functions, known)
    server.names = Names(server.names.constants, functions, is_rewritten=server.names.is_rewritten)
