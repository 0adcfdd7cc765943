"""Clients of HTTP/2 that others wrote: curl, nghttp, h2load, httpx, hyper-h2, and a browser."""

import asyncio
import hashlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
from websockets.asyncio.server import serve

from tests.certificates import authority
from tests.harness import Backend, Rsp, free_port
from tests.interop.browser import Browser

BODY = b"0123456789abcdef" * 20_000
SITE = """
listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }
listen "127.0.0.1:TLS" { tls = true }
certificate { "site.bundle.pem" }
limits = { body = "64MB" }
access_log = { path = "stdout", format = "{protocol} {method} {target} {status}" }
upstream "app" { "APP" }
upstream "chat" { "127.0.0.1:CHAT" }
route { to = "app" }
route { path = "/chat", to = "chat" }
"""
PAGE = b"""<!doctype html><title>wait</title><body>IMAGES<script>
const images = Promise.all([...document.images].map(image => image.decode()));
const upload = images.then(() => fetch('/digest', {method: 'POST', body: new Uint8Array(300000).fill(120)})).then(r => r.text());
const events = new Promise(done => {
  const seen = [], source = new EventSource('/events');
  source.onmessage = it => { seen.push(it.data); if (seen.length == 3) { source.close(); done(seen.join('')) } };
});
const chat = new Promise(done => {
  const socket = new WebSocket('wss://' + location.host + '/chat');
  socket.onopen = () => socket.send('hello');
  socket.onmessage = it => { done(it.data); socket.close() };
});
const protocols = () => [...new Set(performance.getEntriesByType('resource').map(it => it.nextHopProtocol))].join();
Promise.all([upload, events, chat]).then(all => {
  document.title = ['loaded', document.images.length, ...all, protocols()].join(' ');
}).catch(error => { document.title = 'failed ' + error });
</script>"""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


class App(Backend):
    def __init__(self) -> None:
        self.page = b""
        super().__init__(self._by_path)

    def _by_path(self, connection, head, rest):
        kind, body = b"text/plain", BODY
        path = re.search(rb" /(\w*)", head)[1]
        if path == b"digest":
            body = hashlib.sha256(self._body(connection, head, rest)).hexdigest().encode()
        elif path == b"page":
            kind, body = b"text/html", self.page
        elif path == b"image":
            kind, body = b"image/png", PNG
        elif path == b"events":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for number in range(3):
                connection.sendall(b"data: %d\n\n" % number)
            while connection.recv(100):
                pass
            return False
        elif path == b"small":
            body = b"small"
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)
        )
        return True

    def _body(self, connection, head, rest):
        length = re.search(rb"Content-Length: (\d+)", head)
        pieces, missing = [rest], int(length[1]) - len(rest)
        while missing > 0:
            pieces.append(connection.recv(1 << 20))
            missing -= len(pieces[-1])
        return b"".join(pieces)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[tuple[Rsp, App, int]]:
    directory = tmp_path_factory.mktemp("clients")
    tls, chat = free_port(), free_port()
    authority().issue("localhost").write(directory, "site")
    over, ready = threading.Event(), threading.Event()

    async def talk() -> None:
        async def echo(connection) -> None:
            async for message in connection:
                await connection.send(message)

        async with serve(echo, "127.0.0.1", chat):
            ready.set()
            await asyncio.to_thread(over.wait)

    talking = threading.Thread(target=asyncio.run, args=(talk(),))
    talking.start()
    assert ready.wait(20)
    try:
        with App() as app:
            text = SITE.replace("APP", app.address).replace("TLS", str(tls)).replace("CHAT", str(chat))
            with Rsp(directory, text, workers=2) as rsp:
                yield rsp, app, tls
                assert rsp.stop() == 0
    finally:
        over.set()
        talking.join()


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
def test_curl(site, program, tmp_path, secure):
    rsp, _, tls = site
    (tmp_path / "upload").write_bytes(BODY * 10)
    base = f"https://127.0.0.1:{tls}" if secure else f"http://127.0.0.1:{rsp.port}"
    curl = [program("curl"), "-skS", "--http2" if secure else "--http2-prior-knowledge", "-m", "30"]
    done = run(*curl, "-w", "%{http_version} %{http_code}", "-o", str(tmp_path / "got"), f"{base}/a")
    assert done.stdout == b"2 200", done.stderr
    assert (tmp_path / "got").read_bytes() == BODY
    assert (
        run(*curl, "--data-binary", f"@{tmp_path}/upload", f"{base}/digest").stdout.decode()
        == hashlib.sha256(BODY * 10).hexdigest()
    )
    assert run(*curl, "-I", f"{base}/a").stdout.startswith(b"HTTP/2 200")
    if secure:  # with prior knowledge, curl 7.88 opens streams before it has said SETTINGS, whatever the server
        many = run(*curl, "--parallel", "--parallel-max", "20", *[f"{base}/small"] * 50)
        assert many.stdout == b"small" * 50, many.stderr


def test_nghttp(site, program, tmp_path):
    rsp, _, tls = site
    (tmp_path / "upload").write_bytes(BODY)
    nghttp = [program("nghttp"), "--no-verify-peer"]
    for base in (f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{rsp.port}"):
        assert run(*nghttp, f"{base}/a").stdout == BODY
        assert (
            run(*nghttp, "-d", f"{tmp_path}/upload", f"{base}/digest").stdout.decode()
            == hashlib.sha256(BODY).hexdigest()
        )
        many = run(*nghttp, "-n", "-s", "-m", "20", "-w", "10", "-W", "11", f"{base}/a")
        assert many.returncode == 0 and many.stdout.count(b" 200 ") == 20, many.stdout + many.stderr
        padded = run(*nghttp, "-b", "200", "--no-dep", f"{base}/small")
        assert padded.stdout == b"small"
        assert (
            run(*nghttp, "--header-table-size=0", "--encoder-header-table-size=0", f"{base}/small").stdout == b"small"
        )


@pytest.mark.parametrize("shape", [("-c8", "-m16"), ("-c64", "-m1"), ("-c1", "-m100")], ids="".join)
def test_h2load(site, program, shape):
    rsp, _, tls = site
    for base in (f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{rsp.port}"):
        done = run(program("h2load"), "-n1000", *shape, f"{base}/small").stdout.decode()
        assert "1000 succeeded, 0 failed, 0 errored, 0 timeout" in done, done
        assert "status codes: 1000 2xx" in done


@pytest.mark.soak
def test_httpx(site):
    _, _, tls = site
    context = authority().trusted()

    async def main() -> None:
        async with httpx.AsyncClient(http1=False, http2=True, verify=context, timeout=60) as client:
            base = f"https://localhost:{tls}"
            all_at_once = await asyncio.gather(*(client.get(f"{base}/{number}") for number in range(60)))
            assert {(one.http_version, one.status_code, one.content) for one in all_at_once} == {("HTTP/2", 200, BODY)}
            for size in (1, 70_000, 300_000):  # one by one: httpcore stops when several wait for windows
                upload = await client.post(f"{base}/digest", content=BODY[:size])
                assert upload.text == hashlib.sha256(BODY[:size]).hexdigest()

    asyncio.run(main())


def test_hyper_h2(site):
    rsp, _, _ = site
    with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as sock:
        client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        client.initiate_connection()
        numbers = range(1, 61, 2)
        for number in numbers:
            client.send_headers(
                number, [(":method", "GET"), (":path", "/a"), (":scheme", "http"), (":authority", "a")], end_stream=True
            )
        sock.sendall(client.data_to_send())
        bodies, ended = dict.fromkeys(numbers, b""), set()
        while len(ended) < len(numbers):
            for event in client.receive_data(sock.recv(65536)):
                assert not isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated), event
                if isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    ended.add(event.stream_id)
            sock.sendall(client.data_to_send())
        assert set(bodies.values()) == {BODY}


@pytest.mark.soak
@pytest.mark.parametrize("images", [200])
def test_a_browser(site, program, tmp_path, images):
    """A page with its resources, an upload, server-sent events and a WebSocket, all on HTTP/2."""
    rsp, app, tls = site
    app.page = PAGE.replace(b"IMAGES", b"".join(b"<img src=/image/%d>" % number for number in range(images)))
    with closing(Browser(program("chromium"), tmp_path / "profile", "--ignore-certificate-errors")) as browser:
        browser.open(f"https://localhost:{tls}/page")
        title = browser.wait("document.title != 'wait' && document.title", 120)
        digest = hashlib.sha256(b"x" * 300000).hexdigest()
        assert title == f"loaded {images} {digest} 012 hello h2"
        assert not browser.errors
    seen = rsp.access_log
    assert seen.count("HTTP/2.0 GET /image/") == images
    assert "HTTP/2.0 GET /chat" in seen
