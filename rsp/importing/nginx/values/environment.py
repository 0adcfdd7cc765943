"""Placeholders of templates become variables of the environment: ``${API_HOST}`` is ``os.getenv("API_HOST")``.

nginx's own variables are written in lower case, so one in capitals that neither nginx nor the file knows is of the
environment.  Then the file is a template, and all others in capitals are of the environment, too.  ``templates.py``
knows other placeholders.  Of those in lower case, the ones in braces count where the file is a template, and all where
nginx has no variables.  While the file is translated, something takes their place that looks like what is expected
there: a host, a port, a directory, a time.  In the result it becomes ``os.getenv``.
"""

import re
from typing import Final

from rsp.importing.environment import with_environment
from rsp.importing.lua import quoted
from rsp.importing.nginx.syntax.templates import (
    EVERY,
    PLACEHOLDER,
    default_of,
    has_placeholder,
    is_foreign,
    is_lower,
    is_marked,
    is_meant,
    name_of,
    shown,
)
from rsp.importing.nginx.syntax.tree import TEMPLATE, Statement
from rsp.importing.nginx.syntax.words import DROPPED, NOTED
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.unset import is_of_nginx, unset
from rsp.importing.nginx.values.variables import is_known
from rsp.importing.site import Code, Declaration, Heading, Note, Script, Site, Table, Untranslated, Value

_PATHS: Final = ("root", "alias", "ssl_certificate", "ssl_certificate_key", "ssl_client_certificate",
                 "ssl_trusted_certificate", "auth_basic_user_file", "access_log", "fastcgi_cache_path")  # fmt: skip
_PEERS: Final = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass", "server")
_WORDS: Final = ("location", "rewrite", "try_files", "if")  # also within expressions
_TEXTS: Final = ("listen", "server_name", "return", "error_page", "add_header", "proxy_set_header", "fastcgi_param",
                 "set", "auth_basic", *_PATHS, *_PEERS, *_WORDS)  # fmt: skip
_SIZES: Final = ("client_max_body_size",)
_TIMES: Final = ("client_header_timeout", "client_body_timeout", "send_timeout", "keepalive_timeout",
                 *(f"{word}_{what}_timeout" for word in ("proxy", "fastcgi", "uwsgi", "grpc")
                   for what in ("connect", "read", "send")))  # fmt: skip
_NETWORKS: Final = ("set_real_ip_from", "allow")
_CONSTANT: Final = ("listen", "server", "server_name")  # where nginx has no variables of its own
_PLACES: Final = frozenset((*_CONSTANT, *_PATHS, *_PEERS, *_NETWORKS, "index"))
_FILLED: Final = frozenset((*_TEXTS, *_SIZES, *_TIMES, *_NETWORKS))
_LITERAL: Final = re.compile(r'"(?:\\.|[^"\\\n])*"|\[(?P<level>=*)\[(?P<long>.*?)\](?P=level)\]')
_FIRST_PORT: Final = 61001
_MADE: Final = re.compile(r"\.env\d+(?:\.whole|\.url)?\.invalid|env\d+x|-61\d{3}(?!\d)|_env\d+_invalid")
_DOLLAR: Final = re.compile(r"\$\{(?:DOLLAR|DOLLAR_SIGN|DOLLAR_CHAR)\}")  # as envsubst can be told to keep a `$`
_QUOTED: Final = re.compile(r"\\\$\{?([a-z_]\w+)")
_OF_VALUES: Final = ("proxy_pass", "proxy_set_header", "return", "try_files", "fastcgi_param", "add_header", "root")
_HOST: Final = re.compile(r"(?:^|_)(?:IP|IPV?\d|ADDR|ADDRESS|HOST|BIND)(?:_|$)")
_PORT: Final = re.compile(r"(?:^|_)PORT(?:_|$)")
_TEMPLATE_FILE: Final = re.compile(r"\.(?:template|tmpl|tpl|envsubst)(?:\.\w+)?$")
_ASKS_HOST: Final = re.compile(r"\( ?\$(?:http_)?host !?= ")
_URL: Final = re.compile(r"(?:https?|grpcs?|fastcgi|uwsgi)://\S+")
_ADDRESS: Final = re.compile(r"[^\s:/]+:[^\s:/]+")


class Environment:
    """Those of one file.  What stands for them is in no other text of it."""

    def __init__(self, statements: list[Statement]) -> None:
        self._known: dict[str, tuple[str, str | None, str]] = {}  # stand-in: name, default, as it was written
        self._settled = {word.lstrip("$") for each in every(statements) if each.name == "set" for word in each.args[:1]}
        self._settled |= {
            each.args[-1].lstrip("$") for each in every(statements) if each.name in ("map", "geo") and each.args
        }
        words = [word for each in every(statements) for word in (each.name, *each.args)]
        self._settled |= {name for word in words for name in re.findall(r"\(\?P?<([A-Za-z_]\w*)>", word)}
        self._urls = _asked_urls(statements)
        self._is_quoted = any(map(_is_quoted, every(statements)))
        if self._is_quoted:
            for statement in every(statements):
                statement.name = statement.name.replace("\\$", "$")
                statement.args[:] = [word.replace("\\$", "$") for word in statement.args]
        self._unset = unset(statements)
        self._bare = {
            match["lower"] or match["bare"]
            for each in every(statements) if each.name in _CONSTANT and each.block is None
            for word in each.args if not word.startswith("~")
            for match in EVERY.finditer(word) if is_lower(match)
        } & self._unset  # fmt: skip
        self._is_template = bool(self._bare) or any(map(self._is_of_template, every(statements)))
        for statement in every(statements):
            statement.args[:] = [_DOLLAR.sub("$", word) for word in statement.args]
        for statement in every(statements):
            if statement.name in _FILLED:
                for number, word in enumerate(statement.args):
                    if statement.name != "set" or number:
                        statement.args[number] = self._filled(self._like(statement, word), word)
            for entry in (statement.block or []) if statement.name == "map" else ():
                entry.name = self._filled("if" if entry.name.startswith("~") else "return", entry.name)
                entry.args = [self._filled("return", word) for word in entry.args]
            is_left = has_placeholder if statement.name in _PLACES else is_marked
            if any(map(is_left, statement.args)) and statement.name not in (*DROPPED, *NOTED, "log_format"):
                statement.name += TEMPLATE  # no directive's name, so it is reported

    def _is_of_template(self, statement: Statement) -> bool:
        """Whether nginx would refuse it for a variable in capitals, or its file is called a template."""
        if _TEMPLATE_FILE.search(statement.origin.file):
            return True
        if statement.name not in _FILLED:
            return False
        found = [match for word in statement.args for match in PLACEHOLDER.finditer(word) if not is_foreign(match)]
        return any(statement.name in _CONSTANT or self._is_unknown(name_of(match)) for match in found)

    def _is_unknown(self, name: str) -> bool:
        """Whether neither nginx nor the file has such a variable."""
        return name not in self._settled and not is_known(name.lower())

    def _like(self, statement: Statement, word: str) -> str:
        """The directive that takes such an argument."""
        if statement.name == "if" and _ASKS_HOST.match(" ".join(statement.args)):
            return "server_name"
        if statement.name == "set" and (statement.value in self._urls or _URL.fullmatch(word)):
            return "proxy_pass"
        return "server" if statement.name == "set" and _ADDRESS.fullmatch(word) else statement.name

    def _filled(self, directive: str, word: str) -> str:
        def stand_in(match: re.Match[str]) -> str:
            name = name_of(match)
            is_nginx = not is_foreign(match)
            if is_lower(match) and not self._is_filled(match):
                return match[0]
            if is_nginx and name in self._settled:
                return match[0]
            if is_nginx and not self._is_template and not self._is_unknown(name):
                return match[0] if directive in _PEERS else f"${{{name.lower()}}}"  # as nginx reads it
            has_place = directive in _PLACES or (directive in _WORDS and match["lines"] is not None)
            if not is_lower(match) and not is_meant(match, word, has_place=has_place):
                return match[0]
            before, after = word[: match.start()], word[match.end() :]
            made = self._made(directive, name, before, after)
            if made is None:
                return match[0]
            text, default, result = made
            given = default_of(match)
            if given:
                default = _as_default(given, text, default, directive)
            for known, (other, _, _) in self._known.items():
                if other == name and _kind(known) == _kind(text):
                    return known
            self._known[text] = self._known[result or text] = (name, default, match[0])
            return text

        return EVERY.sub(stand_in, word)

    def _is_filled(self, match: re.Match[str]) -> bool:
        """Whether what nginx would take for a variable of its own is a placeholder."""
        braced, bare = match["lower"], match["bare"]
        return (braced or bare) in self._bare or (self._is_template and braced in self._unset)

    def _made(self, directive: str, name: str, before: str, after: str) -> tuple[str, str | None, str] | None:
        """What stands for it, its default in the result, and what it is there where that is another text.

        ``None``: it cannot be told what it is.
        """
        number = len(self._known) + 1
        plain = name.lower().replace("_", "-").strip("-")
        host = f"{plain}.env{number}.invalid"
        if directive in _SIZES or directive in _TIMES:
            return _amount(directive, str(_FIRST_PORT + number), before, after)
        if directive in _NETWORKS:
            return None if before or after else (f"198.18.{number // 250}.{number % 250}", "192.0.2.1", "")
        if directive in _WORDS:
            text = f"{re.sub(r'[^a-z0-9]', '', plain)}env{number}x"
            is_path = directive != "if" and before in ("", "^") and after[:1] in ("", "/", "$", "(")
            return (f"/{text}", f"/{plain}", "") if is_path else (text, plain, "")
        if directive in _PATHS:
            return (f"{plain}.env{number}.invalid", plain, "") if before else (f"/{host}", f"/{plain}", "")
        if directive == "listen" or directive in _PEERS:
            return self._address(directive, name, before, after)
        if directive == "error_page" and "://" not in before:
            return None
        is_number = directive == "set" and not before and not after and _PORT.search(name) is not None
        if is_number or ("://" in before and before.endswith(":") and _ends(after)):
            return str(_FIRST_PORT + number), None, ""
        default = plain if directive == "auth_basic" else "off" if name == "HTTPS" else None
        return host, default, ""

    def _address(self, directive: str, name: str, before: str, after: str) -> tuple[str, str | None, str] | None:
        number = len(self._known) + 1
        plain = name.lower().replace("_", "-").strip("-")
        host = f"{plain}.env{number}.invalid"
        if before.startswith("unix:"):
            return host, f"/run/{plain}.sock" if before == "unix:" and not after else plain, ""
        if directive == "listen" and before == "[" and after[:1] == "]":
            return f"2001:db8:61:{number}::e", "::", ""
        if directive == "listen" and not before and _HOST.search(name) and PLACEHOLDER.match(after) is not None:
            return f"{host}:", "0.0.0.0:", ""  # it ends with the colon
        if directive == "listen" and not before and (after[:1] == ":" or _HOST.search(name)):
            return (host, "0.0.0.0", "") if after[:1] in ("", ":") else None
        is_behind = PLACEHOLDER.fullmatch(before) is not None and _PORT.search(name) is not None
        if before.endswith(":") or (directive == "listen" and (not before or is_behind)):
            return (str(_FIRST_PORT + number), None, "") if _ends(after) else None
        if directive == "listen" or (directive != "server" and before and "://" not in before):
            return None
        place = before.partition("://")[2]
        if "/" in place or (place and re.search(rf"(?:{PLACEHOLDER.pattern})$", place)):
            text = f"{re.sub(r'[^a-z0-9]', '', plain)}env{number}x"
            return (text, plain, "") if "/" in place else (f"/{text}", f"/{plain}", "")
        if directive in ("proxy_pass", "grpc_pass") and not before:  # a whole URL: without TLS, or it does not load
            url = f"{plain}.env{number}.url.invalid"
            is_url = after[:1] in ("", "/") and directive == "proxy_pass"
            return (f"http://{url}", None, url) if is_url else None
        return (f"{plain}.env{number}.whole.invalid" if after[:1] in ("", "/") else host), None, ""

    def restore(self, site: Site) -> None:
        """``os.getenv`` in the place of what stands for variables."""
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
        if self._known:
            with_environment(site, self._variables, has_urls=True)
        if self._is_quoted:
            site.add(Note(r"the file is the text of a script of the shell, in which \$ stands for $"))
        foreign = {shown(written): name for name, _, written in self._known.values() if _is_unusual(written)}
        if foreign:
            listed = ", ".join(f"{written} is {name}" for written, name in foreign.items())
            site.add(Note(f"placeholders become variables of the environment of rsp: {listed}"))

    def _pattern(self) -> str:
        return "|".join(re.escape(text) for text in sorted(self._known, key=len, reverse=True)) or "(?!)"

    def _variables(self, text: str) -> list[tuple[str, str | None, str]]:
        found: list[tuple[str, str | None, str]] = []
        for match in re.finditer(rf"({self._pattern()})((?:(?<=whole\.invalid)|(?<=url\.invalid)):\d+)?", text):
            name, default, _ = self._known[match[1]]
            host = f"{name.lower().replace('_', '-')}.invalid"
            if match[1].endswith(".url.invalid"):
                url = (default or f"http://{host}").rstrip("/")
                default = url if re.search(r":\d+$", url) else f"{url}{match[2] or ''}"
            elif match[2]:
                default = f"{default or host}{match[2]}"
            found.append((name, default, match[0]))
        return found

    def _as_written(self, text: str) -> str:
        return shown(re.sub(self._pattern(), lambda match: self._known[match[0]][2], text))

    def _in_lua(self, text: str) -> str:
        """Within literals; elsewhere the result does not load, and is given up."""

        def in_quotes(match: re.Match[str]) -> str:
            if match["long"] is None or re.search(self._pattern(), match["long"]) is None:
                return match[0]
            return '"' + match["long"].replace("\\", "\\\\").replace('"', '\\"') + '"'

        def read(match: re.Match[str]) -> str:
            name, default, _ = self._known[match[0]]
            if default is None:
                host = f"{name.lower().replace('_', '-')}.invalid"
                default = "8080" if match[0].isdigit() else f"http://{host}" if "url" in match[0] else host
            return f'" .. (os.getenv("{name}") or {quoted(default)}) .. "'

        said = re.sub(self._pattern(), read, _LITERAL.sub(in_quotes, text))
        return re.sub(r'(?<!\\)"" \.\. (?=\(os\.getenv)|(?<="\)) \.\. ""(?!")', "", said)

    def _in_code(self, value: Value) -> Value:
        if isinstance(value, Code):
            return Code(self._in_lua(value.text))
        if isinstance(value, dict):
            return {name: self._in_code(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._in_code(each) for each in value]
        return Table([self._in_code(each) for each in value.items], value.keys) if isinstance(value, Table) else value


def _is_quoted(statement: Statement) -> bool:
    r"""Whether it has ``\$uri``, as a shell needs it; nginx would keep the backslash."""
    if statement.name not in _OF_VALUES:
        return False
    return any(is_of_nginx(match[1]) for word in statement.args for match in _QUOTED.finditer(word))


def _is_unusual(written: str) -> bool:
    """Whether a placeholder is no variable of the environment as envsubst fills them in."""
    return has_placeholder(written) or re.match(r"\$\{?[a-z_]", written) is not None


def _asked_urls(statements: list[Statement]) -> set[str]:
    """Variables of which each is all of a ``proxy_pass``, and a part of none."""
    asked = [each.value for each in every(statements) if each.name == "proxy_pass"]
    whole = {f"${match[1]}" for word in asked if (match := re.fullmatch(r"\$\{?(\w+)\}?", word)) is not None}
    return {name for name in whole if not any(name[1:] in word and name[1:] != word.strip("${}") for word in asked)}


def _ends(after: str) -> bool:
    """Whether a port may end before it."""
    return after[:1] in ("", "/", "$", "?") or PLACEHOLDER.match(after) is not None


def _as_default(given: str, text: str, default: str | None, directive: str) -> str | None:
    """What a template itself says for where nothing is set, in the form of the result."""
    if directive in _SIZES or directive in _TIMES:
        match = re.fullmatch(r"(\d+)(ms|[smhdkKMgG]?)", given)
        if match is None or (match[2] and text.isdigit()):
            return default
        unit = match[2] if directive in _TIMES else f"{match[2].upper()}B" * bool(match[2])
        return f"{match[1]}{unit or ('' if text.isdigit() else 's' if directive in _TIMES else 'B')}"
    if ".url." in text:
        return given if re.fullmatch(r"http://[\w.\-]+(?::\d+)?/?", given) else default
    if text.endswith(":"):
        return f"{given}:"
    return f"/{given}" if text.startswith("/") and not given.startswith("/") else given


def _amount(directive: str, number: str, before: str, after: str) -> tuple[str, str | None, str] | None:
    """Of a size or a time: a number that stays what it is in the result, with its unit."""
    if before or (after and not re.fullmatch("[kKmMgG]" if directive in _SIZES else "s", after)):
        return None
    if directive in _SIZES:
        return (number, "1", "") if after else (f"{number}m", "1MB", f"{number}MB")
    return (number, "60", "") if after else (f"{number}s", "60s", "")


def _kind(text: str) -> str:
    return re.sub(r"[a-z0-9\-]+\.?env\d+|\d+", "", text)


def named(wish: str) -> str:
    """The name of an upstream without what stands for a variable."""
    return _MADE.sub("", wish)
