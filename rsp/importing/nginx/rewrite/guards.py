"""nginx's rewrite module (``if``, ``return``, ``rewrite``, ``set``) as statements of Lua for a hook with ``req``.

What can be said by keys of a route is said there, before this room is asked: hooks are the general way.  Variables
that are set here live in ``req.ctx``.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from rsp.importing.lua import member, quoted
from rsp.importing.nginx.rewrite import numbers
from rsp.importing.nginx.rewrite.branches import Branch
from rsp.importing.nginx.syntax.tree import Statement, mark
from rsp.importing.nginx.syntax.words import DROPPED
from rsp.importing.nginx.values.lookahead import refusing, spelt
from rsp.importing.nginx.values.maps import Maps, named_groups, pattern
from rsp.importing.nginx.values.variables import Functions, Names, Unsayable

MODULE: Final = ("if", "return", "rewrite", "set", "break")
_USER: Final = '(req.user or "")'
_CLAIMED: Final = (  # `return` comes before passwords are looked at
    '(req.user or (base64.decode((req.headers.Authorization or ""):match("^[Bb]asic +(.*)") or "") or "")'
    ':match("^([^:]*):") or "")'
)
# Expressions that every path matches, as they are written.
EVERY_PATH: Final = ("^", ".*", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/(.*)$", "^/(.*)", "/(.*)", "^/.*$")
_FLAGS: Final = {"redirect": 302, "permanent": 301}
_AWAY: Final = re.compile(r"https?://|\$scheme")
_MOVED: Final = ("301", "302", "303", "307", "308")
_EMPTY_IF: Final = ' and "" or "1")'
_TESTS: Final = ("-f", "-d", "-e", "-x")
_MORE: Final = ' .. (req.query ~= "" and "&" .. req.query or "")'
STAYING: Final = "and stays"  # no flag of nginx's
STAYS: Final = "req.ctx.stays = true"
_SILENT: Final = (*DROPPED, "access_log")  # in an `if`: no response depends on it
_OTHER_GROUPS: Final = frozenset(("other groups",))  # whose numbers are not known
_ONE_LINE: Final = re.compile(r"\b(?:if .*? then .*? end|do .*? end)(?=\s|$)")
_TRUE: Final = re.compile(r"\$\w+|\$\{\w+\}")


class Dynamic:
    """Variables that hooks set, beside those of ``maps``."""

    def __init__(self, maps: Maps, names: set[str]) -> None:
        self._maps = maps
        self.names = names

    def values(self, name: str, *, may_be_empty: bool = False) -> list[str]:
        """All that a map can give."""
        return self._maps.values(name, may_be_empty=may_be_empty)

    def sources(self, name: str) -> list[str] | None:
        """Texts whose variables a map asks for; ``None``: none sets ``$name``."""
        return None if name in self.names else self._maps.sources(name)

    def call(self, name: str) -> str | None:
        return f'(req.ctx{member(name)} or "")' if name in self.names else self._maps.call(name)


class Extended:
    """Variables of one level, beside all others."""

    def __init__(self, functions: Functions, known: dict[str, str]) -> None:
        self._functions = functions
        self._known = known

    def call(self, name: str) -> str | None:
        return self._known.get(name) or self._functions.call(name)


def redirect_status(target: str, flag: str) -> int:
    """Of a ``rewrite`` that redirects; 0: it does not."""
    return _FLAGS.get(flag) or (302 if _AWAY.match(target) else 0)


class Guards(Struct):
    """``patterns``: expressions that are compiled once, by the names under which code has them; ``prefix`` of these."""

    names: Names
    prefix: str
    default_type: str = "text/plain"
    patterns: dict[str, str] = field(default_factory=dict)
    routes_again: bool = False
    is_used: frozenset[str] = frozenset()
    lead: Callable[[str], str | None] | None = None
    stays: Callable[[str, str], bool] | None = None  # whether a rewrite leads to its own location, and no further
    jump: Callable[[str], str | None] | None = None  # what is done in the place of a status
    choose: Callable[[list[Statement], list[Statement]], list[str]] | None = None  # what an `if` begins with
    around: list[Statement] = field(default_factory=list)  # error_page of the `if` that is translated
    branches: list[Branch] = field(default_factory=list)
    says_stay: bool = False  # whether `break` notes that the location has the path, whatever it is
    answered: Callable[[list[Statement]], list[str]] | None = None  # where an `if` with add_header answers
    is_alone: bool = False  # one statement of the module, so that nothing comes after it

    def lines(self, block: list[Statement], captures: frozenset[str] = frozenset()) -> list[str]:
        """Of all statements of the module in ``block``, in order.  Raises :class:`Unsayable`."""
        return until_break(self.some(block, captures))

    def some(self, block: list[Statement], captures: frozenset[str] = frozenset(), *, more: bool = False) -> list[str]:
        """``more``: others follow, so that ``break`` and ``last`` must leave them out (:func:`until_break`)."""
        found: list[str] = []
        known = [statement for statement in block if statement.name in MODULE]
        for number, statement in enumerate(known):
            found += self._statement(statement, captures, more=more or number + 1 < len(known))
            captures = numbers.behind(captures, [statement])
            if statement.name in ("return", "break"):
                break  # what stands behind it is never reached
        return found

    def _statement(self, statement: Statement, captures: frozenset[str], *, more: bool) -> list[str]:
        statement.used = True
        if statement.name == "if":
            return self._if(statement, captures, more=more)
        if statement.name == "return":
            return [self.returned(statement, captures)]
        if statement.name == "rewrite":
            return self._rewrite(statement, captures, more=more)
        if statement.name == "break":
            return [*([STAYS] if self.says_stay else []), *(["break"] if more else [])]
        name = statement.value.lstrip("$")
        if name not in self.is_used:
            return []
        return [f"req.ctx{member(name)} = {self._lua(statement.args[1], captures)}"]

    def _lua(self, text: str, captures: frozenset[str]) -> str:
        names = self.names
        return Names(
            {**names.constants, **numbers.constants(captures)},
            names.functions,
            captures,
            is_rewritten=names.is_rewritten,
        ).lua(text)

    def _if(self, statement: Statement, around: frozenset[str], *, more: bool) -> list[str]:
        block = statement.block or []
        known = [inner for inner in block if inner.name in MODULE and inner.name != "if"]
        fields = [inner for inner in block if inner.name == "add_header"]
        others = [inner for inner in block if inner not in known and inner not in fields and inner.name not in _SILENT]
        if others and self.choose is None:
            raise Unsayable(f"rsp import does not translate `{others[0].name}` in if")
        try:
            before, condition, captures = self.condition(statement.args)
        except Unsayable:
            if not self._is_idle(block):
                raise
            return []
        if not captures:
            words = stripped(statement.args)
            captures = numbers.without(around) if "~" in "".join(words[1:2]) else around
        answers = any(inner.name == "return" for inner in known)
        self.branches.append(Branch(before, condition, captures, fields or None, answers))
        chosen = self.choose(block, others) if self.choose is not None else []
        self.around = [inner for inner in block if inner.name == "error_page"]
        told = self.answered(block) if fields and answers and self.answered is not None else []
        inside = [*chosen, *told, *self.some(known, captures, more=more)]
        self.around = []
        for inner in block:
            inner.used = True
        if not inside:
            return []
        return [*before, f"if {condition} then", *(f"  {line}" for line in inside), "end"]

    def _is_idle(self, block: list[Statement]) -> bool:
        """Whether an ``if`` sets variables that do not matter, and takes no fields of another one away."""
        sets = all(inner.name == "set" and inner.value.lstrip("$") not in self.is_used for inner in block)
        return sets and not any(branch.fields for branch in self.branches)

    def returned(self, statement: Statement, captures: frozenset[str]) -> str:
        """Raises :class:`Unsayable`."""
        code, *rest = statement.args
        if not code.isdigit():
            return f"return redirect({self._lua(code, captures)}, 302)"
        text = self._lua(rest[0], captures).replace(_USER, _CLAIMED) if rest else ""
        if code in _MOVED and rest:
            return f"return redirect({text}, {code})"
        if not 200 <= int(code) <= 599:
            raise Unsayable(f"rsp does not answer with status {code}")
        if not rest:
            return (self.jump(code) if self.jump is not None else None) or f"return respond({code})"
        kind = self.default_type
        return f'return respond{{ status = {code}, headers = {{ ["Content-Type"] = {quoted(kind)} }}, body = {text} }}'

    def condition(self, args: list[str]) -> tuple[list[str], str, frozenset[str]]:
        """Lines before it, an expression, and the groups that ``found`` has.  Raises :class:`Unsayable`."""
        words = stripped(args)
        if words:  # a name alone, which may begin with a digit
            words[0] = re.sub(r"^\$([1-9]\w+)$", r"${\1}", words[0])
        if len(words) == 1 and _TRUE.fullmatch(words[0]):
            value = self._lua(words[0], frozenset())
            if value.endswith(_EMPTY_IF):
                return [], f"not {value[1:].removesuffix(_EMPTY_IF)}", frozenset()
            return [], f'{value} ~= "" and {value} ~= "0"', frozenset()
        if len(words) == 2 and words[0].lstrip("!") in _TESTS:
            return [], is_there(words[0], self._lua(words[1], frozenset())), frozenset()
        if len(words) != 3:
            raise Unsayable("rsp import does not understand this condition")
        left, operator, right = words
        value = self._lua(left, frozenset())
        if operator in ("=", "!="):
            return [], f"{value} {'==' if operator == '=' else '~='} {self._lua(right, frozenset())}", frozenset()
        if operator in ("~", "~*"):
            captures = named_groups(right)
            if "(?!" in spelt(right) and "(?!" not in spelt(right, needs_groups=False):
                return [], self._tested(operator, spelt(right, needs_groups=False), value), _OTHER_GROUPS
            if captures and refusing(right) is None:
                return [f"local found = {self.compiled(operator + right)}.match({value})"], "found", captures
            return [], self._tested(operator, right, value), frozenset()
        if operator in ("!~", "!~*"):
            return [], f"not {self._tested(operator[1:], spelt(right, needs_groups=False), value)}", frozenset()
        raise Unsayable(f"rsp import does not know the operator {operator}")

    def _tested(self, operator: str, expression: str, value: str) -> str:
        """Whether it matches.  Raises :class:`Unsayable`."""
        pair = refusing(expression)
        if pair is None:
            return f"{self.compiled(operator + expression)}.test({value})"
        good, bad = (self.compiled(operator + each) for each in pair)
        return f"({good}.test({value}) and not {bad}.test({value}))"

    def compiled(self, expression: str) -> str:
        """The name of a pattern.  Raises :class:`Unsayable`."""
        said = pattern(expression)
        for name, known in self.patterns.items():
            if known == said:
                return name
        name = f"{self.prefix}_{len(self.patterns) + 1}"
        self.patterns[name] = said
        return name

    def _rewrite(self, statement: Statement, around: frozenset[str], *, more: bool) -> list[str]:
        expression, target, *flags = statement.args
        flag = flags[0] if flags else ""
        captures = named_groups(expression) if refusing(expression) is None else frozenset[str]()
        captures = captures or numbers.without(around)
        keeps = not target.endswith("?")  # the query of the request
        path, mark, query = target.removesuffix("?").partition("?")
        said = self._lua(path, captures)
        moved = redirect_status(target, flag)
        if moved:
            behind = self._query(mark, query, captures, keeps=keeps)
            inside = [f"return redirect({said}{behind}, {moved})"]
        else:
            may_lead = flag == "last" or (flag == "" and self.is_alone)
            leading = self.lead(path) if self.lead is not None and may_lead else None
            stays = self.stays is not None and self.stays(expression, path)
            if flag not in ("break", STAYING) and leading is None and not stays:
                self.routes_again = True
            inside = [f"req.path = {said}"]
            if query:
                given = encoded(self._lua(query, captures))
                inside.append(f"req.query = {given}{_MORE if keeps else ''}")
            elif not keeps:
                inside.append('req.query = ""')
            if leading is not None:
                inside.append(leading)
            else:
                inside += [STAYS] if flag == "break" and self.says_stay else []
                inside += ["break"] if more and flag in ("last", "break") else []
        if named_groups(expression) and refusing(expression) is None:
            called = f"{self.compiled(f'~{expression}')}.match(req.path)"
            return [f"found = {called}", "if found then", *(f"  {line}" for line in inside), "end"]
        return [f"if {self._tested('~', expression, 'req.path')} then", *(f"  {line}" for line in inside), "end"]

    def _query(self, mark: str, query: str, captures: frozenset[str], *, keeps: bool) -> str:
        if not mark:
            return ' .. (req.query ~= "" and "?" .. req.query or "")' if keeps else ""
        given = f" .. {encoded(self._lua(query, captures))}" if query else ""
        return f' .. "?"{given}{_MORE if keeps else ""}'

    def declared(self) -> list[str]:
        """Lines that stand before the code: the patterns."""
        return [f"local {name} = {said}" for name, said in self.patterns.items()]


def is_there(test: str, path: str) -> str:
    """``-f``, ``!-d`` and so on, of an expression of Lua.  Raises :class:`Unsayable`."""
    if test.lstrip("!") == "-x":
        raise Unsayable("rsp's hooks do not look whether a file can be executed")
    if not path.startswith(('"/', "req.path")):
        raise Unsayable("the directory of this file is not known")
    kind = {"-f": '"file"', "-d": '"directory"', "-e": "nil"}[test.lstrip("!")]
    is_equal = test.startswith("!") == (kind == "nil")
    return f"file.kind({path}) {'==' if is_equal else '~='} {kind}"


def stripped(args: list[str]) -> list[str]:
    """The words of a condition without its parentheses, which may stand alone."""
    words = list(args)
    if words and words[0].startswith("("):
        words[:1] = [words[0][1:]] if words[0] != "(" else []
    if words and words[-1].endswith(")"):
        words[-1:] = [words[-1][:-1]] if words[-1] != ")" else []
    return words


def encoded(query: str) -> str:
    """An expression of Lua for a query, with what comes from the path encoded: in hooks it is not."""
    query = re.sub(r'\((found(?:\[\d+\]|\.\w+)) or ""\)', r'url.encode(\1 or "")', query)
    return re.sub(r"(?<![\w.(])req\.path\b", "url.encode(req.path)", query)


def may_stop(statement: Statement) -> bool:
    """Whether nginx may leave out what stands behind it."""
    if statement.name == "rewrite":
        return statement.args[2:] in (["last"], ["break"])
    return statement.name == "break" or any(may_stop(inner) for inner in statement.block or [])


def staying(statement: Statement) -> Statement:
    """The same before ``break``: a path that is rewritten without a flag stays in its location."""
    if statement.name == "rewrite" and len(statement.args) == 2:
        statement.used = True
        return Statement("rewrite", [*statement.args, STAYING], statement.origin)
    if statement.name == "if" and any(each.name == "rewrite" for each in statement.block or []):
        mark(statement)
        block = [staying(each) for each in statement.block or []]
        return Statement("if", statement.args, statement.origin, block)
    return statement


def until_break(lines: list[str]) -> list[str]:
    """The same in a block that ``break`` leaves, if there is one."""
    if not any(line.lstrip() == "break" for line in lines):
        return lines
    return ["repeat", *(f"  {line}" for line in lines), "until true"]


def body(lines: list[str]) -> list[str]:
    """The lines of a function, with ``found`` declared where it is assigned, and nothing behind a ``return``."""
    end = next((number for number, line in enumerate(lines, 1) if _returns(line)), len(lines))
    lines = lines[:end]
    if any(line.lstrip().startswith("found =") for line in lines):
        return ["local found", *(line.replace("local found =", "found =") for line in lines)]
    return lines


def _returns(line: str) -> bool:
    """Whether it ends the function in any case: Lua has nothing behind ``return``."""
    if line.startswith((" ", "else", "for ", "local ")):
        return False
    return re.search(r"(?:^|\s)return\b", _ONE_LINE.sub("", line)) is not None


def asks_outside(lines: list[str]) -> bool:
    """Whether groups are used elsewhere than in the block below the expression that has found them."""
    around: int | None = None  # the indentation of that expression
    for line in lines:
        words = line.lstrip()
        indent = len(line) - len(words)
        if around is not None and (indent < around or (indent == around and words != "if found then")):
            around = None
        if ("found[" in line or "found." in line) and (around is None or indent <= around):
            return True
        if words.startswith(("found =", "local found =")):
            around = indent
    return False
