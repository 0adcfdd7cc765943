"""What a request is balanced by, where the policy is ``hash``."""

from rsp.config.placeholders import IN_KEYS, Template
from rsp.http.fields import cookie, field
from rsp.http.peer_stream import PeerRequest


class HashKey:
    """``text``: ``key`` of an upstream's configuration."""

    __slots__ = ("_kind", "_name", "_template")

    def __init__(self, text: str) -> None:
        self._kind, _, name = text.partition(":")
        self._name = name.lower().encode() if self._kind == "header" else name.encode()
        self._template = Template(text, IN_KEYS) if "{" in text else None

    def of(self, request: PeerRequest) -> bytes | None:
        """``None``: it has none."""
        if self._template is not None:
            return self._template.fill_some(request) or None
        kind, head = self._kind, request.head
        if kind == "client":
            return request.client
        if kind == "uri":
            return head.target
        if kind == "path":
            return head.path
        if kind == "host":
            return head.host
        return field(head.fields, self._name) if kind == "header" else cookie(head.fields, self._name)
