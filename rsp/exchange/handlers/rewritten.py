"""Routes with ``else_rewrite``: their upstream is asked for another path where there is no file."""

from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.handler import Handler
from rsp.exchange.rewrite import TemplateRewrite


class Rewritten(Handler):
    """``handler``: answers, for the path that ``text`` says."""

    __slots__ = ("_handler", "_rewrite")

    def __init__(self, handler: Handler, route: Route, text: str) -> None:
        self._handler = handler
        self._rewrite = TemplateRewrite(route, text, None, decodes=True)

    def start(self, exchange: Exchange) -> None:
        target = self._rewrite.target(exchange.head, exchange)
        if not target:
            exchange.refuse(400, "the path leads above its root")
            return
        exchange.target = target
        self._handler.start(exchange)
