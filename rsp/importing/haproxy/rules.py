"""``http-request``, ``http-response``, ``redirect`` and ``use_backend`` as rules: the first that matches wins."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from rsp.importing.haproxy.answers import braces, redirects, returned
from rsp.importing.haproxy.computed import Variant, backends, has_map, variants
from rsp.importing.haproxy.conditions import Acls, Alternative, split_marker
from rsp.importing.haproxy.rates import Rates
from rsp.importing.haproxy.sections import Line
from rsp.importing.haproxy.values import placeholders
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path, anchored
from rsp.importing.ordered.rules import Rule, refusal
from rsp.importing.trust import OWN
from rsp.importing.wordlist import words as word_set

_SCHEME_FIELDS: Final = frozenset(("x-forwarded-proto", "x-forwarded-protocol", "x-scheme", "x-forwarded-scheme"))
_REGSUB: Final = re.compile(r"%\[path,regsub\(['\"]?(\^[\w/.-]+?)['\"]?,['\"]?([\w/.-]*)['\"]?\)\]")
_REFUSALS: Final = (["deny"], ["auth"], ["reject"], ["tarpit"], ["silent-drop"], ["block"])
_KEPT: Final = re.compile(r"%\[(var\((?:[^\[\]]|\[[^\]]*\])*)\]")
_MAY_HAVE_MAPS: Final = ("set-header", "add-header", "redirect", "return", "set-path")
_NOT_SEEN: Final = word_set(
    """
    set-var set-var-fmt unset-var capture set-log-level set-priority-class set-nice
    """
)


class Rules:
    """Of one frontend or backend.  ``ports``: of its listeners."""

    def __init__(self, acls: Acls, ports: frozenset[str], tables: dict[str, Line], forwarded: bool) -> None:
        self.forwarded = forwarded  # whether rsp sends X-Forwarded-Proto by itself
        self.acls = acls
        self.ports = ports
        self.notes: dict[str, None] = {}
        self.rates = Rates(acls, ports, tables, self.notes)
        self.passwords: dict[str, None] = {}  # userlists that are asked for
        self.trusted: list[str] = []  # proxies

    def request(self, line: Line) -> list[Rule]:
        """Rules of an ``http-request`` line.  Raises :class:`Inexpressible`."""
        name = line.words[1] if len(line.words) > 1 else ""
        words, condition = split(line.words[2:])
        name, parenthesis, inside = name.partition("(")
        if name in _MAY_HAVE_MAPS and has_map(self.acls, words):
            return [
                rule
                for each in variants(self.acls, words)
                for rule in self._one(Line([*line.words[:2], *each.words, *condition], line.text, line.origin), each)
            ]
        make: dict[str, Callable[[list[str]], dict[str, Any]]] = {
            "set-header": lambda w: self._header("set", w),
            "add-header": lambda w: self._header("add", w),
            "del-header": lambda w: {"request_headers": {"remove": [_plain_name(w)]}},
            "set-path": lambda w: {"rewrite": self._text(w[0])},
            "set-uri": lambda w: {"rewrite": self._text(w[0])},
            "cache-use": self._no_cache,
        }
        if name in ("set-header", "add-header", "del-header") and words[:1] and words[0].lower() in OWN:
            self.notes[f"{words[0]} is rsp's own to write; it is left out"] = None
            return []
        if name == "set-header" and words[:1] and words[0].lower() in _SCHEME_FIELDS and self._scheme(words, condition):
            keys: dict[str, Any] = {"request_headers": {"set": {words[0]: "{scheme}"}}}
            if self.forwarded and words[0].lower() == "x-forwarded-proto":
                keys = {"_written": {words[0]: True}}
            return [Rule(keys, origin=line.origin)]
        if name == "set-header" and len(self.ports) > 1 and "%[dst_port]" in words[1:]:
            each = {
                address: {"request_headers": {"set": {words[0]: port}}}
                for address, port in self.acls.samples.ports.items()
            }
            return [
                Rule(keys, [Condition(listeners=frozenset([address]))], origin=line.origin)
                for address, keys in each.items()
            ]
        if name == "set-path" and (moved := _REGSUB.fullmatch("".join(words))) is not None:
            replaced = [f"{moved[1]}(.*)$", f"{moved[2]}\\1"]
            return self._replace(Line([*line.words[:1], "replace-path"], line.text, line.origin), replaced, condition)
        if name == "del-header" and words[:1] and words[0].lower() == "host":
            self.notes["Host is not removed: peers get that of the client, unless another rule sets it"] = None
            return []
        if name == "set-src":
            self.trusted += self._proxies(words, condition)
            return []
        if name in make:
            return self._rules(line, make[name](words), condition)
        if name == "deny" or (name in ("reject", "tarpit", "silent-drop") and not parenthesis):
            return self._deny(line, words, condition)
        if name == "redirect":
            return self._redirects(line, words, condition)
        if name == "return":
            return self._returned(line, words, condition)
        if name in ("replace-path", "replace-uri", "replace-pathq"):
            return self._replace(line, words, condition)
        if name in ("track-sc0", "track-sc1", "track-sc2"):
            self.rates.track(name[-1], words, condition)
            return []
        if name == "auth":
            return self._auth(line, words, condition)
        if name == "allow":
            raise Inexpressible("rsp has no rule that skips those behind it")
        if name in _NOT_SEEN or (name == "set-header" and not words):
            return []  # it is looked at where it is asked for
        raise Inexpressible(f"rsp has no {line.first} {name}{parenthesis}{inside}")

    def _one(self, line: Line, where: Variant) -> list[Rule]:
        """A line for one value of its map."""
        found = self.request(line)
        for rule in found:
            rule.any = [both for one in rule.any for two in where.any if (both := one.both(two)) is not None]
            rule.unless = [*rule.unless, *(where.unless if not rule.last else ())]
        return found

    def _returned(self, line: Line, words: list[str], condition: list[str]) -> list[Rule]:
        if self.keeps_out(line) and self._counts(condition):
            return self._deny(line, words, condition)
        return self._rules(line, returned(words, self._text), condition, last=True)

    def _counts(self, condition: list[str]) -> bool:
        """Whether it asks for a counter of a table."""
        markers = [split_marker(each)[1] for found in self.acls.alternatives(condition) for each in found.any]
        return any(marker is not None and marker[0] != "\0auth" for marker in markers)

    def _proxies(self, words: list[str], condition: list[str]) -> list[str]:
        """Networks of the proxies that may name the client."""
        if self.acls.samples.clients:
            raise Inexpressible("clients are compared before it; rsp knows their last addresses only")
        alternatives = self.acls.alternatives(condition)
        self.acls.samples.clients = False
        only = [one for each in alternatives for one in each.any]
        if any(one != Condition(clients=one.clients) or not one.clients for one in only) or any(
            each.unless for each in alternatives
        ):
            raise Inexpressible('rsp believes proxies that are named: trusted = { "10.0.0.0/8" }')
        if not re.fullmatch(r"(?:req\.)?f?hdr(?:_ip)?\(x-forwarded-for(?:,-1)?\)", "".join(words), re.IGNORECASE):
            self.notes[f"{' '.join(words)}: rsp takes the client from X-Forwarded-For of these proxies"] = None
        return [network for one in only for network in one.clients or ()]

    def _scheme(self, words: list[str], condition: list[str]) -> bool:
        """Whether it says how the client has come, which rsp knows: ``https if { ssl_fc }``."""
        if len(words) != 2 or words[1] not in ("https", "http") or not condition:
            return words[1:] == ["%[ssl_fc,iif(https,http)]"]
        wanted = self.acls.samples.secure if words[1] == "https" else self.acls.samples.plain
        for each in self.acls.alternatives(condition):
            of = [one.listeners for one in each.any]
            others = [one.listeners for one in each.unless]
            if any(one != Condition(listeners=one.listeners) for one in [*each.any, *each.unless]):
                return False
            if others or any(one is None or not one <= wanted for one in of):
                return False
        return True

    def response(self, line: Line) -> list[Rule]:
        """Rules of an ``http-response`` line.  Raises :class:`Inexpressible`."""
        self.acls.response = True
        try:
            return self._response(line)
        finally:
            self.acls.response = False

    def _response(self, line: Line) -> list[Rule]:
        name = line.words[1] if len(line.words) > 1 else ""
        words, condition = split(line.words[2:])
        if name in ("cache-store", "set-log-level", "capture") or name.startswith(("set-var(", "set-var-fmt(")):
            return []
        if name in ("set-header", "add-header") and len(words) >= 2:
            text = self._text(" ".join(words[1:]))
            keys = {"response_headers": {name[:3]: {words[0]: text}, **self._own(line)}}
        elif name == "del-header" and words:
            keys = {"response_headers": {"remove": [_plain_name(words)], **self._own(line)}}
        else:
            raise Inexpressible(f"rsp has no {line.first} {name}")
        return self._rules(line, keys, condition)

    def _own(self, line: Line) -> dict[str, Any]:
        """``http-response`` leaves out what HAProxy answers by itself."""
        return {} if line.first == "http-after-response" else {"own": False}

    def keeps_out(self, line: Line) -> bool:
        """Whether it is a rule that refuses requests."""
        words, _ = split(line.words[1:])
        if line.first == "tcp-request":
            return "reject" in words
        if words[:1] == ["return"]:
            return any(re.fullmatch("[45][0-9][0-9]", word) for word in words)
        return line.first == "block" or words[:1] in _REFUSALS

    def instead(self, line: Line) -> list[Rule]:
        """In the place of a rule that keeps clients out: 403 for all that it could be for.

        A list of bad clients alone, which cannot be read, is only reported; where a rule names a part of the site, or
        lets some clients through (``unless``, ``!``), all others stay out.  So does a redirect to a login.
        """
        words, condition = split(line.words[1:])
        lets_through = words[:1] == ["auth"] or self.acls.lets_through(condition)
        login = lets_through and "location" in words and "redirect" in line.words[:2]
        if not self.keeps_out(line) and not login:
            return []
        return [
            Rule({"respond": {"status": 403}}, each.any, each.unless, True, True, (), line.origin, line.text)
            for each in self.acls.alternatives(condition, wide=True)
            if lets_through or each.any != [ALL] or each.unless
        ]

    def redirect(self, line: Line) -> list[Rule]:
        words, condition = split(line.rest)
        return self._redirects(line, words, condition)

    def _redirects(self, line: Line, words: list[str], condition: list[str]) -> list[Rule]:
        found: list[Rule] = []
        for where, keys in redirects(words, self._text):
            for rule in self._rules(line, keys, condition, last=True):
                rule.any = [both for each in rule.any if (both := each.both(where)) is not None]
                found.append(rule)
        return found

    def block(self, line: Line) -> list[Rule]:
        _, condition = split(line.rest)
        return self._deny(line, [], condition)

    def computed(self, line: Line, names: Iterable[str]) -> list[Rule]:
        """``use_backend`` of a name that is computed: a rule ``to`` each, and one to ``""`` for all other requests."""
        _, condition = split(line.words[2:])
        found: list[Rule] = []
        if has_map(self.acls, line.words[1:2]):
            for each in variants(self.acls, [line.words[1]]):
                found += self._rules(line, {"to": each.words[0]}, condition, last=True, where=each)
            return found
        for any, name in backends(self.acls, line.words[1], names):
            found += self._rules(line, {"to": name}, condition, last=True, where=Variant(any, [], []))
        return [*found, *self._rules(line, {"to": ""}, condition, last=True)]

    def chosen(self, line: Line, backend: str, then: list[Rule]) -> list[Rule]:
        _, condition = split(line.words[2:])
        return self._rules(line, {"to": backend}, condition, last=True, then=then)

    def _rules(
        self,
        line: Line,
        keys: dict[str, Any],
        condition: list[str],
        *,
        last: bool = False,
        guard: bool = False,
        then: list[Rule] | None = None,
        where: Variant | None = None,
    ) -> list[Rule]:
        found: list[Rule] = []
        for alternative in self.acls.alternatives(condition):
            _without_markers(alternative)
            any, unless = alternative.any, alternative.unless
            if where is not None:
                any = [both for one in any for two in where.any if (both := one.both(two)) is not None]
                unless = [*unless, *(where.unless if not last else ())]  # of last ones, the first wins
            found.append(Rule(dict(keys), any, unless, last, guard, then or (), line.origin, line.text))
        return found

    def _header(self, way: str, words: list[str]) -> dict[str, Any]:
        if len(words) < 2:
            raise Inexpressible("a name and a value are expected")
        name, value = words[0], " ".join(words[1:])
        if name.lower() == "host":
            value = self._text(value)
            if "{" in value.replace("{host}", "").replace("{authority}", ""):
                raise Inexpressible("rsp has no such placeholder for Host")
            return {"send_host": value} if "{" not in value else {"request_headers": {"set": {"Host": value}}}
        if name.lower() in _SCHEME_FIELDS and value in ("https", "http", "%[ssl_fc,iif(https,http)]"):
            value = "{scheme}" if value.startswith("%") else value
        else:
            value = self._text(value)
        return {"request_headers": {way: {name: value}}}

    def _no_cache(self, words: list[str]) -> dict[str, Any]:
        self.notes["rsp has no cache of responses: each request goes to a peer"] = None
        return {}

    def _text(self, text: str) -> str:
        """A log format as a text of rsp's, with what variables were set to.  Raises :class:`Inexpressible`."""
        return placeholders(_KEPT.sub(lambda match: self._kept(match[1]), text), self.ports)

    def _kept(self, sample: str) -> str:
        name = sample.removeprefix("var(").partition(")")[0]
        if self.acls.variables.is_text(name) and sample == f"var({name})":
            return self.acls.variables.sample(name, self.acls.place, response=self.acls.response)
        return f"%[{self.acls.meant(sample)}]"

    def _deny(self, line: Line, words: list[str], condition: list[str]) -> list[Rule]:
        status = 403
        pairs = dict(zip(words[::2], words[1::2], strict=False))
        for name in ("deny_status", "status"):
            if pairs.get(name, "").isdigit():
                status = int(pairs[name])
        respond: dict[str, Any] = {"status": status}
        for name in ("string", "lf-string"):
            if name in pairs:
                respond["body"] = self._text(pairs[name]) if name == "lf-string" else braces(pairs[name])
                respond["type"] = pairs.get("content-type", "text/plain")
        found: list[Rule] = []
        for alternative in self.acls.alternatives(condition):
            rates = [split_marker(each) for each in alternative.any]
            if any(marker for _, marker in rates):
                for rest, marker in rates:
                    if marker is None:
                        raise Inexpressible("a counter and something else")
                    keys = self.rates.limit(marker, status)
                    found.append(Rule(keys, [rest], alternative.unless, origin=line.origin, text=line.text))
                continue
            _without_markers(alternative)
            found.append(refusal(respond, alternative.any, alternative.unless, line.origin, line.text))
        return found

    def _auth(self, line: Line, words: list[str], condition: list[str]) -> list[Rule]:
        realm = words[1] if words[:1] == ["realm"] and len(words) > 1 else "restricted"
        found: list[Rule] = []
        for alternative in self.acls.alternatives(condition):
            lists = [split_marker(each)[1] for each in alternative.unless]
            names = [marker[1] for marker in lists if marker is not None and marker[0] == "\0auth"]
            if len(names) != 1:
                raise Inexpressible("rsp asks for the passwords of one list")
            unless = [each for each in alternative.unless if split_marker(each)[1] is None]
            self.passwords[names[0]] = None
            keys = {"auth": {"basic": f"{names[0]}.htpasswd", "realm": realm}}
            found.append(Rule(keys, alternative.any, unless, False, True, (), line.origin, line.text))
        return found

    def _replace(self, line: Line, words: list[str], condition: list[str]) -> list[Rule]:
        if len(words) != 2:
            raise Inexpressible("a regular expression and a replacement are expected")
        pattern, replacement = words
        if line.words[1] != "replace-path" and "?" in pattern.replace("(?", "").replace(")?", "").replace("/?", ""):
            raise Inexpressible("the query is rewritten together with the path")
        to = re.sub(r"\\([1-9])", r"{\1}", braces(replacement)).replace("\\0", "{path}")
        found: list[Rule] = []
        if re.fullmatch(r"\^?\(\.\*\)\$?", pattern):
            return self._rules(line, {"rewrite": to.replace("{1}", "{path}")}, condition)
        for alternative in self.acls.alternatives(condition):
            _without_markers(alternative)
            taken: list[Condition] = []
            for each in alternative.any:
                wanted = anchored(Path("regex", pattern), each.path)
                both = each.both(Condition(path=wanted))
                if both is not None and re.search(r"\{[1-9]\}", to) and both.path != wanted:
                    raise Inexpressible("a path has to match two patterns at once")
                if both is not None:
                    taken.append(both)
            found.append(Rule({"rewrite": to}, taken, alternative.unless, origin=line.origin, text=line.text))
        return found


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands before ``if`` or ``unless``, and the condition."""
    for index, word in enumerate(words):
        if word in ("if", "unless"):
            return words[:index], words[index:]
    return words, []


def _without_markers(alternative: Alternative) -> None:
    for each in [*alternative.any, *alternative.unless]:
        if split_marker(each)[1] is not None:
            raise Inexpressible("a condition on passwords or counters that rsp does not have")


def _plain_name(words: list[str]) -> str:
    if len(words) != 1:
        raise Inexpressible("rsp removes fields by their whole names")
    return words[0]
