"""examples/admin.lua with a real Flask application under gunicorn: the office, and people with a password."""

import subprocess
import sys

import bcrypt
import httpx
import pytest

from tests.harness import Rsp, wait_until
from tests.over_tls import not_over_tls
from tests.paths import ROOT
from tests.ports import free_port

pytestmark = not_over_tls("it is about the example as it stands")

APP = """
from flask import Flask, request

app = Flask(__name__)

@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def anything(path):
    return {"path": path, "body": len(request.get_data()), "client": request.headers["X-Forwarded-For"]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    (folder / "app.py").write_text(APP)
    (folder / "office.txt").write_text("198.51.100.0/24\n")
    (folder / "htpasswd").write_text("ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode() + "\n")
    app, own = free_port(), free_port()
    command = [sys.executable, "-m", "gunicorn", "app:app", "-b", f"127.0.0.1:{app}", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=folder) as service:
        try:
            wait_until(lambda: _answers(app), "the application")
            text = (ROOT / "examples" / "admin.lua").read_text()
            for old, new in (("127.0.0.1:8000", f"127.0.0.1:{own}"), ("127.0.0.1:9001", f"127.0.0.1:{app}")):
                assert old in text
                text = text.replace(old, new)
            with Rsp(folder, 'trusted = { "127.0.0.1/32" } ' + text) as rsp:
                rsp.at = own
                yield rsp
        finally:
            service.terminate()


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "x"}).status_code == 200
    except httpx.TransportError:
        return False


def ask(site, path, client, **more):
    with httpx.Client(base_url=f"http://127.0.0.1:{site.at}", headers={"X-Forwarded-For": client}) as session:
        return session.request(more.pop("method", "GET"), path, **more)


OFFICE, BRANCH, HOME = "203.0.113.9", "198.51.100.7", "192.0.2.1"


def test_the_office_needs_no_password(site):
    for client in (OFFICE, BRANCH):
        assert ask(site, "/admin/users", client).json()["path"] == "admin/users"
    assert ask(site, "/admin", OFFICE, method="POST", content=b"x" * 100_000).json()["body"] == 100_000


def test_others_do(site):
    refused = ask(site, "/admin", HOME)
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"].startswith('Basic realm="staff"')
    assert ask(site, "/admin", HOME, auth=("ann", "wrong")).status_code == 401
    assert ask(site, "/admin", HOME, auth=("ann", "secret")).json()["client"].startswith(HOME)
    assert ask(site, "/admin%2Fdebug", HOME, auth=("ann", "secret")).status_code == 400


def test_what_is_for_the_machine_alone(site):
    for client in (OFFICE, HOME):
        assert ask(site, "/admin/debug", client, auth=("ann", "secret")).status_code == 403
    assert ask(site, "/admin/debug", "127.0.0.1").status_code == 200


def test_the_rest_is_for_all(site):
    assert ask(site, "/", HOME).status_code == ask(site, "/administration", HOME).status_code == 200


def test_passwords_cannot_be_guessed_at_any_speed(site):
    """61 at once, and then one a second, which this does not wait for."""
    fields = {"X-Forwarded-For": "192.0.2.66", "Authorization": "Basic YW5uOmd1ZXNz"}
    with httpx.Client(base_url=f"http://127.0.0.1:{site.at}", headers=fields) as session:
        answers = [session.get("/admin") for _ in range(61)]
        assert {answer.status_code for answer in answers} == {401}
        for _ in range(1000):
            refused = session.get("/admin")
            if refused.status_code == 429:
                break
        assert refused.status_code == 429 and refused.headers["Retry-After"] == "1"
    assert ask(site, "/admin", HOME, auth=("ann", "secret")).status_code == 200
