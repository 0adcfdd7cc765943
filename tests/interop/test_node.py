"""examples/node.lua with a real Node application of two processes: pages in pieces, files of a build, uploads, events, and
WebSockets, over HTTP/1.1 and HTTP/2."""

import asyncio
import subprocess

import httpx
import pytest
import websockets

from tests.harness import Rsp, accepts, run_rsp, wait_until
from tests.paths import ROOT
from tests.ports import free_port

APPLICATION = r"""
const http = require("http"), crypto = require("crypto"), port = process.argv[2]
let seen = 0
const server = http.createServer((request, response) => {
  const path = request.url.split("?")[0]
  seen += 1
  response.setHeader("X-Process", port)
  if (path === "/api/health") return response.end("ok")
  if (path.startsWith("/_next/static/")) {
    response.setHeader("Cache-Control", "no-cache")
    return response.end("console.log(1)")
  }
  if (path === "/api/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" })
    response.write("data: one\n\n")
    return setTimeout(() => response.end("data: two\n\n"), 50)
  }
  if (request.method === "POST") {
    let size = 0
    request.on("data", piece => { size += piece.length })
    return request.on("end", () => response.end(JSON.stringify({ size, album: request.headers["x-album"] })))
  }
  response.setHeader("Content-Type", "text/html")
  response.write("<h1>" + (request.headers["x-middleware-subrequest"] || "page") + "</h1>")
  setImmediate(() => response.end("<p>" + request.url + "</p>"))
})
server.on("upgrade", (request, socket) => {  // RFC 6455: echoes short texts
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  const accept = crypto.createHash("sha1").update(key).digest("base64")
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
               "Sec-WebSocket-Accept: " + accept + "\r\n\r\n")
  socket.on("data", data => {
    const size = data[1] & 127, mask = data.subarray(2, 6), text = data.subarray(6, 6 + size).map((byte, at) => byte ^ mask[at % 4])
    if ((data[0] & 15) === 8) return socket.end(Buffer.concat([Buffer.from([0x88, size]), text]))
    const answer = Buffer.from(port + " " + text)
    socket.write(Buffer.concat([Buffer.from([0x81, answer.length]), answer]))
  })
  socket.on("error", () => socket.destroy())
})
server.listen(port, "127.0.0.1")
"""


@pytest.fixture
def node(tmp_path, program, processes):
    """The ports of two processes."""
    (tmp_path / "server.js").write_text(APPLICATION)
    ports = [free_port(), free_port()]
    for port in ports:
        processes.append(subprocess.Popen([program("node", "nodejs"), "server.js", str(port)], cwd=tmp_path))
    for port in ports:
        wait_until(lambda port=port: accepts(port), "node")
    return ports


def test_a_node_application(tmp_path, node):
    text = (ROOT / "examples" / "node.lua").read_text()
    checked = run_rsp(tmp_path, "-t", "site.lua", text=text)
    assert checked.returncode == 0, checked.stderr
    own, clear = free_port(), free_port()
    for old, new in ((8000, own), (9001, node[0]), (9002, node[1])):
        assert f"127.0.0.1:{old}" in text
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    text += f'\nlisten "127.0.0.1:{clear}" {{ http2 = "prior-knowledge" }}'
    with Rsp(tmp_path, text):
        for http2, port in ((False, own), (True, clear)):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", http1=not http2, http2=http2) as client:
                check(client)
        base = f"http://127.0.0.1:{own}"
        with httpx.Client(base_url=base) as client:  # over HTTP/2 it sends the whole body before it looks at the answer
            assert client.post("/api/other", content=b"x" * (2 << 20)).status_code == 413
            process = client.get("/socket.io/?EIO=4&transport=polling").headers["x-process"]
            cookie = f"node={client.cookies['node']}"
        url = f"ws://127.0.0.1:{own}/socket.io/?EIO=4&transport=websocket"
        assert {asyncio.run(talk(url, cookie)) for _ in range(4)} == {process}
        assert {asyncio.run(talk(url)) for _ in range(4)} == set(map(str, node))


def check(client):
    page = client.get("/shop?a=b", headers={"X-Middleware-Subrequest": "pages/_middleware"})
    assert page.text == "<h1>page</h1><p>/shop?a=b</p>"
    assert client.get("/_next/static/main.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "cache-control" not in client.get("/_next/image?url=x").headers
    assert client.get("/api/events").text == "data: one\n\ndata: two\n\n"
    photo = b"x" * (2 << 20)
    assert client.post("/api/summer-1/photos", content=photo).json() == {"size": len(photo), "album": "summer-1"}
    small = client.post("/api/other", content=b"x" * 1000)
    assert small.json() == {"size": 1000}
    moved = client.get("/x?y=1", headers={"Host": "www.example.com"})
    assert (moved.status_code, moved.headers["location"]) == (308, "https://example.com/x?y=1")
    # A client stays with its process where that matters.
    assert len({client.get("/socket.io/?EIO=4").headers["x-process"] for _ in range(6)}) == 1


async def talk(url, cookie=None):
    """The process at the other end of a WebSocket."""
    async with websockets.connect(url, additional_headers={"Cookie": cookie} if cookie else {}) as live:
        await live.send("hello")
        process, text = (await live.recv()).split()
        assert text == "hello"
        return process
