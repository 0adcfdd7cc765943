"""A collector for traces: OTLP over HTTP in its JSON encoding, decoded strictly with OpenTelemetry's own messages."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def decode(body: bytes) -> ExportTraceServiceRequest:
    """Raises for anything that the messages do not have.  In OTLP, ids are in base 16, unlike other bytes in JSON."""
    data = json.loads(body)
    for spans in data["resourceSpans"]:
        for scope in spans["scopeSpans"]:
            for span in scope["spans"]:
                for name, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                    if name in span:
                        raw = bytes.fromhex(span[name])
                        assert len(raw) == size and span[name] == span[name].lower()
                        span[name] = base64.b64encode(raw).decode()
                for name in ("startTimeUnixNano", "endTimeUnixNano"):
                    assert isinstance(span[name], str)
    return json_format.ParseDict(data, ExportTraceServiceRequest())


def attributes(of: Any) -> dict[str, Any]:
    """Of a span, or of a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


class Collector:
    """``answer(number)``: status, fields and body for the request of that number, from 0; it may wait.

    ``requests``: what was taken, decoded; ``heads``: the fields that came with each request, in lower case.
    """

    def __init__(
        self,
        answer: Callable[[int], tuple[int, dict[str, str], bytes]] | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with collector.changed:
                    number = len(collector.heads)
                    collector.heads.append({name.lower(): value for name, value in self.headers.items()})
                    collector.targets.append(self.path)
                    collector.changed.notify_all()
                status, fields, data = answer(number) if answer is not None else (200, {}, b"{}")
                if 200 <= status < 300:
                    with collector.changed:
                        collector.requests.append(decode(body))
                        collector.changed.notify_all()
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.changed = threading.Condition(threading.RLock())
        self.heads: list[dict[str, str]] = []
        self.targets: list[str] = []
        self.requests: list[ExportTraceServiceRequest] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.handle_error = lambda request, address: None  # the client has given up
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def spans(self) -> list[Span]:
        with self.changed:
            return [
                span
                for request in self.requests
                for group in request.resource_spans
                for scope in group.scope_spans
                for span in scope.spans
            ]

    def wait(self, met: Callable[[list[Span]], Any], seconds: float = 20.0) -> list[Span]:
        """The spans, once ``met`` of them is true."""
        with self.changed:
            assert self.changed.wait_for(lambda: met(self.spans()), seconds), [span.name for span in self.spans()]
            return self.spans()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def by_trace(spans: Iterable[Span]) -> dict[str, list[Span]]:
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id.hex(), []).append(span)
    return traces
