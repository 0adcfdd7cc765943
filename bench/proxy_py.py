"""A reverse proxy made of proxy.py, for scale: every request goes to the static backend."""

from proxy.http.server import ReverseProxyBasePlugin


class ToStatic(ReverseProxyBasePlugin):
    def routes(self):
        return [(r"/.*$", [b"http://127.0.0.1:9101/small"])]
