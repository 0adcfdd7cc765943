"""What an ``if`` of a location changes beside variables and fields: the peer, and how long caches may keep a response.

nginx goes on with the directives of the last ``if`` that holds.  So each of them notes that it holds, in
``req.ctx.branch``, and what the last one says is done once all of them have been looked at.
"""

import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.lua import quoted
from rsp.importing.nginx.content import files
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.content.handler import Content
from rsp.importing.nginx.matching.servers import CONTENT
from rsp.importing.nginx.peers import asked, fastcgi, proxy
from rsp.importing.nginx.rules import fields
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names, Unsayable

BRANCH: Final = "req.ctx.branch"
_SETS_HOST: Final = re.compile(r"req\.host = |return ask\(.*, false\)")


class Chosen(Struct):
    """Of one location.  ``before``: lines for the end of its hook; ``controls``: Cache-Control by number of an ``if``.

    ``rules``: fields for peers that only an ``if`` names.
    """

    content: Content
    draft: Draft
    level: Level
    names: Names
    numbers: dict[int, int]
    before: list[str] = field(default_factory=list)
    controls: dict[int, str] = field(default_factory=dict)

    def inside(self, block: list[Statement], others: list[Statement]) -> list[str]:
        """What a ``block`` of an ``if`` begins with.  ``others``: than those that take part in the module.

        Raises :class:`Unsayable`.
        """
        is_new = id(block) not in self.numbers
        number = self.numbers.setdefault(id(block), len(self.numbers) + 1)
        chooses = False
        for each in others:
            if each.name in CONTENT:
                chooses = True
                if is_new:
                    self._pass(each, Level("if", block, self.level), number)
            elif each.name == "expires":
                chooses = True
                self.controls[number] = _control(block)
            elif each.name != "error_page" or not _is_jump(each, block):
                raise Unsayable(f"rsp import does not translate `{each.name}` in if")
        if chooses:
            return [f"{BRANCH} = {number}"]
        return [f"{BRANCH} = nil"] if self._is_needed() else []

    def _is_needed(self) -> bool:
        """Whether another ``if`` of the location chooses something."""
        names = {inner.name for each in self.level.block if each.name == "if" for inner in each.block or []}
        return bool(names & {*CONTENT, "expires"})

    def _pass(self, passing: Statement, inner: Level, number: int) -> None:
        passing.used = True
        context, parts = self.content.context, self.draft.parts
        blocks, result = context.blocks, context.result
        lines: list[str] = []
        if passing.name in ("fastcgi_pass", "uwsgi_pass"):
            name = fastcgi.upstream(passing, inner, self.names, blocks, result, parts)
            lines = [f"return proxy({quoted(name)})"]
        elif passing.name not in ("proxy_pass", "grpc_pass"):
            raise Unsayable(f"rsp does not speak the protocol of {passing.name}")
        else:
            sets = [each.value.lower() for each in inner.all("proxy_set_header", "grpc_set_header")]
            if proxy.is_open(passing, self.names):
                keeps = "host" in sets
                known = asked.Known(inner, "", context.functions.values)
                lines = asked.by_hook(passing, inner, self.names, blocks, result, parts, known, keeps_host=keeps).lines
            else:
                target = proxy.target(passing, inner, self.names, blocks, result, parts)
                lines = [] if target.uri is None else proxy.whole_target(target.uri, self.names)
                lines += [] if "host" in sets else [f"req.host = {quoted(target.host)}"]
                lines.append(f"return proxy({quoted(target.upstream)})")
        self.before += [f"if {BRANCH} == {number} then", *(f"  {line}" for line in lines), "end"]

    def settle(self, given: list[str], ports: frozenset[str]) -> None:
        """Once it is known what else answers: the fields that peers get.  ``given``: lines that come first.

        Raises :class:`Unsayable`.
        """
        keys = self.draft.keys
        if "send_host" in keys and any(_SETS_HOST.search(line) for line in (*given, *self.before)):
            self.before.append(f"req.host = {quoted(str(keys.pop('send_host')))}")
        if not any(" return proxy(" in line or " return ask(" in line for line in self.before):
            return
        levels = (self.level, self.draft.behind or self.level)
        own, main = ([each.args for each in level.all("proxy_set_header")] for level in levels)
        if "rewrite" in keys and keys["rewrite"] != self.draft.match.get("path", "/"):
            raise Unsayable("the peer in `if` is asked for another path than that of the location")
        if "else_to" in keys and own != main:
            raise Unsayable("the peer in `if` and the one behind try_files get different fields")
        if keys.keys() & {"to", "else_to"}:
            return
        rules = fields.Rules()
        fields.request_rules(self.level, self.names, self.draft.parts, ports, rules)
        fields.put(rules, self.draft.keys, "")
        self.draft.keys.pop("send_host", None)
        self.before[:0] = rules.before

    def after(self) -> list[str]:
        """For the hook of responses."""
        if not self.controls:
            return []
        pairs = ", ".join(f"[{number}] = {quoted(control)}" for number, control in self.controls.items() if control)
        added = fields.taken(self.draft.keys, "Cache-Control")  # else the hook would take its place
        more = [f'res.headers:add("Cache-Control", {quoted(added)})'] if added else []
        return [
            f"local kept = ({{ {pairs} }})[{BRANCH}]",
            'if kept and res.status < 400 then res.headers["Cache-Control"] = kept end',
            *more,
        ]


def _is_jump(page: Statement, block: list[Statement]) -> bool:
    """``error_page 418 = @more; return 418;``."""
    codes = [each.value for each in block if each.name == "return" and len(each.args) == 1]
    return page.args[-1].startswith("@") and "=" in page.args and any(code in page.args for code in codes)


def _control(block: list[Statement]) -> str:
    """Raises :class:`Unsayable`."""
    said = files.cache_control(Level("if", block))
    if not said:
        raise Unsayable("rsp import does not translate this `expires` in if")
    return said
