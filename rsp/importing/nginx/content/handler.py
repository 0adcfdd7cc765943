"""What answers the requests of a location: a peer, scripts, files, or files and then one of these."""

import re
from typing import Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.content import ends, files, folders, fpm_pages, indexes, passed_on, returned
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.content.missing import Missing, Passed, is_rewriting, otherwise
from rsp.importing.nginx.matching import prefixes
from rsp.importing.nginx.matching.paths import as_sent
from rsp.importing.nginx.matching.servers import Location, Server, around_alias
from rsp.importing.nginx.peers import asked, cookies, fastcgi, proxy
from rsp.importing.nginx.rewrite.guards import Guards
from rsp.importing.nginx.rules import access, fields, media, substitutions, times
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement, mark_all
from rsp.importing.nginx.syntax.words import NOTED
from rsp.importing.nginx.values.variables import Names, Unsayable

_MAPPED: Final = re.compile(r"(?P<scheme>https?://)?\$\{?(?P<name>\w+)\}?")
_PIXEL: Final = "R0lGODlhAQABAIABAAAAAP///yH5BAEAAAEALAAAAAABAAEAAAICTAEAOw=="
_TYPE: Final = '["Content-Type"] = "image/gif"'
_GIF: Final = f'respond{{ status = 200, headers = {{ {_TYPE} }}, body = base64.decode("{_PIXEL}") }}'


class Content:
    """Of the locations of one server.  ``ports``: of its listeners."""

    def __init__(self, context: Context, server: Server, ports: frozenset[str], guards: Guards) -> None:
        self.context = context
        self.guards = guards
        self.server = server
        self.ports = ports

    def answer(self, draft: Draft, location: Location | None, level: Level, names: Names, rules: fields.Rules) -> None:
        passing = location.content if location is not None else None
        if passing is None:
            self._files(draft, location, level, names, rules)
            return
        passing.used = True
        self.peer(draft, passing, location, level, names, rules)

    def peer(
        self, draft: Draft, passing: Statement, location: Location | None, level: Level, names: Names,
        rules: fields.Rules, key: str = "to", index: str | None = None, *,
        is_rewritten: bool = False,
    ) -> None:  # fmt: skip
        """``to``, or ``else_to`` of a route with files.  Raises :class:`Unsayable`."""
        context = self.context
        if passing.name in ("fastcgi_pass", "uwsgi_pass"):
            level.all("try_files")
            match = _MAPPED.fullmatch(names.expand(passing.value))
            values = context.functions.values(match["name"], may_be_empty=True) if match is not None else []
            urls = [Statement(passing.name, [value], passing.origin) for value in values] or [passing]
            pages = fpm_pages.of(level, names, location) if key == "to" and passing.name == "fastcgi_pass" else {}
            if location is not None and pages:
                fpm_pages.put(pages, draft, passing, location, level, names, context)
                return
            found = [
                fastcgi.upstream(
                    url,
                    level,
                    names,
                    context.blocks,
                    context.result,
                    draft.parts,
                    index,
                    is_rewritten=is_rewritten,
                    suffix=_suffix(location),
                )
                for url in urls
            ]
            draft.keys = {**draft.keys, key: found[0]}
            called = names.functions.call(match["name"]) if match is not None and values else None
            if called is not None:
                if key != "to":
                    raise Unsayable("rsp knows the peer of scripts by a variable only where there are no files")
                draft.before.append(f"return proxy({_looked_up(values, found, called)})")
            if key == "to":
                self._slash(draft, location)
                indexes.tell(draft, passing, location, level)
            return
        if passing.name not in ("proxy_pass", "grpc_pass"):
            raise Unsayable(f"rsp does not speak the protocol of {passing.name}")
        chosen = self._chosen(draft, passing, level, names) if key == "to" else None
        if chosen is not None:
            draft.keys = {key: chosen[0], **draft.keys}
            fields.request_rules(level, names, draft.parts, self.ports, rules)
            if fields.put(rules, draft.keys, ""):
                del draft.keys["send_host"]
                draft.before.append(f"req.host = {chosen[1]}")
            draft.before.append(f"return proxy({chosen[2]})")
            self._slash(draft, location)
            return
        if key == "to" and passing.name == "proxy_pass" and proxy.is_open(passing, names):
            self._by_hook(draft, passing, location, level, names, rules)
            return
        target = proxy.target(passing, level, names, context.blocks, context.result, draft.parts)
        names = target.names(names)
        was_rewritten = "rewrite" in draft.keys
        draft.keys = {key: target.upstream, **draft.keys}
        fields.request_rules(level, names, draft.parts, self.ports, rules)
        sends_own = fields.put(rules, draft.keys, target.host)
        self._mirrored(draft, level)
        if key != "to":
            if target.uri is not None and (is_rewritten or target.uri != "/"):
                raise Unsayable("rsp passes the path as it came where there is no file")
            return
        prefix = location.path if location is not None and not location.is_regex else None
        if not was_rewritten:  # else nginx does not look at the path in proxy_pass
            table = draft.all
            draft.before += proxy.rewritten(target, table, names, prefix)
            if "rewrite" in table:
                draft.keys["rewrite"] = table["rewrite"]
        table = draft.all
        draft.after += proxy.redirected(level, target, table, sends_own, names, draft.parts, self.guards.compiled)
        draft.after += cookies.lines(level, names, self.guards.compiled)
        for name in ("rewrite", "rewrite_location"):
            if name in table:
                draft.keys[name] = table[name]
        self._slash(draft, location)

    def _by_hook(
        self, draft: Draft, passing: Statement, location: Location | None, level: Level, names: Names,
        rules: fields.Rules,
    ) -> None:  # fmt: skip
        fields.request_rules(level, names, draft.parts, self.ports, rules)
        sends_own = fields.put(rules, draft.keys, "")
        if sends_own and draft.keys.pop("send_host"):
            raise Unsayable("Host is a text, and the peer a variable")
        blocks, result = self.context.blocks, self.context.result
        known = asked.Known(level, location.path if location is not None else "", self.context.functions.values)
        found = asked.by_hook(passing, level, names, blocks, result, draft.parts, known, keeps_host=not sends_own)
        draft.keys = {"to": found.upstream, **draft.keys}
        draft.before += found.lines
        place = proxy.Target(found.upstream, "", None, is_computed=True)
        draft.after += proxy.redirected(level, place, {"exact": ""}, False, names, draft.parts, self.guards.compiled)
        self._slash(draft, location)

    def _chosen(self, draft: Draft, passing: Statement, level: Level, names: Names) -> tuple[str, str, str] | None:
        """``proxy_pass http://$backend`` by a map: the first upstream, the map's value, and the upstream for it."""
        match = _MAPPED.fullmatch(names.expand(passing.value))
        values = self.context.functions.values(match["name"], may_be_empty=True) if match is not None else []
        if match is None or not values:
            return None
        called = names.functions.call(match["name"])
        if called is None:
            return None
        upstreams: list[str] = []
        hosts: list[str] = []
        for value in values:
            url = Statement(passing.name, [f"{match['scheme'] or ''}{value}"], passing.origin)
            target = proxy.target(url, level, names, self.context.blocks, self.context.result, draft.parts)
            if target.uri is not None:
                raise Unsayable("the peers of a map have paths")
            upstreams.append(target.upstream)
            hosts.append(target.host)
        return upstreams[0], _looked_up(values, hosts, called), _looked_up(values, upstreams, called)

    def _mirrored(self, draft: Draft, level: Level) -> None:
        """``mirror /copy`` where that location passes the request on as it came.  Raises :class:`Unsayable`."""
        for statement in level.all("mirror"):
            found = self.server.find(statement.value) if statement.value != "off" else None
            if statement.value == "off":
                continue
            if found is None or found.content is None or found.content.name != "proxy_pass" or "mirror" in draft.keys:
                raise Unsayable(f"rsp does not know which one upstream {statement.value} is")
            blocks, result = self.context.blocks, self.context.result
            target = proxy.target(found.content, found.level, self.server.names_at(found), blocks, result, draft.parts)
            if target.uri is not None:
                raise Unsayable("rsp copies requests with their own path only")
            found.content.used = True
            draft.keys["mirror"] = {"to": target.upstream}
            draft.parts.note(statement, "rsp copies requests with a body of at most 1 MB: mirror = { body = ... }")

    def _slash(self, draft: Draft, location: Location | None) -> None:
        """nginx redirects ``/docs`` to ``/docs/`` where the location of the latter is passed to a peer."""
        if location is None or location.modifier not in ("", "^~") or location.path in ("", "/"):
            return
        if location.path.endswith("/"):
            bare = location.path.rstrip("/")
            if not any(each.path == bare and not each.is_regex for each in self.server.locations):
                draft.match["slash"] = "redirect"

    def _files(self, draft: Draft, location: Location | None, level: Level, names: Names, rules: fields.Rules) -> None:
        """Raises :class:`Unsayable`."""
        draft.before += substitutions.of_whole_files(level)
        if level.own("stub_status") or level.has("api", "vhost_traffic_status_display", "status"):
            draft.parts.note(location.statement if location is not None else None, NOTED["stub_status"])
            mark_all(level.block)
            draft.answer({"respond": {"status": 404}})
            return
        if level.own("empty_gif"):
            draft.before.append('if req.method ~= "GET" and req.method ~= "HEAD" then return respond(405) end')
            draft.before.append(f"return {_GIF}")
            draft.answer({"respond": {"status": 500}})  # never sent: the hook answers
            return
        draft.after += media.lines(level)
        if location is not None and files.is_for_one(location, level) and not prefixes.keeps_out(draft.keys):
            draft.match = {"exact": as_sent(location.path)}
        if location is not None and folders.of_alias(draft, location, level, names):
            return
        owner = around_alias(location) if location is not None else None
        if owner is not None:
            folders.below_alias(draft, owner, location, self.server, level, names)
            return
        if folders.is_open(level, names):
            folders.put(draft, self.server, location, level, names)
            return
        try:
            folder = files.directory(location, level, names, draft.match)
        except Unsayable as error:
            if level.value("root") or level.value("alias"):
                raise
            found = level.own("try_files")
            if found:
                raise
            if location is not None:
                draft.parts.note(location.statement, f"{error}; here the answer is 404")
            draft.answer({"respond": {"status": 404}})
            return
        tried = files.tries(self.server, location, level, names)
        if tried is not None and tried.only:
            whole = names.expand(level.value("root") or names.constants.get("document_root", ""))
            draft.keys["files"] = {"root": whole, "index": ""}
            draft.before.append(f"req.path = {quoted(tried.only)}")
            if tried.last.file is not None:
                draft.keys["fallback"] = tried.last.file
            self._missing(draft, tried.last, level)
            return
        script = self._scripts(level, location)
        if tried is not None:
            files.tell_of_sources(draft.parts, level)
            self._tried(draft, tried, folder, location, level, names, rules)
            return
        asked = passed_on.found(self.server, location, level)
        is_refused = files.look_at_index(self.server, location, level, asked)
        draft.keys["files"] = files.table(folder, level, names, looks_in_directories=True, scripts=False)
        passed_on.put(draft, asked, self.server, self.context, self.ports, level, folder, rules)
        runs = script is not None and files.may_be_directory(location)
        if runs or is_refused:
            draft.before += indexes.closed(draft, self.server, self.guards, level, folder, location)
        if script is not None and runs:
            indexes.of_directories(draft, script, self.server, self.context, level, names, folder)
            indexes.unlisted(draft)

    def _scripts(self, level: Level, location: Location | None) -> Location | None:
        """The location that runs what ``index`` names."""
        said = level.last("index")
        folder = location.path.rstrip("/") if location is not None and not location.is_regex else ""
        if location is not None and location.finds_index:
            return None
        for word in said.args if said is not None else ():
            if word.endswith(".php"):
                found = self.server.find(word if word.startswith("/") else f"{folder}/{word}")
                if found is not None and found.content is not None and found.content.name == "fastcgi_pass":
                    return found
        return None

    def _tried(
        self, draft: Draft, tried: files.Tries, folder: str, location: Location | None, level: Level, names: Names,
        rules: fields.Rules,
    ) -> None:  # fmt: skip
        last = tried.last
        self._missing(draft, last, level)
        meant = last.location
        script = self._scripts(level, location) if tried.directory else None
        runs = meant is not None or script is not None
        asked = passed_on.found(self.server, location, level) if tried.directory and not last.root else None
        is_refused = tried.directory and files.look_at_index(self.server, location, level, asked)
        draft.keys["files"] = files.table(
            folder, level, names, looks_in_directories=tried.directory,
            scripts=meant is not None and last.returned is None,
            extensions=tried.extensions,
        )  # fmt: skip
        if tried.extensions and tried.directory and not tried.is_extended_first:
            said = (
                f"where there are both a directory and a file with {tried.extensions[0]} of a name, rsp serves the file"
            )
            draft.parts.note(level.own("try_files")[-1], said)
        if is_refused or script is not None:
            draft.before += indexes.closed(draft, self.server, self.guards, level, folder, location)
        if last.file is not None:
            self._sent(draft, tried, script, folder, level)
        elif meant is not None and last.returned is not None:
            returned.lead(meant, ["404"], self.server, draft, path=f"/{last.index}" if last.index else "")
        elif meant is not None and meant.modifier == "@" and meant.level.own("empty_gif"):
            self._same_rules(level, meant)
            draft.failed.append(f"if err.status == 404 then return {_GIF} end")
            mark_all(meant.level.block)
        elif meant is not None:
            passing = meant.content
            missing = Missing(self.context, self.server, draft, level, self._passer(draft, rules, last.index))
            if is_rewriting(meant):
                missing.named(meant)
            elif last.rewrite is not None:
                missing.rewritten(meant, last.rewrite, names)
            elif passing is None:
                raise Unsayable(f"rsp import does not translate what {meant.path} does where there is no file")
            else:
                self._same_rules(level, meant)
                self._passer(draft, rules, last.index)(passing, meant, False)
            is_script = passing is not None and passing.name == "fastcgi_pass" and last.rewrite is None and last.index
            if script is not None and (
                "else_rewrite" in draft.keys or draft.others or (is_script and indexes.scripts(level) != [last.index])
            ):
                indexes.own(draft, self.server, self.context, script, level, folder)
            elif script is not None:
                draft.before += indexes.behind_scripts(draft, level, folder)
            if is_script:
                indexes.below_scripts(draft, self.server, self.context, meant, last.index or "")
        elif script is not None and runs:
            indexes.of_directories(draft, script, self.server, self.context, level, names, folder)
        if script is not None and last.file is None:
            indexes.unlisted(draft)
        passed_on.put(draft, asked, self.server, self.context, self.ports, level, folder, rules)
        if tried.looked:
            first, *others = tried.looked
            if "else_to" in draft.keys:  # which has all requests with other methods
                draft.before.append('if req.method ~= "GET" and req.method ~= "HEAD" then')
                others.insert(0, first)
            else:
                draft.before.append(first.removeprefix("else"))
            draft.before += [*others, *otherwise(draft, tried, names), "end"]

    def _sent(
        self, draft: Draft, tried: files.Tries, script: Location | None, folder: str, level: Level
    ) -> None:  # fmt: skip
        """The file where there is none.  Raises :class:`Unsayable`."""
        last = tried.last
        draft.keys["fallback"] = last.file
        if last.note:
            draft.parts.note(level.own("try_files")[-1], last.note)
        if last.root and (tried.looked or script is not None):
            raise Unsayable(f"{last.file} is not in the same directory")
        if last.root:
            ends.widen(draft, folder, last.root)
        elif script is not None:
            indexes.beside_file(draft, self.server, self.context, script, level, folder)

    def _passer(self, draft: Draft, rules: fields.Rules, index: str | None) -> Passed:
        """Makes ``else_to``."""

        def passed(passing: Statement, meant: Location, is_rewritten: bool) -> None:
            passing.used = True
            inner = self.server.names_at(meant)
            script = None if is_rewritten else index
            self.peer(draft, passing, meant, meant.level, inner, rules, "else_to", script, is_rewritten=is_rewritten)
            times.of_route(meant.level, draft.keys, draft.parts)
            draft.behind = meant.level

        return passed

    def _missing(self, draft: Draft, last: ends.Fallback, level: Level) -> None:
        """``try_files ... =503``: rsp's own answer is 404.  nginx's 444 closes the connection."""
        if last.note and last.file is None:
            draft.parts.note(level.own("try_files")[-1], last.note)
        if last.status == "444":
            statement = level.own("try_files")[-1]
            draft.parts.note(statement, f"where there is no file, rsp answers 404, and not {last.status}")
        elif last.status != "404":
            draft.failed.append(f"if err.status == 404 then return respond({last.status}) end")

    @staticmethod
    def _same_rules(level: Level, meant: Location) -> None:
        """What keeps clients out of ``meant`` holds for requests that come there by way of files, too."""
        if access.differ(level, meant.level):
            raise Unsayable(f"{meant.path} has restrictions of its own")
        if meant.modifier == "@":  # no other route is for it
            mark_all(meant.level.own("if"))


def _suffix(location: Location | None) -> str:
    """Of the names of other scripts than those of PHP, which an expression for a location says."""
    match = re.search(r"\\(\.\w+)\$$", location.path) if location is not None and location.is_regex else None
    return match[1] if match is not None and match[1] != ".php" else ""


def _looked_up(values: list[str], meant: list[str], called: str) -> str:
    """An expression of Lua: what is meant by the value that ``called`` gives."""
    if meant == values:
        return called
    pairs = ", ".join(f"{index(value)} = {quoted(each)}" for value, each in zip(values, meant, strict=True))
    return f"({{ {pairs} }})[{called}]"
