"""Connections of a peer that speaks FastCGI or uwsgi: those of a plain pool, but for what is spoken on them."""

from rsp.config.placeholders import IN_FIELDS, Template
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.attempt import PoolOwner
from rsp.exchange.forward.pool import Pool
from rsp.exchange.forward.script_roots import NO_SCRIPTS, scripts_of
from rsp.http.cgi.fastcgi import FastCgiConnection
from rsp.http.cgi.uwsgi import UwsgiConnection
from rsp.http.cgi.variables import Variables
from rsp.http.h1.client import PeerConnection
from rsp.http.peer_stream import PeerRequest
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport


class CgiPool(Pool):
    """``protocol``: what is spoken; ``scripts``: what requests are for; ``params``: further variables, as given."""

    __slots__ = ("_templates", "params", "protocol", "scripts")

    def __init__(self, context: WorkerContext, peer: PoolOwner, config: UpstreamConfig) -> None:
        super().__init__(context, peer)
        self.protocol = config.protocol
        self.scripts = scripts_of(config) or NO_SCRIPTS
        self.params = config.params
        self._templates = [(name.encode(), Template(text, IN_FIELDS)) for name, text in config.params.items()]

    def is_made_for(self, rules: object, name: str, config: UpstreamConfig) -> bool:
        scripts = scripts_of(config)
        same = config.protocol == self.protocol and config.params == self.params
        return same and scripts is not None and scripts.key == self.scripts.key

    def own(self, request: PeerRequest) -> Variables:
        """The variables of ``params`` for ``request``."""
        return [(name, template.fill(request)) for name, template in self._templates]

    def make(self, transport: Transport) -> PeerConnection:
        if self.protocol == "uwsgi":
            return UwsgiConnection(self.context, self, transport, self.own)
        return FastCgiConnection(self.context, self, transport, self.scripts, self.keepalive > 0, self.own)
