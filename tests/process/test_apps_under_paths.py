"""examples/subpath.lua and examples/grafana.lua with real applications: FastAPI under uvicorn; and one that knows the path
it lives under, with Grafana's habits: redirects and cookies below it, a WebSocket whose Origin has to be the Host."""

import asyncio
import socket
import subprocess
import sys

import httpx
import pytest
import websockets

from tests.harness import Backend, Rsp, run_rsp, wait_until
from tests.paths import ROOT
from tests.ports import free_port

FASTAPI = """
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import RedirectResponse

app = FastAPI(root_path="/api")

@app.get("/items/")
def items(request: Request):
    return {"url": str(request.url_for("item", number=7)), "prefix": request.headers["x-forwarded-prefix"]}

@app.get("/items/{number}")
def item(number: int, response: Response):
    response.set_cookie("seen", str(number), path="/")
    return {"number": number}

@app.get("/old")
def old():
    return RedirectResponse("/items/", 303)

@app.websocket("/live")
async def live(socket: WebSocket):
    await socket.accept()
    await socket.send_text((await socket.receive_text()).upper())
"""

GRAFANA = """
import sys
from aiohttp import web

routes = web.RouteTableDef()

@routes.get("/grafana/")
async def home(request):
    if request.cookies.get("grafana_session") != "abc":
        raise web.HTTPFound("/grafana/login")
    return web.Response(text='<base href="/grafana/" />', content_type="text/html")

@routes.get("/grafana/login")
async def login(request):
    response = web.HTTPFound("/grafana/")
    response.set_cookie("grafana_session", "abc", path="/grafana", httponly=True, samesite="Lax")
    raise response

@routes.get("/grafana/seen")
async def seen(request):
    return web.json_response({"host": request.host, "ip": request.headers["X-Real-IP"], "path": request.path_qs})

@routes.get("/grafana/api/live/ws")
async def live(request):
    if request.headers["Origin"] != "http://" + request.host:
        raise web.HTTPForbidden(text="origin not allowed")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket

app = web.Application()
app.add_routes(routes)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def application():
    """Starts a program at a port, which is passed as its last argument."""
    processes = []

    def start(*arguments: str, cwd) -> int:
        port = free_port()
        command = [sys.executable, *arguments, str(port)]
        processes.append(subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: listens(port) or processes[-1].poll() is not None, "the application")
        assert processes[-1].poll() is None
        return port

    yield start
    for process in processes:
        process.kill()
        process.wait()


def example(name: str, directory, **addresses: str) -> str:
    """The text of an example, whose tests pass, with other addresses."""
    text = (ROOT / "examples" / f"{name}.lua").read_text()
    checked = run_rsp(directory, "-t", "site.lua", text=text)
    assert checked.returncode == 0, checked.stderr
    for old, new in addresses.items():
        assert f":{old[1:]}" in text
        text = text.replace(f"127.0.0.1:{old[1:]}", new)
    return text


async def shouted(url: str, origin: str, told: str) -> str:
    async with websockets.connect(url, origin=origin) as live:
        await live.send(told)
        return await live.recv()


def test_fastapi_under_a_path(tmp_path, application):
    pytest.importorskip("fastapi")
    (tmp_path / "shop.py").write_text(FASTAPI)
    own = free_port()
    port = application("-m", "uvicorn", "shop:app", "--port", cwd=tmp_path)
    with Backend(name="site") as site:
        text = example("subpath", tmp_path, _8000=f"127.0.0.1:{own}", _9001=f"127.0.0.1:{port}", _9002=site.address)
        base = f"http://127.0.0.1:{own}"
        with Rsp(tmp_path, text), httpx.Client(base_url=base) as client:
            assert client.get("/").text == "site"
            assert client.get("/api").headers["location"] == "/api/"
            listed = client.get("/api/items/").json()
            assert listed == {"url": f"{base}/api/items/7", "prefix": "/api"}
            assert client.get(listed["url"]).json() == {"number": 7}
            assert [(each.name, each.path) for each in client.cookies.jar] == [("seen", "/api")]
            # its own redirects, a path in them, and one that its router makes of a missing slash
            followed = client.get("/api/old", follow_redirects=True)
            assert followed.json()["prefix"] == "/api" and [each.status_code for each in followed.history] == [303]
            followed = client.get("/api/items?a=b", follow_redirects=True)
            assert followed.json()["prefix"] == "/api" and str(followed.url) == f"{base}/api/items/?a=b"
            # its documentation
            assert '"/api/openapi.json"' in client.get("/api/docs").text.replace("'", '"')
            assert client.get("/api/openapi.json").json()["servers"] == [{"url": "/api"}]
            assert client.get("/v1/items/7?x=1", follow_redirects=True).json() == {"number": 7}
            url = f"ws://127.0.0.1:{own}/api/live"
            assert asyncio.run(shouted(url, base, "hello")) == "HELLO"


def test_an_application_that_knows_its_path(tmp_path, application):
    (tmp_path / "app.py").write_text(GRAFANA)
    own = free_port()
    port = application("app.py", cwd=tmp_path)
    with Backend(name="site") as site:
        text = example("grafana", tmp_path, _8000=f"127.0.0.1:{own}", _3000=f"127.0.0.1:{port}", _9002=site.address)
        base = f"http://127.0.0.1:{own}"
        with Rsp(tmp_path, text), httpx.Client(base_url=base) as client:
            followed = client.get("/grafana?orgId=1", follow_redirects=True)
            assert [each.headers["location"] for each in followed.history] == [
                "/grafana/?orgId=1", "/grafana/login", "/grafana/",
            ]  # fmt: skip
            assert followed.text == '<base href="/grafana/" />'
            assert [(each.name, each.path) for each in client.cookies.jar] == [("grafana_session", "/grafana")]
            seen = client.get("/grafana/seen?a=%2F").json()
            assert seen == {"host": f"127.0.0.1:{own}", "ip": "127.0.0.1", "path": "/grafana/seen?a=%2F"}
            assert client.get("/grafanax").text == "site"
            url = f"ws://127.0.0.1:{own}/grafana/api/live/ws"
            assert asyncio.run(shouted(url, base, "hello")) == "HELLO"
            with pytest.raises(websockets.InvalidStatus):
                asyncio.run(shouted(url, "http://evil.test", "hello"))
