"""Real clients and frameworks through rsp: curl, Python's clients, WebSockets, git, pip, a browser."""

import asyncio
import functools
import hashlib
import http.client
import http.server
import os
import random
import subprocess
import sys
import threading

import aiohttp
import httpx
import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from tests.harness import Backend, Rsp, free_port, proxy_to, wait_until

ASGI = """
import asyncio, hashlib
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    digest, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        digest.update(message.get("body", b"")); size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(200):
            await send({"type": "http.response.body", "body": b"%06d" % number * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = f"{scope['method']} {scope['raw_path'].decode()}{'?' + scope['query_string'].decode() if scope['query_string'] else ''} {size} {digest.hexdigest()}".encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """rsp before a uvicorn application: its port."""
    directory = tmp_path_factory.mktemp("asgi")
    (directory / "app.py").write_text(ASGI)
    port = free_port()
    arguments = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", "app:app"]
    server = subprocess.Popen(arguments, cwd=directory)
    with Rsp(directory, proxy_to(f"127.0.0.1:{port}"), workers=2) as rsp:
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{rsp.port}/").status_code == 200, "uvicorn")
        yield rsp.port
    server.terminate()
    server.wait()


DATA = random.Random(1).randbytes(3_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "GET /x 0"), (["-0"], "GET /x 0"), (["-d", "a=b"], "POST /x 3"), (["-X", "DELETE"], "DELETE /x 0"),
        (["-T", "FILE"], f"PUT /x 3000000 {DIGEST}"), (["--data-binary", "@FILE"], f"POST /x 3000000 {DIGEST}"),
        (["-H", "Transfer-Encoding: chunked", "--data-binary", "@FILE"], f"POST /x 3000000 {DIGEST}"),
        (["-H", "Expect: 100-continue", "--data-binary", "@FILE"], f"POST /x 3000000 {DIGEST}"),
        (["-H", "Expect:", "-T", "FILE"], f"PUT /x 3000000 {DIGEST}"), (["-F", "f=@FILE"], "POST /x 3000"),
        (["--path-as-is"], "GET /x 0"), (["-A", ""], "GET /x 0"), (["--compressed"], "GET /x 0"), (["--http1.1", "-G", "-d", "q=1"], "GET /x?q=1 0"),
        (["--http2"], "GET /x 0"), (["-H", "Connection: close"], "GET /x 0"), (["--proxy", "PROXY"], "GET /x 0"), (["--tcp-nodelay", "--no-keepalive"], "GET /x 0"),
    ],
)  # fmt: skip
def test_curl(tmp_path, program, front, flags, expected):
    (tmp_path / "file").write_bytes(DATA)
    flags = [
        flag.replace("FILE", str(tmp_path / "file")).replace("PROXY", f"http://127.0.0.1:{front}") for flag in flags
    ]
    url = f"http://127.0.0.1:{front}/x"
    done = subprocess.run([program("curl"), "-sS", "-m", "30", *flags, url], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(expected), done.stderr


def test_curl_head_range_and_many_urls(program, front):
    curl, url = program("curl"), f"http://127.0.0.1:{front}/x"
    head = subprocess.run([curl, "-sS", "-I", url], capture_output=True, text=True, check=True).stdout
    assert head.startswith("HTTP/1.1 200 OK")
    many = subprocess.run([curl, "-sS", "-v", *[url] * 20], capture_output=True, text=True, check=True)
    assert many.stdout.count("GET /x") == 20
    assert many.stderr.count("Re-using existing connection") == 19


def test_http_client(front):
    connection = http.client.HTTPConnection("127.0.0.1", front)
    for method, body in (
        ("GET", None),
        ("POST", b"abc"),
        ("PUT", iter([b"a", b"bc"])),
        ("HEAD", None),
        ("OPTIONS", None),
    ):
        connection.request(
            method, "/p", body, encode_chunked=True, headers={"Transfer-Encoding": "chunked"} if method == "PUT" else {}
        )
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status == 200
        assert text.startswith(f"{method} /p {3 if body else 0} ") or method == "HEAD"


@pytest.mark.soak
def test_httpx_and_aiohttp_many_at_once(front):
    async def main() -> None:
        base = f"http://127.0.0.1:{front}"
        async with httpx.AsyncClient(timeout=60) as client:
            texts = await asyncio.gather(
                *(client.post(f"{base}/{number}", content=DATA[:number]) for number in range(200))
            )
            assert [text.text.split()[:3] for text in texts] == [
                ["POST", f"/{number}", str(number)] for number in range(200)
            ]
        async with aiohttp.ClientSession() as session:

            async def one(number: int) -> None:
                async def body():
                    yield DATA[:number]
                    yield DATA[number:]

                async with session.put(f"{base}/{number}", data=body()) as response:
                    assert await response.text() == f"PUT /{number} 3000000 {DIGEST}"
                async with session.get(f"{base}/stream") as response:
                    assert len(await response.read()) == 1_200_000

            await asyncio.gather(*(one(number) for number in range(1, 10)))

    asyncio.run(main())


@pytest.mark.soak
def test_websockets(tmp_path):
    """1000 messages of up to 1 MB, pings, close codes, through rsp."""

    async def echo(connection):
        async for message in connection:
            if message == "close":
                await connection.close(4001, "as asked")
            await connection.send(message)

    async def main() -> None:
        port = free_port()
        rng = random.Random(2)
        async with serve(echo, "127.0.0.1", port, max_size=2 << 20):
            with Rsp(tmp_path, proxy_to(f"127.0.0.1:{port}")) as rsp:
                url = f"ws://127.0.0.1:{rsp.port}/chat"
                async with connect(url, max_size=2 << 20, compression=None) as client:
                    for number in range(1000):
                        size = 1 << 20 if number % 100 == 0 else int(rng.paretovariate(0.5)) % (1 << 16)
                        message = rng.randbytes(size)
                        await client.send(message)
                        assert await client.recv() == message
                        if number % 50 == 0:
                            await (await client.ping())
                    await client.send("close")
                    with pytest.raises(websockets.ConnectionClosedError):
                        await client.recv()
                    assert (client.close_code, client.close_reason) == (4001, "as asked")
                clients = await asyncio.gather(*(connect(url) for _ in range(50)))
                for number, client in enumerate(clients):
                    await client.send(str(number))
                for number, client in enumerate(clients):
                    assert await client.recv() == str(number)
                    await client.close()
                    assert client.close_code == 1000

    asyncio.run(main())


@pytest.fixture
def files(tmp_path):
    """A real file server for ``tmp_path / "www"``: its port."""
    (tmp_path / "www").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    handler.func.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.mark.soak
def test_git_clone(tmp_path, program, files):
    git = program("git")
    source = tmp_path / "source"
    environment = {
        **os.environ,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }

    def run(*arguments: str) -> str:
        return subprocess.run([git, *arguments], env=environment, capture_output=True, text=True, check=True).stdout

    run("init", "-q", str(source))
    for number in range(30):
        (source / f"file{number}").write_bytes(DATA[: number * 3000])
        run("-C", str(source), "add", ".")
        run("-C", str(source), "commit", "-q", "-m", str(number))
    run("clone", "-q", "--bare", str(source), str(tmp_path / "www" / "r.git"))
    run("-C", str(tmp_path / "www" / "r.git"), "update-server-info")
    with Rsp(tmp_path, proxy_to(f"127.0.0.1:{files}")) as rsp:
        run("clone", "-q", f"http://127.0.0.1:{rsp.port}/r.git", str(tmp_path / "clone"))
        assert run("-C", str(tmp_path / "clone"), "rev-parse", "HEAD") == run("-C", str(source), "rev-parse", "HEAD")


@pytest.mark.soak
def test_pip_download(tmp_path, files):
    """pip installs from a small index of its own, through rsp."""
    project = tmp_path / "project"
    (project / "tiny").mkdir(parents=True)
    (project / "tiny" / "__init__.py").write_text("x = 1\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "tiny-rsp"\nversion = "1.0"\n'
    )
    index = tmp_path / "www" / "simple" / "tiny-rsp"
    index.mkdir(parents=True)
    wheel = index / "tiny_rsp-1.0-py3-none-any.whl"
    import zipfile

    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/__init__.py", "x = 1\n")
        archive.writestr("tiny_rsp-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-rsp\nVersion: 1.0\n")
        archive.writestr(
            "tiny_rsp-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_rsp-1.0.dist-info/RECORD", "")
    (index / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    with Rsp(tmp_path, proxy_to(f"127.0.0.1:{files}")) as rsp:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(tmp_path / "got"),
             "--index-url", f"http://127.0.0.1:{rsp.port}/simple/", "--trusted-host", "127.0.0.1", "tiny-rsp"],
            check=True, env={key: value for key, value in os.environ.items() if not key.startswith("PIP_")} | {"PIP_CONFIG_FILE": os.devnull},
        )  # fmt: skip
        assert (tmp_path / "got" / wheel.name).read_bytes() == wheel.read_bytes()


PAGE = """<!doctype html><title>wait</title><link rel=stylesheet href=style.css><script src=script.js></script>
<body>%s<script>
Promise.all([...document.images].map(i => i.decode())).then(() => fetch('/echo', {method: 'POST', body: 'x'.repeat(100000)}))
.then(r => r.text()).then(t => { document.title = 'loaded ' + document.images.length + ' ' + fromScript + ' ' + t
+ ' ' + getComputedStyle(document.body).color })
</script>"""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@pytest.mark.soak
@pytest.mark.parametrize("images", [2000])
def test_a_page_with_assets_in_a_browser(tmp_path, program, files, images):
    chromium = program("chromium")
    www = tmp_path / "www"
    (www / "style.css").write_text("body { color: rgb(1, 2, 3) }")
    (www / "script.js").write_text("var fromScript = 'script';")
    for number in range(images):
        (www / f"{number}.png").write_bytes(PNG)
    (www / "index.html").write_text(PAGE % "".join(f"<img src={number}.png>" for number in range(images)))
    with Backend(name="echoed") as backend:
        text = proxy_to(f"127.0.0.1:{files}")
        text += f'upstream "echo" {{ "{backend.address}" }} route {{ path = "/echo", to = "echo" }}'
        with Rsp(tmp_path, text, workers=2) as rsp:
            done = subprocess.run(
                [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=20000", "--dump-dom", f"http://127.0.0.1:{rsp.port}/"],
                capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
            assert f"<title>loaded {images} script echoed rgb(1, 2, 3)</title>" in done.stdout, done.stderr[-2000:]
