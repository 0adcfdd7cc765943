"""Spans reach a collector; one that is slow, gone or full costs spans, which are counted, and nothing else."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine

import msgspec
import pytest
import uvloop

from rsp.config.observe import Tracing
from rsp.config.schema import Settings
from rsp.control import export as module
from rsp.control.export import Export
from rsp.ipc.spans import Span
from rsp.logs import log
from tests.certificates import authority
from tests.collector import Collector, attributes
from tests.unit.test_otlp import span


class Lab:
    """An Export at work; ``exported`` and ``dropped`` count, ``lines`` are the log's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.exported = self.dropped = 0
        self.lines: list[str] = []
        monkeypatch.setattr(log, "line", lambda text, level=0: self.lines.append(text))
        monkeypatch.setattr(module, "_FAREWELL", 0.3)

    def counted(self, exported: int, dropped: int) -> None:
        self.exported += exported
        self.dropped += dropped

    def settings(self, url: str, **more: object) -> Settings:
        return Settings(tracing=Tracing(endpoint=url, **more))

    async def until(self, met: Callable[[], object], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not met():
                await asyncio.sleep(0.01)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(monkeypatch)


def in_loop(main: Coroutine[object, object, None]) -> None:
    """As in the control process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def spans(number: int, first: int = 1) -> list[Span]:
    return [span(span_id=f"{each:016x}") for each in range(first, first + number)]


def ids(collector: Collector) -> list[int]:
    return sorted(int.from_bytes(each.span_id, "big") for each in collector.spans())


def test_all_arrive_in_batches_with_what_the_configuration_says(lab: Lab) -> None:
    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        url = collector.url.replace("127.0.0.1", "localhost")
        export.arrange(lab.settings(url, service="shop", headers={"Authorization": "Bearer x", "user-agent": "me"}))
        export.add(spans(1500))
        await lab.until(lambda: lab.exported == 1500)
        await export.finish()

    with Collector() as collector:
        in_loop(run(collector))
        assert ids(collector) == list(range(1, 1501))
        assert len(collector.requests) == 3
        resource = attributes(collector.requests[0].resource_spans[0].resource)
        assert resource["service.name"] == "shop" and resource["service.version"]
        head = collector.heads[0]
        assert (head["authorization"], head["content-type"]) == ("Bearer x", "application/json")
        assert head["host"] == f"localhost:{collector.port}"
        assert set(collector.targets) == {"/v1/traces"}
    assert (lab.dropped, lab.lines) == (0, [])


def test_no_collector_no_spans(lab: Lab) -> None:
    async def run() -> None:
        export = Export(lab.counted)
        export.arrange(Settings())
        export.add(spans(3))
        await export.finish()

    in_loop(run())
    assert (lab.exported, lab.dropped) == (0, 3)


def test_one_that_is_gone_is_told_of_once_and_used_when_it_is_back(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]

    async def run() -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(f"http://127.0.0.1:{port}/v1/traces"))
        export.add(spans(600))
        await lab.until(lambda: lab.dropped == 512)  # the first batch, after its second try
        assert len(lab.lines) == 1 and "does not accept spans: " in lab.lines[0]
        assert "refused" in lab.lines[0] and f"127.0.0.1:{port}" in lab.lines[0]
        with Collector(port=port) as collector:
            export.add(spans(600, 10_001))
            await lab.until(lambda: lab.exported == 688)
            assert len(ids(collector)) == 688
            await export.finish()
        assert len(lab.lines) == 2 and lab.lines[1].endswith("accepts spans again")

    in_loop(run())
    assert lab.dropped == 512


def test_a_batch_that_is_refused_comes_again_after_the_time_that_is_named(lab: Lab) -> None:
    times: list[float] = []

    def answer(number: int) -> tuple[int, dict[str, str], bytes]:
        times.append(time.monotonic())
        return (503, {"Retry-After": "2"}, b"") if number == 0 else (200, {}, b"{}")

    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(collector.url))
        export.add(spans(512))
        await lab.until(lambda: lab.exported == 512)
        await export.finish()

    with Collector(answer) as collector:
        in_loop(run(collector))
        assert ids(collector) == list(range(1, 513))  # once each
    assert times[1] - times[0] >= 2.0
    assert lab.dropped == 0


def test_one_that_never_answers_holds_nothing_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    released = threading.Event()

    def answer(number: int) -> tuple[int, dict[str, str], bytes]:
        released.wait(20)
        return 200, {}, b"{}"

    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(collector.url))
        for round_ in range(20):
            started = time.perf_counter()
            export.add(spans(1000, round_ * 1000 + 1))
            assert time.perf_counter() - started < 10
            await asyncio.sleep(0)
        assert lab.dropped == 20_000 - 8192  # at once: there is room for no more
        await lab.until(lambda: lab.dropped == 20_000 - 8192 + 512)
        await export.finish()

    with Collector(answer) as collector:
        in_loop(run(collector))
        released.set()
    assert (lab.exported, lab.dropped) == (0, 20_000)
    assert "does not accept spans: it does not respond" in lab.lines[0]


def test_what_waits_goes_where_a_reload_says(lab: Lab) -> None:
    async def run(second: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings("http://127.0.0.1:1/v1/traces"))
        export.add(spans(5))
        export.arrange(lab.settings(second.url))
        await lab.until(lambda: lab.exported == 5)
        export.arrange(Settings())
        export.add(spans(2))
        await export.finish()

    with Collector() as second:
        in_loop(run(second))
        assert ids(second) == [1, 2, 3, 4, 5]
    assert lab.dropped == 2


def test_the_last_ones_are_sent_when_the_process_ends(lab: Lab) -> None:
    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(collector.url))
        export.add(spans(3))
        await export.finish()

    with Collector() as collector:
        in_loop(run(collector))
        assert ids(collector) == [1, 2, 3]
    assert (lab.exported, lab.dropped) == (3, 0)


def test_a_collector_that_cannot_be_verified_gets_nothing(lab: Lab) -> None:
    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(collector.url.replace("http:", "https:")))  # which speaks no TLS
        export.add(spans(512))
        await lab.until(lambda: lab.lines)
        assert collector.heads == []
        await export.finish()

    with Collector() as collector:
        in_loop(run(collector))
    assert lab.dropped == 512


def test_a_span_of_the_largest_size_is_sent(lab: Lab) -> None:
    large = {str(number): "ü" * 1024 for number in range(64)}

    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(collector.url))
        export.add([msgspec.structs.replace(each, attributes=large) for each in spans(100)])
        await lab.until(lambda: lab.exported + lab.dropped == 100)
        await export.finish()

    with Collector() as collector:
        in_loop(run(collector))
        assert len(ids(collector)) == lab.exported >= 50


@pytest.fixture
def system(monkeypatch, tmp_path):
    """The file with the system's authorities."""
    file = authority("of collectors").write(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return file


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_a_collector_over_tls_is_verified(lab: Lab, system, tmp_path, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority("of collectors").issue(name).write(tmp_path, "collector"))

    async def run(collector: Collector) -> None:
        export = Export(lab.counted)
        export.arrange(lab.settings(f"https://localhost:{collector.port}/v1/traces"))
        export.add(spans(512))
        await lab.until(lambda: lab.exported or lab.lines)
        await export.finish()

    with Collector(tls=context) as collector:
        in_loop(run(collector))
        assert len(ids(collector)) == lab.exported == (512 if name == "localhost" else 0)
        if name != "localhost":
            assert collector.heads == []
            assert "does not accept spans: " in lab.lines[0] and "localhost" in lab.lines[0], lab.lines
