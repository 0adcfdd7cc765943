"""A site with listeners of both kinds, asked over HTTP/1.1 and HTTP/2, with and without TLS, by httpx."""

from pathlib import Path

import httpx

from tests.certificates import authority
from tests.harness import PATIENCE, Rsp
from tests.ports import free_port

WAYS = {  # scheme, port, HTTP/2
    "http/1.1": ("http", "port", False),
    "http/2": ("http", "port", True),
    "tls": ("https", "secure", False),
    "tls http/2": ("https", "secure", True),
}
LISTENERS = """
listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }
listen "127.0.0.1:SECURE" { tls = true }
certificate { "site.bundle.pem" }
trusted = { "127.0.0.1/32" }"""


class BothKinds(Rsp):
    """``secure``: the port with TLS."""

    def __init__(self, directory: Path, text: str, workers: int) -> None:
        authority().issue("site.example").write(directory, "site")
        self.secure = free_port()
        super().__init__(directory, text, workers)

    def write(self, text: str) -> None:
        super().write(text.replace("SECURE", str(self.secure)))

    def client(self, way: str = "http/1.1", **more: object) -> httpx.Client:
        scheme, port, http2 = WAYS[way]
        return httpx.Client(
            base_url=f"{scheme}://127.0.0.1:{getattr(self, port)}", http1=not http2, http2=http2, verify=False,
            timeout=PATIENCE, headers={"Host": "site.example"}, trust_env=False, **more,
        )  # fmt: skip
