"""examples/gateway.lua with a real FastAPI application, an issuer that signs tokens, and a browser's requests."""

import subprocess
import sys

import httpx
import pytest

from tests.harness import Rsp, run_rsp, wait_until
from tests.issuer import Issuer, SigningKey, published
from tests.paths import ROOT
from tests.ports import free_port

SERVICE = """
from fastapi import FastAPI, Request

app = FastAPI()

@app.get("/shoes")
def shoes():
    return ["boots", "sandals"]

@app.api_route("/{path:path}", methods=["GET", "PUT", "DELETE", "POST"])
async def anything(path: str, request: Request):
    names = ("x-user", "authorization", "x-forwarded-prefix")
    return {"path": path, "body": len(await request.body()), **{name: request.headers.get(name) for name in names}}
"""
PAGE = {"Origin": "https://app.example.com"}
KEY = SigningKey("RS256", "2026-11")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "service.py").write_text(SERVICE)
    port = free_port()
    pytest.importorskip("fastapi")
    own = free_port()
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=folder) as service, Issuer(published(KEY)) as issuer:
        try:
            wait_until(lambda: _answers(port), "the service")
            text = (ROOT / "examples" / "gateway.lua").read_text()
            for old, new in (("127.0.0.1:8000", f"127.0.0.1:{own}"), ("127.0.0.1:9001", f"127.0.0.1:{port}"), ("127.0.0.1:9002", f"127.0.0.1:{port}"),
                             ("https://id.example.com/jwks.json", issuer.url)):  # fmt: skip
                assert old in text
                text = text.replace(old, new)
            with Rsp(folder, text), httpx.Client(base_url=f"http://127.0.0.1:{own}", headers=PAGE) as client:
                yield client
        finally:
            service.terminate()


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/shoes").status_code == 200
    except httpx.TransportError:
        return False


def token(**claims):
    usual = {"iss": "https://id.example.com/", "aud": ["https://api.example.com", "other"]}
    return {"Authorization": f"Bearer {KEY.token(**(usual | claims))}"}


def test_its_own_tests(tmp_path):
    done = run_rsp(tmp_path, "-t", str(ROOT / "examples" / "gateway.lua"))
    assert done.returncode == 0, done.stderr


def test_what_a_page_of_the_application_does(gateway):
    asked = PAGE | {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = gateway.options("/orders/7", headers=asked)
    assert preflight.is_success and "PUT" in preflight.headers["access-control-allow-methods"]
    assert gateway.get("/catalog/shoes").json() == ["boots", "sandals"]
    ordered = gateway.put("/orders/7", headers=token(), json={"pairs": 2})
    assert ordered.json() == {
        "path": "7",
        "body": len(ordered.request.content),
        "x-user": "ann",
        "authorization": None,
        "x-forwarded-prefix": "/orders",
    }
    assert ordered.headers["access-control-allow-origin"] == PAGE["Origin"] and "ratelimit" in ordered.headers
    again = gateway.get("/orders/7", headers=token(sub="ben") | {"X-User": "root"})
    assert again.json()["x-user"] == "ben"


def test_tokens_that_do_not_help(gateway):
    for headers in (
        {},
        token(aud="other"),
        token(iss="https://evil.example/"),
        token(exp=1),
        {"Authorization": "Bearer x"},
    ):
        refused = gateway.get("/orders/7", headers=headers)
        assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert gateway.get("/orders/reports/2026", headers=token(role="clerk")).status_code == 403
    assert gateway.get("/orders/reports/2026", headers=token(role=["clerk", "admin"])).json()["path"] == "reports/2026"


def test_more_than_the_limit(gateway):
    answers = [gateway.get("/orders/reports/x", headers=token(role="admin")) for _ in range(12)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited and all(int(answer.headers["retry-after"]) > 0 for answer in limited)
    assert all(answer.headers["access-control-allow-origin"] == PAGE["Origin"] for answer in limited)
    assert gateway.get("/orders/7", headers=token()).status_code == 200  # each route counts by itself
