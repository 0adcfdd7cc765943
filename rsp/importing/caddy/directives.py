"""A site's directives, in Caddy's order, as rules of which the first that matches wins."""

import re
from collections.abc import Callable
from pathlib import Path as File
from typing import Any, Final

from rsp.importing import units
from rsp.importing.caddy.errors import Errors
from rsp.importing.caddy.matchers import Matcher, Scope, matcher, may_lack
from rsp.importing.caddy.order import GUARDS, PLACES, in_order, matcher_of
from rsp.importing.caddy.proxy import Proxied, php_fastcgi, reverse_proxy
from rsp.importing.caddy.tokens import Node, variables
from rsp.importing.caddy.values import placeholders, seconds, size
from rsp.importing.ordered.condition import Condition, Inexpressible, Path
from rsp.importing.ordered.rules import Rule, redirection, refusal
from rsp.importing.site import Note, Site, Untranslated
from rsp.importing.wordlist import words

_FIRST_VERSION: Final = words("proxy fastcgi gzip errors status internal ext mime browse cors realip git startup")
_CLOSING: Final = words("basic_auth basicauth forward_auth abort error respond handle handle_path route redir")
_HANDLES: Final = words("handle handle_path")
_ASKED: Final = words("host x-real-ip x-original-url")
_SITE: Final = words("tls bind log handle_errors")
_QUIET: Final = words("tracing log_append skip_log log_skip log_name push fs")
EMPTY: Final = {"respond": {"status": 200}}
_CLOSED: Final = {"respond": {"status": 403}}
_CODES: Final = {"permanent": 301, "temporary": 302}


class Directives:
    """``upstream``: declares one, and says under which name."""

    def __init__(self, site: Site, upstream: Callable[[Proxied, Node], str]) -> None:
        self.site = site
        self.upstream = upstream
        self.errors = Errors()  # of the site that is read
        self.passwords: dict[str, list[str]] = {}  # file: its lines

    def rules(self, nodes: list[Node], scope: Scope, root: str, ordered: bool = False) -> list[Rule]:
        """``ordered``: as they stand, in ``route``."""
        named = {**scope.named, **{each.name: each for each in nodes if each.name.startswith("@")}}
        scope = Scope(named, scope.secure, scope.plain, scope.prefix)
        found = [each for each in nodes if not each.name.startswith("@") and each.name not in _SITE]
        for each in found:
            if each.name == "root" and each.rest:
                root = each.rest[-1]
        if not ordered:
            found = in_order(found, scope)
        return self._rules(found, scope, root)

    def _rules(self, nodes: list[Node], scope: Scope, root: str) -> list[Rule]:
        found: list[Rule] = []
        for index, node in enumerate(nodes):
            rest = nodes[index + 1 :]
            try:
                if node.name in ("handle", "handle_path", "route"):
                    found += self._nested(node, rest, scope, root)
                    if node.name == "route" and not matcher_of(node):
                        return found
                else:
                    found += self._directive(node, rest, scope, root)
            except Inexpressible as error:
                found += self._lost(node, str(error), scope)
        return found

    def _lost(self, node: Node, reason: str, scope: Scope) -> list[Rule]:
        """What is not translated; what keeps clients out keeps all out."""
        self.site.add(Untranslated(reason, node.text, node.origin))
        if node.name not in GUARDS and node.name not in _CLOSING:
            return []
        word = matcher_of(node)
        try:
            where = matcher(scope, word, True) if word else Matcher()
        except Inexpressible:
            where = Matcher()
        if node.name not in ("basic_auth", "basicauth", "forward_auth", *GUARDS) and not where.given and word:
            return self._over(node, word, scope)
        return [Rule(_CLOSED, where.any, where.unless, True, True, (), node.origin, node.text)]

    def _over(self, node: Node, word: str, scope: Scope) -> list[Rule]:
        """A matcher that cannot be said: what lets some clients through lets none, what refuses some refuses none."""
        named = scope.named.get(word)
        inside = [] if named is None else [*(named.block or []), Node(named.rest, named.origin)]
        nested = node.name in ("handle", "handle_path", "route")
        lets_through = any(map(may_lack, inside))
        if not _closes(Node([], node.origin, [node])) and (not lets_through or _serves(node)):
            return []
        paths = [each for each in inside if each.name == "path"]
        if paths:
            narrowed = Scope({word: Node([word], node.origin, paths)}, scope.secure, scope.plain, scope.prefix)
            try:
                where = matcher(narrowed, word, True)
            except Inexpressible:
                where = Matcher()
            return [Rule(_CLOSED, where.any, last=True, guard=True, origin=node.origin, text=node.text)]
        if nested or lets_through:
            return [Rule(_CLOSED, last=True, guard=True, origin=node.origin, text=node.text)]
        return []

    def _nested(self, node: Node, rest: list[Node], scope: Scope, root: str) -> list[Rule]:
        word = matcher_of(node)
        where = matcher(scope, word, _closes(node)) if word else Matcher()
        inner = scope
        keys: dict[str, Any] = {}
        beside: list[Rule] = []
        if node.name == "handle_path" and word:
            if not word.startswith("/"):
                raise Inexpressible("handle_path with such a matcher")
            prefix = word.rstrip("*").rstrip("/")
            if not word.endswith("/*") and word.endswith("*"):
                if _closes(node):  # what it does not have in rsp must not be served by others
                    beside = [Rule(_CLOSED, where.any, last=True, guard=True, origin=node.origin, text=node.text)]
                where.any = [Condition(path=Path("tree", scope.prefix + prefix))]
                self.site.add(Note(f"{node.name} {word}: rsp takes {prefix} and what is below it", node.origin))
            inner = Scope(scope.named, scope.secure, scope.plain, scope.prefix + prefix)
            keys = {"_strip": scope.prefix + prefix}
        following = [each for each in rest if node.name == "route" or each.name not in _HANDLES]
        then = self.rules(node.block or [], inner, root, node.name == "route")
        then = [*([Rule(keys, origin=node.origin)] if keys else []), *then, *self._rules(following, scope, root)]
        return [Rule(dict(EMPTY), where.any, where.unless, True, False, then, node.origin, node.text), *beside]

    def _directive(self, node: Node, rest: list[Node], scope: Scope, root: str) -> list[Rule]:
        name = node.name
        word = matcher_of(node)
        values = node.rest[1:] if word else node.rest
        if name in _QUIET:
            self.site.drop(name)
            return []
        if name not in PLACES:
            if name in GUARDS:
                raise Inexpressible(f"rsp has no {name}, so its requests are refused")
            if name in _FIRST_VERSION:
                raise Inexpressible(f"{name} is a directive of Caddy 1")
            raise Inexpressible(f"rsp has no {name}")
        fold = name in ("respond", "error", "abort", "basic_auth", "basicauth", "forward_auth")
        where = matcher(scope, word, fold) if word else Matcher()
        if any(each.path for each in where.any) and not fold:
            self.site.add(Note("Caddy compares paths in any case, rsp as they are written"))
        make = getattr(self, f"_{name}", None)
        if make is None:
            raise Inexpressible(f"rsp has no {name}")
        keys, last, guard = make(node, values, *((root, rest) if name == "php_fastcgi" else ()))
        if name in ("redir", "respond") and scope.prefix and re.search(r"\{(?:path|uri)\}", str(keys)):
            raise Inexpressible("below handle_path its path is another than rsp's")
        if name == "uri" and keys:
            of = [Condition(path=Path("prefix", f"{keys['_strip']}/")), Condition(path=Path("exact", keys["_strip"]))]
            if scope.prefix:
                raise Inexpressible("two prefixes are taken off")
            where.any = [both for one in where.any for two in of if (both := one.both(two)) is not None]
        if guard and last:
            return [refusal(keys["respond"], where.any, where.unless, node.origin, node.text)]
        return [Rule(keys, where.any, where.unless, last, guard, (), node.origin, node.text)] if keys else []

    def _root(self, node: Node, values: list[str]) -> "Made":
        if len(values) != 1:
            raise Inexpressible("a directory is expected")
        return {"_root": values[0]}, False, False

    def _header(self, node: Node, values: list[str]) -> "Made":
        rules: dict[str, Any] = {}
        lines = [Node(values, node.origin)] if values else []
        for line in [*lines, *(node.block or [])]:
            field_, *given = line.words
            if field_ in ("defer", "match"):
                if field_ == "match":
                    self.site.add(Untranslated("rsp sets fields whatever the status is", line.text, line.origin))
                continue
            if field_.startswith("-"):
                if "*" in field_:
                    raise Inexpressible("rsp removes fields by their whole names")
                rules.setdefault("remove", []).append(field_[1:])
            elif len(given) == 1:
                if field_.startswith("?"):
                    self.site.add(Note(f"{field_[1:]} is set, even where the peer has sent it", line.origin))
                way = "add" if field_.startswith("+") else "set"
                rules.setdefault(way, {})[field_.lstrip("+?>")] = placeholders(given[0])
            else:
                self.site.add(Untranslated("rsp does not replace parts of a field", line.text, line.origin))
        return ({"response_headers": rules} if rules else {}), False, False

    def _request_header(self, node: Node, values: list[str]) -> "Made":
        if not values:
            raise Inexpressible("a field is expected")
        name, *given = values
        if name.startswith("-"):
            return {"request_headers": {"remove": [name[1:]]}}, False, False
        if len(given) != 1:
            raise Inexpressible("rsp does not replace parts of a field")
        way = "add" if name.startswith("+") else "set"
        return {"request_headers": {way: {name.lstrip("+"): placeholders(given[0])}}}, False, False

    def _request_body(self, node: Node, values: list[str]) -> "Made":
        keys: dict[str, Any] = {}
        for line in node.block or []:
            if line.name == "max_size" and line.rest:
                known = variables(line.rest[0])
                if known and known[0][1]:
                    self.site.add(Note(f"{line.text}: the default is taken, not the environment", line.origin))
                keys["body"] = size(known[0][1] if known and known[0][1] else line.rest[0])
            else:
                self.site.add(Untranslated(f"rsp has no {line.name} of bodies", line.text, line.origin))
        return ({"limits": keys} if keys else {}), False, False

    def _metrics(self, node: Node, values: list[str]) -> "Made":
        said = 'Caddy\'s metrics are not there; rsp has its own: metrics = "127.0.0.1:9145" (docs/metrics.md)'
        self.site.add(Note(said, node.origin))
        return {"respond": {"status": 404}}, True, False

    def _redir(self, node: Node, values: list[str]) -> "Made":
        if not values:
            raise Inexpressible("a target is expected")
        to = placeholders(values[0])
        code = values[1] if len(values) > 1 else "302"
        status = _CODES.get(code, int(code) if code.isdigit() else 0)
        if status not in (301, 302, 303, 307, 308):
            raise Inexpressible(f"rsp has no redirect with {code}")
        return redirection(to, status), True, False

    def _rewrite(self, node: Node, values: list[str]) -> "Made":
        if node.block:
            raise Inexpressible("this is rewrite of Caddy 1")
        if len(values) != 1 or values[0].startswith("?"):
            raise Inexpressible("rsp rewrites paths")
        return {"rewrite": placeholders(values[0]).replace("?{query}", "")}, False, False

    def _uri(self, node: Node, values: list[str]) -> "Made":
        if values[:1] == ["strip_prefix"] and len(values) == 2:
            return {"_strip": "/" + values[1].strip("/"), "_loose": True}, False, False
        raise Inexpressible(f"rsp has no uri {values[0] if values else ''}")

    def _try_files(self, node: Node, values: list[str]) -> "Made":
        return {"_try": values}, False, False

    def _basic_auth(self, node: Node, values: list[str]) -> "Made":
        realm = values[1] if len(values) > 1 else "restricted"
        lines = [":".join(line.words[:2]) for line in node.block or [] if len(line.words) >= 2]
        if len(lines) != len(node.block or []) or not lines:
            raise Inexpressible("users and hashed passwords are expected")
        file = next((name for name, had in self.passwords.items() if had == lines), None)
        if file is None:
            file = "users.htpasswd" if not self.passwords else f"users{len(self.passwords) + 1}.htpasswd"
            self.passwords[file] = lines
            for line in lines:
                self.site.add(Note(f"a line of {file}, beside this file: {line}", node.origin))
        return {"auth": {"basic": file, "realm": realm}}, False, True

    _basicauth = _basic_auth

    def _rate_limit(self, node: Node, values: list[str]) -> "Made":
        """The plugin caddy-ratelimit, which counts in a window that slides."""
        limits: list[dict[str, Any]] = []
        for zone in node.block or []:
            inner = {each.name: each.rest for each in zone.block or []}
            if zone.name in ("jitter", "sweep_interval", "log_key"):
                continue
            if zone.name != "zone" or set(inner) - {"key", "events", "window"} or not all(inner.values()):
                raise Inexpressible("rsp has no such limit: rate_limit = { rate = ..., key = ... }")
            events = int(inner["events"][0]) if inner.get("events", [""])[0].isdigit() else 0
            if not events or "window" not in inner:
                raise Inexpressible("a number of events and a window are expected")
            limit = {"rate": units.rate(events, seconds(inner["window"][0]))}
            key = placeholders(inner["key"][0]) if "key" in inner else "all"
            limits.append({**limit, **({"key": key} if key != "{client}" else {}), "burst": max(events - 1, 0)})
        if not limits:
            raise Inexpressible("no zone is named")
        self.site.add(
            Note("a zone counts in a window that slides; rsp fills a bucket, one for each route", node.origin)
        )
        return {"rate_limit": limits}, False, False

    def _forward_auth(self, node: Node, values: list[str]) -> "Made":
        auth: dict[str, Any] = {}
        others: list[Node] = []
        for line in node.block or []:
            if line.name == "uri" and line.rest:
                auth["path"] = line.rest[0]
            elif line.name == "copy_headers":
                names = [*line.rest, *(each.name for each in line.block or [])]
                if any(">" in name for name in names):
                    raise Inexpressible("rsp copies fields under their own names")
                auth["copy"] = names
            elif line.name == "header_up" and line.rest and line.rest[0].lower() in _ASKED:
                self.site.add(Note(f"the service is asked without {line.text}", line.origin))
            else:
                others.append(line)
        made = reverse_proxy(Node(node.words, node.origin, others), values)
        name = self.upstream(made, node)
        return {"auth": {"forward": name, **auth}}, False, True

    def _encode(self, node: Node, values: list[str]) -> "Made":
        names = [*values, *(line.name for line in node.block or [])]
        known = [name for name in names if name in ("gzip", "zstd", "br")]
        keys: dict[str, Any] = {"algorithms": known or ["zstd", "gzip"]}
        for line in node.block or []:
            if line.name == "minimum_length" and line.rest:
                keys["min_size"] = int(line.rest[0])
        return {"compress": keys}, False, False

    def _respond(self, node: Node, values: list[str]) -> "Made":
        respond: dict[str, Any] = {}
        for line in node.block or []:
            if line.name == "body" and line.rest:
                values = [*values, line.rest[0]]
        if len(values) == 1 and re.fullmatch(r"[1-5][0-9][0-9]", values[0]):
            respond["status"] = int(values[0])
        elif values:
            respond["body"] = placeholders(values[0])
            if len(values) > 1 and values[1].isdigit():
                respond["status"] = int(values[1])
        if not 200 <= respond.get("status", 200) <= 599:
            raise Inexpressible("rsp answers with a status from 200 to 599")
        return {"respond": respond or {"status": 200}}, True, respond.get("status", 200) >= 400

    def _error(self, node: Node, values: list[str]) -> "Made":
        status = next((int(each) for each in reversed(values) if re.fullmatch(r"[45][0-9][0-9]", each)), 500)
        answer = self.errors.answer(status)
        if answer is not None:
            return answer, True, False
        return {"respond": {"status": status}}, True, True

    def _abort(self, node: Node, values: list[str]) -> "Made":
        self.site.add(Note("abort closes the connection; rsp answers 403", node.origin))
        return dict(_CLOSED), True, True

    def _reverse_proxy(self, node: Node, values: list[str]) -> "Made":
        made = reverse_proxy(node, values)
        return {"to": self.upstream(made, node), **made.route}, True, False

    def _php_fastcgi(self, node: Node, values: list[str], root: str, rest: list[Node]) -> "Made":
        folder = root or "."
        if not folder.startswith(("/", "{")):
            folder = str(File(self.site.source).resolve().parent / folder)
            self.site.add(Note(f"the directory of scripts is below that of the Caddyfile: {folder}", node.origin))
        made = php_fastcgi(node, values, folder)
        keys = {"to": self.upstream(made, node), **made.route}
        server = next((each for each in rest if each.name == "file_server" and not matcher_of(each)), None)
        if server is not None:
            keys |= {"_static": True, **self._file_server(server, server.rest)[0]}
        return keys, True, False

    def _file_server(self, node: Node, values: list[str]) -> "Made":
        files: dict[str, Any] = {"index": ["index.html", "index.txt"]}
        if "browse" in values:
            files["list"] = True
        for line in node.block or []:
            if line.name == "root" and line.rest:
                files["root"] = line.rest[0]
            elif line.name == "index" and line.rest:
                files["index"] = line.rest[0] if len(line.rest) == 1 else line.rest
            elif line.name == "browse":
                files["list"] = True
            elif line.name == "hide":
                if any("/" in each for each in line.rest):
                    self.site.add(Note("what is hidden by its whole path is hidden in every directory", line.origin))
                names = [each.rstrip("/").rpartition("/")[2] for each in line.rest]
                files["hide"] = [each for each in names if each and not each.startswith(".")]
            elif line.name in ("precompressed", "disable_canonical_uris", "etag_file_extensions"):
                self.site.drop(f"file_server {line.name}")
            else:
                self.site.add(Untranslated(f"files of rsp have no {line.name}", line.text, line.origin))
        self.site.add(Note(
            "names that begin with a dot, and links that lead out of the directory, are not served: "
            'hidden = true, symlinks = "all"'
        ))  # fmt: skip
        return {"_files": files}, True, False


Made = tuple[dict[str, Any], bool, bool]


def _closes(node: Node) -> bool:
    """Whether something below it keeps clients out."""
    for each in node.block or []:
        refuses = each.name == "respond" and any(re.fullmatch(r"4[0-9][0-9]", word) for word in each.rest)
        if (
            refuses
            or each.name in ("basic_auth", "basicauth", "forward_auth", "abort", "error", *GUARDS)
            or _closes(each)
        ):
            return True
    return False


def _serves(node: Node) -> bool:
    return node.name in ("reverse_proxy", "php_fastcgi", "file_server") or any(map(_serves, node.block or []))
