"""The locations that ``auth_request`` names: which upstream is asked for which path."""

import re
from collections.abc import Mapping
from typing import Final

from rsp.importing.nginx import proxy
from rsp.importing.nginx.context import Context
from rsp.importing.nginx.result import Parts
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.variables import Unsayable
from rsp.importing.site import Declaration

NO_PEER: Final = "192.0.2.1:9"  # RFC 5737: in no network
# What rsp sends it (docs/forward-auth.md), and what does not matter for a request without a body.
_SENT: Final = frozenset(
    """
    host x-original-url x-original-uri x-original-method x-forwarded-for x-forwarded-proto x-forwarded-host
    x-forwarded-uri x-forwarded-method x-real-ip content-length connection upgrade transfer-encoding accept-encoding
    cookie authorization
    """.split()  # noqa: SIM905 - a list of words
)


class Services:
    """Those of one server."""

    def __init__(self, context: Context, server: Server) -> None:
        self._context = context
        self._server = server
        self._found: dict[str, tuple[str, str]] | None = None

    @property
    def asked(self) -> Mapping[str, tuple[str, str]]:
        """Upstream and path, by the location's path."""
        if self._found is None:
            self._found = {}
            inner = (self._server.level, *(location.level for location in self._server.all_locations()))
            levels = {id(level): level for each in inner for level in each.around()}  # each of them once
            asked = {each.value for level in levels.values() for each in level.block if each.name == "auth_request"}
            for location in self._server.locations:
                if location.path in asked and location.content is not None and not location.is_regex:
                    found = self._service(location)
                    if found is not None:
                        self._found[location.path] = found
            if self._context.zones.guesses:
                for path in sorted(asked - {"off"}):
                    place = self._server.find(path)
                    is_elsewhere = place is None or place.level.value("auth_request") == path
                    if is_elsewhere and path.startswith("/") and "$" not in path:
                        self._found[path] = self._elsewhere(path)
        return self._found

    def _elsewhere(self, path: str) -> tuple[str, str]:
        """A part of a configuration asks a service that another file names: until it is named here, none is asked."""
        result = self._context.result
        name = result.upstream("auth", [NO_PEER], {}, None)
        for part in result.upstreams:
            if isinstance(part, Declaration) and part.name == name and not part.comments:
                part.comments.append("Another file names the service that decides about requests: put it here.")
        said = f"another file has the location {path} of auth_request: name its service in the upstream {name}"
        result.upstreams.note(None, f"{said}, and its path in `auth`; until then, all requests are refused")
        return name, path

    def _service(self, location: Location) -> tuple[str, str] | None:
        statement = location.content
        if statement is None or statement.name != "proxy_pass":
            return None
        names, context = self._server.names_at(location), self._context
        try:
            target = proxy.target(statement, location.level, names, context.blocks, context.result, Parts())
        except Unsayable:
            return None
        path = names.expand(target.uri) if target.uri is not None else location.path
        path = re.sub(r"\$is_args\$args$|\?\$args$", "", path)
        if "$" in path:
            return None
        statement.used = True
        for each in location.level.all("proxy_method", "proxy_set_body", "proxy_pass_request_headers"):
            if each.value.upper() not in ("GET", "ON"):
                context.result.upstreams.lost(
                    each, "rsp asks the service of auth_request by GET, with fields of its own"
                )
        lost = [each for each in location.level.all("proxy_set_header") if each.value.lower() not in _SENT]
        if lost:
            said = f"the service of auth_request does not get {', '.join(dict.fromkeys(each.value for each in lost))}"
            context.result.upstreams.note(lost[0], said)
        for name in ("proxy_pass_request_body", "proxy_set_header", "internal"):
            location.level.own(name)
        return target.upstream, path or "/"
